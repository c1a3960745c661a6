"""The selective scan and the base MambaIRv2: the fast backend against sequential references.

`sequential` is this project's reference; `stepwise` is the formula as the Mamba authors' reference writes it, with the
decays and inputs of all tokens made first; `doubling` is the scan with whole tensors.

PYTHONPATH=. python benchmarks/selective_scan.py [--out results/reference]

On CUDA, `cuda` is one more part: Triton (and mamba-ssm) against the reference, a compiled PyTorch scan and the time
that reading the inputs and writing the output takes at the memory's full bandwidth.
"""

from collections.abc import Callable
from functools import partial
from unittest import mock

import torch
import torch.nn.functional as F
from timing import measure, medians
from torch import Tensor

from rssr.metrics.latency import cpu_peak_mib
from rssr.models.mambairv2 import MambaIRv2, layers, selective_scan
from rssr.models.mambairv2.selective_scan import backend

CHANNELS, STATES = 348, 16  # of the base network
LENGTHS = (4096, 16384, 65536)


def scan(tokens: int = LENGTHS[0]) -> dict[str, float]:
    """Forward, and forward with backward, of the CPU's backend, the reference and a scan by doubling in PyTorch."""
    inputs = _inputs(tokens)
    fast = backend("cpu")
    functions = {name: partial(selective_scan, backend=name) for name in (fast, "sequential")}
    functions |= {"stepwise": stepwise, "doubling": doubling}
    found: dict[str, float] = {}
    for kind, step in (("forward", _forward), ("forward_backward", _forward_backward)):
        # Automatic differentiation of the last two keeps gigabytes.
        names = list(functions) if step is _forward else [fast, "sequential"]
        times = medians({name: partial(step, functions[name], inputs) for name in names})
        found |= {f"{kind}_{name}_s": value for name, value in times.items()}
        for other in names[1:]:
            found[f"{kind}_{other}_ratio"] = times[other] / times[fast]
            ratio = found[f"{kind}_{other}_ratio"]
            print(f"scan, {tokens} tokens, {kind}: {fast} {times[fast]:.4f} s, {ratio:.1f} times faster than {other}")
    return found


def growth() -> list[dict[str, float]]:
    """Time and peak memory of the fast backend over the number of tokens."""
    rows = []
    for tokens in LENGTHS:
        inputs = _inputs(tokens)
        steps = {"forward": _forward, "forward_backward": _forward_backward}
        calls = {name: partial(step, selective_scan, inputs) for name, step in steps.items()}
        row = {"tokens": tokens} | {f"{name}_s": value for name, value in medians(calls).items()}
        row |= {f"{name}_peak_mib": cpu_peak_mib(call) for name, call in calls.items()}
        rows.append(row)
        print(", ".join(f"{key} {value:.4g}" for key, value in row.items()))
    return rows


def network(side: int = 64) -> dict[str, float]:
    """The base network with the fast backend, with the reference, and with no scan at all."""
    model, x = MambaIRv2().eval(), torch.rand(1, 3, side, side)

    def call(function: Callable[..., Tensor] = selective_scan) -> None:
        with torch.inference_mode(), mock.patch.object(layers, "selective_scan", function):
            model(x)

    calls = {
        "fast": call,
        "sequential": partial(call, partial(selective_scan, backend="sequential")),
        "stepwise": partial(call, stepwise),
        "bypassed": partial(call, lambda u, *_: u),
    }
    times = medians(calls)
    found = {f"{name}_s": value for name, value in times.items()}
    for other in ("sequential", "stepwise"):
        found[f"{other}_ratio"] = times[other] / times["fast"]
        found[f"{other}_ratio_limit"] = times[other] / times["bypassed"]  # no scan could gain more
    found["fast_peak_mib"] = cpu_peak_mib(call)
    print(
        f"base network, LR {side}x{side}: {times['fast']:.2f} s with {backend('cpu')}, "
        + "".join(
            f"{found[f'{other}_ratio']:.1f} times faster than {other} (limit {found[f'{other}_ratio_limit']:.1f}), "
            for other in ("sequential", "stepwise")
        )
        + f"{found['fast_peak_mib']:.0f} MiB"
    )
    return found


def cuda(tokens: int = LENGTHS[1]) -> dict[str, float]:
    """Forward, and forward with backward, on the GPU; empty where there is none."""
    if not torch.cuda.is_available():
        print("cuda: left out, because no CUDA device is available")
        return {}
    inputs = [t.detach().cuda().requires_grad_() for t in _inputs(tokens)]
    functions = {name: partial(selective_scan, backend=name) for name in {"triton", "sequential", backend("cuda")}}
    functions["compiled"] = torch.compile(doubling)
    bandwidth = _bandwidth()
    found: dict[str, float] = {"bandwidth_gb_per_s": bandwidth / 1e9}
    whole = sum(t.nbytes for t in inputs)
    # Forward reads the inputs and writes y; the backward pass reads them and y's gradient and writes theirs.
    moved = {"forward": whole + inputs[0].nbytes, "forward_backward": 3 * whole + 2 * inputs[0].nbytes}
    for kind, step in (("forward", _forward), ("forward_backward", _forward_backward)):
        times = medians({name: partial(step, function, inputs) for name, function in functions.items()})
        found |= {f"{kind}_{name}_s": value for name, value in times.items()}
        found[f"{kind}_limit_s"] = moved[kind] / bandwidth
        found[f"{kind}_over_limit"] = times["triton"] / found[f"{kind}_limit_s"]
        for other in functions:
            found[f"{kind}_{other}_ratio"] = times[other] / times["triton"]
        print(
            f"cuda, {tokens} tokens, {kind}: triton {times['triton'] * 1e3:.3f} ms, "
            f"{found[f'{kind}_over_limit']:.1f} times the limit of the memory's bandwidth, "
            + ", ".join(f"{found[f'{kind}_{o}_ratio']:.1f} times faster than {o}" for o in functions if o != "triton")
        )
    return found


def stepwise(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, delta_bias: Tensor) -> Tensor:
    """The scan one token at a time, one group, from (B, D, L, N) tensors of decays and inputs."""
    dt = F.softplus(delta + delta_bias[:, None])
    decay = torch.exp(torch.einsum("bdl,dn->bdln", dt, A))
    entering = torch.einsum("bdl,bnl,bdl->bdln", dt, B[:, 0], u)
    h, out = torch.zeros_like(decay[:, :, 0]), []
    for t in range(u.shape[2]):
        h = decay[:, :, t] * h + entering[:, :, t]
        out.append(torch.einsum("bdn,bn->bd", h, C[:, 0, :, t]))
    return torch.stack(out, -1) + D[:, None] * u


def doubling(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, delta_bias: Tensor) -> Tensor:
    """The scan in plain PyTorch, one group: log2(L) steps over all tokens, each joining spans of twice the length.

    Hillis and Steele (1986); stable, because it multiplies decays and never divides by them. Of the ways to write the
    recurrence with whole tensors it is the simplest for a compiler.
    """
    dt = F.softplus(delta + delta_bias[:, None])
    decay = torch.exp(dt[:, :, None] * A[..., None])
    h = (dt * u)[:, :, None] * B
    span = 1
    while span < u.shape[2]:
        h = h + decay * F.pad(h[..., :-span], (span, 0))
        decay = decay * F.pad(decay[..., :-span], (span, 0), value=1.0)
        span *= 2
    return (h * C).sum(2) + D[:, None] * u


def _inputs(tokens: int) -> list[Tensor]:
    """As in the base network when its training starts: steps of about 0.01, decay rates of 1 to 16."""
    u, delta = torch.randn(2, 1, CHANNELS, tokens)
    B, C = torch.randn(2, 1, 1, STATES, tokens)
    A = -torch.arange(1.0, STATES + 1).repeat(CHANNELS, 1)
    inputs = u, delta * 0.1, A, B, C, torch.ones(CHANNELS), torch.full((CHANNELS,), -4.6)
    return [tensor.requires_grad_() for tensor in inputs]


def _forward(function: Callable[..., Tensor], inputs: list[Tensor]) -> None:
    with torch.inference_mode():
        function(*inputs)


def _forward_backward(function: Callable[..., Tensor], inputs: list[Tensor]) -> None:
    torch.autograd.grad(function(*inputs).sum(), inputs)


def _bandwidth() -> float:
    """Bytes a second that copying one GiB reads and writes on the GPU."""
    source = torch.empty(2**28, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.nbytes / medians({"copy": lambda: target.copy_(source)})["copy"]


PARTS: dict[str, Callable] = {"scan": scan, "growth": growth, "network": network, "cuda": cuda}

if __name__ == "__main__":
    measure("selective_scan", __doc__, PARTS)
