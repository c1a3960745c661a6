"""The mLSTM cell: a matrix memory with exponential gates, in a quadratic and in a linear-time form.

Beck et al., "xLSTM: Extended Long Short-Term Memory" (arXiv 2405.04517), equations 19 to 27, for the cell; Beck et
al., "Tiled Flash Linear Attention" (arXiv 2503.14376) for the chunkwise form. For a token t and the tokens s <= t

    D_ts = sum of logsigmoid(f) over s+1..t, plus i_s        the log of how much of token s is left at token t
    m_t  = max over s of D_ts                                 keeps every exponential at or below one
    S_ts = (q_t . k_s) / sqrt(d) * exp(D_ts - m_t)
    h_t  = sum_s S_ts v_s / (max(|sum_s S_ts|, exp(-m_t)) + eps)

The parallel form writes the S x S matrices out. The chunkwise form does so inside chunks only; what a chunk has to know
of the tokens before it is a state, the memory sum_s exp(D_s - m) k_s [v_s, 1] and its m. Each chunk's own state adds
to those of the later chunks with weights of the same kind as D, so the chunks of a segment are done at once, and a
state goes from segment to segment. Both forms use the same maximum, the same normaliser and the same eps, so they are
one function.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

EPS = 1e-6
FORMS = ("chunkwise", "parallel")
# Chunks in a segment: on a CPU few enough for its cache, on a GPU enough to fill it.
CHUNKS = {"cpu": 16, "cuda": 256}
EMPTY = -1e30  # the m of a memory with nothing in it; not minus infinity, whose difference with itself is no number

State = tuple[Tensor, Tensor]


def mlstm(
    q: Tensor, k: Tensor, v: Tensor, igate: Tensor, fgate: Tensor, form: str = "chunkwise", chunk: int = 64
) -> Tensor:
    """Run the cell over a sequence from an empty memory.

    Args:
        q: queries, (B, NH, S, DH).
        k: keys, (B, NH, S, DH); they are scaled by 1/sqrt(DH) here.
        v: values, (B, NH, S, DH).
        igate: input gates before their exponential, (B, NH, S).
        fgate: forget gates before their sigmoid, (B, NH, S).
        form: "chunkwise", linear in S, or "parallel", quadratic and plain.
        chunk: tokens in a chunk of the chunkwise form.

    Returns:
        (B, NH, S, DH) in the dtype of v. The arithmetic is at least fp32, also under autocast. The chunkwise form has
        a first derivative only; torch.func and second derivatives need the parallel one.

    Raises:
        ValueError: if the form is not one of FORMS, or a chunk is shorter than a token.
    """
    if form not in FORMS:
        raise ValueError(f"mLSTM form {form!r} is unknown: use one of {', '.join(FORMS)}")
    if chunk < 1:
        raise ValueError(f"mLSTM: a chunk has at least one token, not {chunk}")
    if v.shape[2] == 0:
        return torch.empty_like(v)
    dtype = v.dtype
    work = torch.promote_types(dtype, torch.float32)
    with torch.autocast(device_type=v.device.type, enabled=False):
        q, k, v, igate, fgate = (t.to(work) for t in (q, k, v, igate, fgate))
        k = k * k.shape[-1] ** -0.5
        if form == "parallel":
            return _parallel(q, k, v, igate, fgate).to(dtype)
        return _chunkwise((q, k, v, igate, fgate), min(chunk, v.shape[2])).to(dtype)


def _parallel(q: Tensor, k: Tensor, v: Tensor, igate: Tensor, fgate: Tensor) -> Tensor:
    decay = F.logsigmoid(fgate).cumsum(-1)
    past = torch.ones(v.shape[2], v.shape[2], dtype=torch.bool, device=v.device).tril()
    log_weights = decay[..., :, None] - decay[..., None, :] + igate[..., None, :]
    log_weights = log_weights.masked_fill(~past, -torch.inf)
    maximum = log_weights.amax(-1, keepdim=True)
    scores = (q @ k.mT) * torch.exp(log_weights - maximum)
    return _normalise(scores @ v, scores.sum(-1, keepdim=True), maximum)


def _chunkwise(inputs: tuple[Tensor, ...], chunk: int) -> Tensor:
    segment = chunk * CHUNKS.get(inputs[0].device.type, CHUNKS["cuda"])
    # A compiler plans its own backward pass, and cannot look into one that calls autograd.
    if torch.is_grad_enabled() and not torch.compiler.is_compiling() and any(t.requires_grad for t in inputs):
        return _Recomputed.apply(chunk, segment, *inputs)
    state, out = _empty_state(inputs[2]), []
    for parts in zip(*(t.split(segment, 2) for t in inputs), strict=True):
        done, state = _segment(*parts, state, chunk)
        out.append(done)
    return torch.cat(out, 2) if len(out) > 1 else out[0]


class _Recomputed(torch.autograd.Function):
    """The chunkwise form, of which only the states between the segments are kept for the backward pass.

    Everything inside a segment is computed once more there (Chen et al., arXiv 1604.06174), so the memory grows with
    the tokens by little more than the inputs themselves, and stays in the cache.
    """

    @staticmethod
    def forward(ctx, chunk: int, segment: int, *inputs: Tensor) -> Tensor:
        state, states, out = _empty_state(inputs[2]), [], torch.empty_like(inputs[2])
        for part in _slices(inputs[2], segment):
            states += state
            out[part], state = _segment(*(t[part] for t in inputs), state, chunk)
        ctx.save_for_backward(*inputs, *states)
        ctx.chunk, ctx.segment = chunk, segment
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        inputs, states = ctx.saved_tensors[:5], ctx.saved_tensors[5:]
        grads = [torch.empty_like(t) for t in inputs]
        grad_state: tuple[Tensor, ...] = tuple(torch.zeros_like(t) for t in states[:2])
        parts = _slices(inputs[2], ctx.segment)
        for number in reversed(range(len(parts))):
            part = parts[number]
            leaves = [t.detach().requires_grad_() for t in (*(t[part] for t in inputs), *states[2 * number :][:2])]
            with torch.enable_grad(), torch.autocast(device_type=grad_out.device.type, enabled=False):
                out, state = _segment(*leaves[:5], (leaves[5], leaves[6]), ctx.chunk)
                *found, memory, maximum = torch.autograd.grad((out, *state), leaves, (grad_out[part], *grad_state))
            grad_state = memory, maximum
            for grad, value in zip(grads, found, strict=True):
                grad[part] = value
        return None, None, *grads


def _slices(v: Tensor, segment: int) -> list[tuple[slice, ...]]:
    starts = range(0, v.shape[2], segment)
    return [(slice(None), slice(None), slice(start, start + segment)) for start in starts]


def _empty_state(v: Tensor) -> State:
    batch, heads, _, width = v.shape
    return v.new_zeros(batch, heads, width, width + 1), v.new_full((batch, heads), EMPTY, dtype=torch.float64)


def _segment(
    q: Tensor, k: Tensor, v: Tensor, igate: Tensor, fgate: Tensor, state: State, chunk: int
) -> tuple[Tensor, State]:
    """Some chunks at once, (B, NH, S, DH), from the state before them; their output and the state after them."""
    tokens = v.shape[2]
    pad = -tokens % chunk  # empty tokens at the end of the sequence: no kept output depends on them
    if pad:
        q, k, v = (F.pad(t, (0, 0, 0, pad)) for t in (q, k, v))
        igate, fgate = (F.pad(t, (0, pad)) for t in (igate, fgate))
    q, k, v, igate, fgate = (t.unflatten(2, (-1, chunk)) for t in (q, k, v, igate, fgate))
    values = F.pad(v, (0, 1), value=1.0)  # the last column sums the scores themselves
    # Double precision, because the decay of many tokens is a large number and its differences are small ones.
    decay = F.logsigmoid(fgate).double().cumsum(-1)  # (B, NH, chunks, chunk), from the start of each chunk
    source = igate - decay  # D_ts = decay_t + source_s, so the running maximum of source gives every m
    highest = source.cummax(-1).values

    own_max = highest[..., -1:]
    own = (k * torch.exp((source - own_max).to(k.dtype))[..., None]).mT @ values
    memories, maxima = _carry(own, (own_max + decay[..., -1:]).squeeze(-1), decay[..., -1], state)

    highest = torch.maximum(highest, maxima[:, :, :-1, None])
    scores = (q @ k.mT) * _weights(source, highest, q.dtype)
    from_memory = torch.exp((maxima[:, :, :-1, None] - highest).to(q.dtype))
    out = scores @ values + (q * from_memory[..., None]) @ memories[:, :, :-1]
    out = _normalise(out[..., :-1], out[..., -1:], (decay + highest).to(q.dtype)[..., None])
    return out.flatten(2, 3)[:, :, :tokens], (memories[:, :, -1], maxima[:, :, -1])


def _carry(own: Tensor, own_max: Tensor, total: Tensor, state: State) -> State:
    """The state before every chunk and after the last, (B, NH, chunks + 1, ...), from what each chunk adds to it."""
    own = torch.cat([state[0][:, :, None], own], 2)
    own_max = torch.cat([state[1][:, :, None], own_max], 2)
    decay = F.pad(total.cumsum(-1), (1, 0))
    source = own_max - decay
    highest = source.cummax(-1).values
    memories = (_weights(source, highest, own.dtype) @ own.flatten(3)).unflatten(3, own.shape[3:])
    return memories, decay + highest


def _weights(source: Tensor, highest: Tensor, dtype: torch.dtype) -> Tensor:
    """exp(source_s - highest_t) for s <= t and zero elsewhere, (..., S, S).

    Nothing up to the diagonal is above zero before the exponential; the rest is clamped, so that it does not overflow.
    """
    return torch.exp((source[..., None, :] - highest[..., :, None]).to(dtype).clamp(max=0)).tril()


def _normalise(numerator: Tensor, total: Tensor, maximum: Tensor) -> Tensor:
    # The clamp changes nothing that can be told from zero; without it the exponential's gradient is 0 * infinity.
    largest = math.log(torch.finfo(maximum.dtype).max) - 8
    return numerator / (torch.maximum(total.abs(), torch.exp((-maximum).clamp(max=largest))) + EPS)
