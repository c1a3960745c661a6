"""The selective scan on CUDA: one Triton kernel forward, one backward.

A program has one channel of one image. It takes CHUNK tokens at a time: inside, the recurrence is an associative scan
of the pairs (decay, input), as in Gu and Dao (arXiv 2312.00752), section 3.3.2; the state goes from chunk to chunk in
registers. Only the inputs are read and the output is written; no (D, L, N) tensor exists. The backward pass makes the
states of a chunk once more from the one that was kept before it, and runs the same scan in reverse on the gradients.
B and C are shared by the channels of a group: their gradients are added atomically, so their last digits may vary.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from rssr.models.mambairv2.selective_scan import CHUNK

WARPS = 4


@triton.jit
def _combine(decay_a, value_a, decay_b, value_b):
    return decay_a * decay_b, value_a * decay_b + value_b


@triton.jit
def _softplus(x):
    """log(1 + exp(x)); the quotient undoes the rounding of 1 + z, which log alone would not survive for a small z."""
    z = tl.exp(-tl.abs(x))
    w = 1 + z
    small = tl.where(w == 1, z, tl.log(w) * (z / tl.where(w == 1, 1, w - 1)))
    return tl.maximum(x, 0) + small


@triton.jit
def _states(u, dt, A, B, before):
    """The states after each token of a chunk, (T, N), and what each token adds to them."""
    entering = (dt * u)[:, None] * B
    decays, h = tl.associative_scan((tl.exp(dt[:, None] * A[None, :]), entering), 0, _combine)
    return h + decays * before[None, :], entering


@triton.jit
def _forward(
    u_ptr, delta_ptr, A_ptr, B_ptr, C_ptr, D_ptr, bias_ptr, y_ptr, states_ptr, length, channels, per_group, size,
    KEEP: tl.constexpr, T: tl.constexpr, N: tl.constexpr, WORK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)  # image and channel
    channel = row % channels
    group = row // per_group  # image and group, because the groups divide the channels evenly
    t, n = tl.arange(0, T), tl.arange(0, N)
    real = n < size
    A = tl.load(A_ptr + channel * size + n, mask=real, other=0).to(WORK)
    D = tl.load(D_ptr + channel).to(WORK)
    bias = tl.load(bias_ptr + channel).to(WORK)
    h = tl.zeros((N,), dtype=WORK)
    chunks = tl.cdiv(length, T)
    for chunk in range(chunks):
        if KEEP:
            tl.store(states_ptr + (row * chunks + chunk) * size + n, h, mask=real)
        token = chunk * T + t
        inside = token < length
        u = tl.load(u_ptr + row * length + token, mask=inside, other=0).to(WORK)
        delta = tl.load(delta_ptr + row * length + token, mask=inside, other=0).to(WORK)
        dt = tl.where(inside, _softplus(delta + bias), 0)  # a step of zero beyond the end changes no state
        place = (group * size + n[None, :]) * length + token[:, None]
        both = inside[:, None] & real[None, :]
        B = tl.load(B_ptr + place, mask=both, other=0).to(WORK)
        C = tl.load(C_ptr + place, mask=both, other=0).to(WORK)
        all_h, _ = _states(u, dt, A, B, h)
        h = tl.sum(tl.where(t[:, None] == T - 1, all_h, 0), 0)
        tl.store(y_ptr + row * length + token, tl.sum(all_h * C, 1) + D * u, mask=inside)


@triton.jit
def _backward(
    grad_ptr, u_ptr, delta_ptr, A_ptr, B_ptr, C_ptr, D_ptr, bias_ptr, states_ptr, du_ptr, ddelta_ptr, dA_ptr, dB_ptr,
    dC_ptr, length, channels, per_group, size, T: tl.constexpr, N: tl.constexpr, WORK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    channel = row % channels
    group = row // per_group
    t, n = tl.arange(0, T), tl.arange(0, N)
    real = n < size
    A = tl.load(A_ptr + channel * size + n, mask=real, other=0).to(WORK)
    D = tl.load(D_ptr + channel).to(WORK)
    bias = tl.load(bias_ptr + channel).to(WORK)
    dA = tl.zeros((N,), dtype=WORK)
    dh = tl.zeros((N,), dtype=WORK)  # of the state before the chunk that was done last
    chunks = tl.cdiv(length, T)
    for done in range(chunks):
        chunk = chunks - 1 - done
        token = chunk * T + t
        inside = token < length
        place = (group * size + n[None, :]) * length + token[:, None]
        both = inside[:, None] & real[None, :]
        u = tl.load(u_ptr + row * length + token, mask=inside, other=0).to(WORK)
        dy = tl.load(grad_ptr + row * length + token, mask=inside, other=0).to(WORK)
        raw = tl.load(delta_ptr + row * length + token, mask=inside, other=0).to(WORK) + bias
        dt = tl.where(inside, _softplus(raw), 0)
        B = tl.load(B_ptr + place, mask=both, other=0).to(WORK)
        C = tl.load(C_ptr + place, mask=both, other=0).to(WORK)
        before = tl.load(states_ptr + (row * chunks + chunk) * size + n, mask=real, other=0).to(WORK)
        h, entering = _states(u, dt, A, B, before)

        # dh_t = dy_t C_t + decay_{t+1} dh_{t+1}: the last token of the chunk has its successor's share already in dh.
        last = t == T - 1
        follows = (token + 1 < length) & (t < T - 1)
        raw_next = tl.load(delta_ptr + row * length + token + 1, mask=follows, other=0).to(WORK) + bias
        dt_next = tl.where(follows, _softplus(raw_next), 0)
        own = dy[:, None] * C + tl.where(last[:, None], dh[None, :], 0)
        _, total = tl.associative_scan((tl.exp(dt_next[:, None] * A[None, :]), own), 0, _combine, reverse=True)
        decayed = total * tl.exp(dt[:, None] * A[None, :])
        dh = tl.sum(tl.where(t[:, None] == 0, decayed, 0), 0)

        from_decay = total * (h - entering)  # h - entering is decay times the state before
        from_input = tl.sum(total * B, 1)
        ddt = tl.sum(from_decay * A[None, :], 1) + from_input * u
        dA += tl.sum(from_decay * dt[:, None], 0)
        # The slope of softplus is the sigmoid, exp(raw - softplus(raw)).
        tl.store(ddelta_ptr + row * length + token, ddt * tl.exp(raw - dt), mask=inside)
        tl.store(du_ptr + row * length + token, from_input * dt + D * dy, mask=inside)
        tl.atomic_add(dB_ptr + place, total * (dt * u)[:, None], mask=both)
        tl.atomic_add(dC_ptr + place, h * dy[:, None], mask=both)
    tl.store(dA_ptr + row * size + n, dA, mask=real)


def forward(inputs: Sequence[Tensor], keep: bool) -> tuple[Tensor, Tensor]:
    """The output, and the states before every chunk, (B, D, chunks, N), if they are to be kept.

    The inputs are the seven of selective_scan(), with B and C of four dimensions.
    """
    u, _, A, B, *_ = inputs
    tensors = [t.contiguous() for t in inputs]
    batch, channels, length = u.shape
    work = torch.promote_types(u.dtype, torch.float32)
    y = torch.empty_like(tensors[0])
    states = u.new_empty(batch, channels, triton.cdiv(length, CHUNK) if keep else 0, A.shape[1], dtype=work)
    with _on(u):
        _forward[(batch * channels,)](*tensors, y, states, *_sizes(u, A, B), KEEP=keep, **_constants(A, work))
    return torch.empty_like(u).copy_(y) if y.stride() != u.stride() else y, states


def backward(grad: Tensor, inputs: Sequence[Tensor], states: Tensor) -> tuple[Tensor, ...]:
    """The gradients of the seven inputs, from that of the output and the states that forward() kept."""
    u, _, A, B, *_ = inputs
    tensors = [t.contiguous() for t in (grad, *inputs)]
    batch, channels = u.shape[:2]
    du, ddelta = (torch.empty_like(t, dtype=states.dtype) for t in tensors[1:3])
    dA = states.new_empty(batch, *A.shape)
    dB, dC = states.new_zeros(2, *B.shape)
    found = du, ddelta, dA, dB, dC
    with _on(u):
        _backward[(batch * channels,)](*tensors, states, *found, *_sizes(u, A, B), **_constants(A, states.dtype))
    dD = torch.einsum("bdl,bdl->d", grad.to(states.dtype), u.to(states.dtype))
    found = du, ddelta, dA.sum(0), dB, dC, dD, ddelta.sum((0, 2))
    return tuple(torch.empty_like(t).copy_(value) for value, t in zip(found, inputs, strict=True))


def _sizes(u: Tensor, A: Tensor, B: Tensor) -> tuple[int, ...]:
    """Length, channels, channels in a group, states."""
    return u.shape[2], u.shape[1], u.shape[1] // B.shape[1], A.shape[1]


def _constants(A: Tensor, work: torch.dtype) -> dict:
    precision = tl.float64 if work is torch.float64 else tl.float32
    return {"T": CHUNK, "N": triton.next_power_of_2(A.shape[1]), "WORK": precision, "num_warps": WARPS}


def _on(u: Tensor) -> torch.cuda.device:
    """Triton launches on the current device, which need not be the tensors'."""
    return torch.cuda.device(u.device if u.is_cuda else -1)  # -1 leaves it, for the interpreter on a CPU
