"""The selective scan of Mamba: a linear recurrence whose step sizes, inputs and outputs depend on the token.

Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces" (arXiv 2312.00752), equation 2 and
algorithm 2. For an image b, a channel d, its states n and a token t

    dt     = softplus(delta[b,d,t] + delta_bias[d])
    h_t[n] = exp(dt * A[d,n]) * h_{t-1}[n] + dt * B[b,n,t] * u[b,d,t]
    y_t    = sum over n of C[b,n,t] * h_t[n], plus D[d] * u[b,d,t]

Backends, all the same function:

- sequential: the lines above in PyTorch, one token at a time; anywhere, slow, and the only one with more than a first
  derivative.
- numba: compiled loops on the CPU, scan_numba.py.
- triton: one kernel each way on CUDA, scan_triton.py.
- mamba-ssm: the kernels of the Mamba authors, where that package is installed and can be used (CUDA).

numba and triton are one operator, rssr::selective_scan, which traces and profiles show under that name.
"""

import importlib
from functools import cache
from importlib.util import find_spec

import torch
import torch.nn.functional as F
from torch import Tensor

BACKENDS = ("sequential", "numba", "triton", "mamba-ssm")
CHUNK = 64  # tokens between two states that are kept for the backward pass
_MODULES = {"numba": "rssr.models.mambairv2.scan_numba", "triton": "rssr.models.mambairv2.scan_triton"}


@cache
def backend(device: torch.device | str) -> str:
    """The backend that selective_scan() uses by default on a device, one of BACKENDS."""
    wanted = {"cpu": (("numba", "numba"),), "cuda": (("mamba-ssm", "mamba_ssm"), ("triton", "triton"))}
    for name, package in wanted.get(torch.device(device).type, ()):
        if find_spec(package):
            return name
    return "sequential"


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    delta_bias: Tensor,
    backend: str | None = None,
) -> Tensor:
    """Run the recurrence over a sequence from an empty state.

    Args:
        u: the sequence, (B, D, L).
        delta: step sizes before delta_bias and the softplus, (B, D, L).
        A: decay rates, (D, N), below zero.
        B: how a token enters the states, (B, G, N, L): each of G groups serves D/G channels. (B, N, L) is one group.
        C: how the states are read, as B.
        D: weight of the token itself, (D,).
        delta_bias: (D,).
        backend: one of BACKENDS; by default what backend() names for u's device.

    Returns:
        (B, D, L) in the dtype of u. The states and the arithmetic are fp32 for any narrower input, also under
        autocast, and fp64 where u is, which mamba-ssm does not offer.

    Raises:
        ValueError: for an unknown backend, or shapes that do not fit each other.
    """
    chosen = backend or _default(u.device)
    if chosen not in BACKENDS:
        raise ValueError(f"selective scan: backend {chosen!r} is unknown, use one of {', '.join(BACKENDS)}")
    if B.dim() == 3:
        B, C = B[:, None], C[:, None]
    inputs = u, delta, A, B, C, D, delta_bias
    _check_shapes(*inputs)
    if u.numel() == 0:
        return torch.empty_like(u)
    if chosen == "mamba-ssm":
        return _mamba_ssm(*inputs)
    with torch.autocast(device_type=u.device.type, enabled=False):
        if chosen == "sequential":
            return _sequential(*inputs)
        keep = torch.is_grad_enabled() and any(t.requires_grad for t in inputs)
        return _scan(*inputs, chosen, keep)[0]


_default = backend  # selective_scan() has an argument of that name


def _check_shapes(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, delta_bias: Tensor) -> None:
    batch, channels, length = u.shape
    groups, size = B.shape[1], A.shape[-1]
    wanted = {
        "delta": (delta, (batch, channels, length)),
        "A": (A, (channels, size)),
        "B": (B, (batch, groups, size, length)),
        "C": (C, (batch, groups, size, length)),
        "D": (D, (channels,)),
        "delta_bias": (delta_bias, (channels,)),
    }
    for name, (tensor, shape) in wanted.items():
        if tuple(tensor.shape) != shape:
            raise ValueError(f"selective scan: {name} is {tuple(tensor.shape)}, not {shape}")
    if channels % groups:
        raise ValueError(f"selective scan: {channels} channels are no multiple of {groups} groups")


def _sequential(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, delta_bias: Tensor) -> Tensor:
    dtype = u.dtype
    work = torch.promote_types(dtype, torch.float32)
    u, delta, A, B, C, D, delta_bias = (t.to(work) for t in (u, delta, A, B, C, D, delta_bias))
    dt = F.softplus(delta + delta_bias[:, None], threshold=40)  # the default of 20 is not exact in fp64
    groups = B.shape[1], -1
    steps = (t.unflatten(1, groups).movedim(-1, 0).contiguous() for t in (dt, dt * u))  # (L, B, G, D/G)
    gates = (t.movedim(-1, 0)[..., None, :].contiguous() for t in (B, C))  # (L, B, G, 1, N)
    A = A.unflatten(0, groups)
    h, out = 0, []
    for dt_t, x_t, B_t, C_t in zip(*steps, *gates, strict=True):
        h = torch.exp(dt_t[..., None] * A) * h + x_t[..., None] * B_t
        out.append((h * C_t).sum(-1))
    return (torch.stack(out, -1).flatten(1, 2) + D[:, None] * u).to(dtype)


def _mamba_ssm(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, delta_bias: Tensor) -> Tensor:
    """The package's function wants one dtype for what depends on the token, and fp32 for what does not."""
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn

    delta, B, C = (t.to(u.dtype) for t in (delta, B, C))
    A, D, delta_bias = (t.float() for t in (A, D, delta_bias))
    return selective_scan_fn(u, delta, A, B, C, D, delta_bias=delta_bias, delta_softplus=True)


@torch.library.custom_op("rssr::selective_scan", mutates_args=())
def _scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    delta_bias: Tensor,
    backend: str,
    keep: bool,
) -> tuple[Tensor, Tensor]:
    """The output, and the states before every chunk, (B, D, chunks, N), with no chunks unless they are to be kept."""
    return importlib.import_module(_MODULES[backend]).forward((u, delta, A, B, C, D, delta_bias), keep)


@torch.library.custom_op("rssr::selective_scan_backward", mutates_args=())
def _scan_backward(
    grad: Tensor,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    delta_bias: Tensor,
    states: Tensor,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The gradients of the seven inputs."""
    inputs = u, delta, A, B, C, D, delta_bias
    return importlib.import_module(_MODULES[backend]).backward(grad, inputs, states)


@_scan.register_fake
def _(u, delta, A, B, C, D, delta_bias, backend, keep):
    chunks = (u.shape[2] + CHUNK - 1) // CHUNK if keep else 0
    work = torch.promote_types(u.dtype, torch.float32)
    return torch.empty_like(u), u.new_empty(*u.shape[:2], chunks, A.shape[1], dtype=work)


@_scan_backward.register_fake
def _(grad, u, delta, A, B, C, D, delta_bias, states, backend):
    return tuple(torch.empty_like(t) for t in (u, delta, A, B, C, D, delta_bias))


def _save(ctx, inputs, output) -> None:
    *tensors, ctx.backend, _ = inputs
    ctx.save_for_backward(*tensors, output[1])


def _differentiate(ctx, grad: Tensor, _: Tensor | None) -> tuple:
    with torch.autocast(device_type=grad.device.type, enabled=False):
        return *_scan_backward(grad, *ctx.saved_tensors, ctx.backend), None, None


_scan.register_autograd(_differentiate, setup_context=_save)
