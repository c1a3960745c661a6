"""The mLSTM cell and the base LSTMConvSR on the CPU: chunkwise against parallel, and against no cell at all.

PYTHONPATH=. python benchmarks/mlstm.py [--out results/reference]
"""

from collections.abc import Callable
from unittest import mock

import torch
from timing import measure, medians

from rssr.metrics.latency import cpu_peak_mib
from rssr.models.lstmconvsr import LSTMConvSR, mlstm

HEADS, WIDTH = 4, 64


def cell(tokens: int = 4096) -> dict[str, float]:
    """Forward, and forward with backward, of both forms."""
    inputs = _inputs(tokens)

    def forward(form: str) -> None:
        with torch.inference_mode():
            mlstm(*inputs, form=form)

    def backward(form: str) -> None:
        torch.autograd.grad(mlstm(*inputs, form=form).sum(), inputs)

    found = {}
    for name, function in (("forward", forward), ("forward_backward", backward)):
        times = medians({form: lambda f=function, form=form: f(form) for form in ("chunkwise", "parallel")})
        found |= {f"{name}_{form}_s": value for form, value in times.items()}
        found[f"{name}_ratio"] = times["parallel"] / times["chunkwise"]
        print(f"cell, {tokens} tokens, {name}: chunkwise {found[f'{name}_ratio']:.1f} times faster than parallel")
    return found


def growth() -> list[dict[str, float | str]]:
    """Time and peak memory of both forms, forward and forward with backward, over the number of tokens."""
    rows = []
    for form, lengths in (("parallel", (256, 1024, 4096)), ("chunkwise", (256, 1024, 4096, 16384, 65536))):
        for tokens in lengths:
            inputs = _inputs(tokens)

            def step(inputs=inputs, form=form) -> None:
                torch.autograd.grad(mlstm(*inputs, form=form).sum(), inputs)

            def forward(inputs=inputs, form=form) -> None:
                with torch.inference_mode():
                    mlstm(*inputs, form=form)

            calls = {"forward": forward, "forward_backward": step}
            row = {"form": form, "tokens": tokens} | {f"{name}_s": value for name, value in medians(calls).items()}
            row |= {f"{name}_peak_mib": cpu_peak_mib(function) for name, function in calls.items()}
            rows.append(row)
            print(", ".join(f"{key} {value:.4g}" if key != "form" else value for key, value in row.items()))
    return rows


def network() -> dict[str, float]:
    """The base network: with its cells, without them, with either way to write the parallel form; and LR 512x512."""
    x = torch.rand(1, 3, 128, 128)
    models = {form: LSTMConvSR(mlstm_form=form).eval() for form in ("chunkwise", "parallel")}
    used = "rssr.models.lstmconvsr.vil.mlstm"

    def call(form: str, image: torch.Tensor = x) -> None:
        with torch.inference_mode():
            models[form](image)

    def bypassed() -> None:
        with mock.patch(used, lambda q, k, v, *_, **__: v):
            call("chunkwise")

    def released() -> None:
        with mock.patch(used, lambda *inputs, **_: _step_by_step(*inputs)):
            call("parallel")

    calls: dict[str, Callable[[], None]] = {
        "chunkwise": lambda: call("chunkwise"),
        "bypassed": bypassed,
        "parallel": lambda: call("parallel"),
        "step_by_step": released,
    }
    times = medians(calls)
    found = {f"{name}_s": value for name, value in times.items()}
    found |= {f"{name}_peak_mib": cpu_peak_mib(function) for name, function in calls.items()}
    found["over_bypassed"] = times["chunkwise"] / times["bypassed"]
    for form in ("parallel", "step_by_step"):
        found[f"{form}_ratio"] = times[form] / times["chunkwise"]
        found[f"{form}_ratio_limit"] = times[form] / times["bypassed"]  # no form of the cell could gain more
    found["memory_share"] = found["chunkwise_peak_mib"] / found["parallel_peak_mib"]
    found["lr512_peak_mib"] = cpu_peak_mib(lambda: call("chunkwise", torch.rand(1, 3, 512, 512)))
    print(
        f"base network, LR 128x128: {found['over_bypassed']:.3f} times the time without cells, "
        f"{found['parallel_ratio']:.1f} times faster than parallel (limit {found['parallel_ratio_limit']:.1f}), "
        f"{found['step_by_step_ratio']:.1f} times faster than parallel step by step (limit "
        f"{found['step_by_step_ratio_limit']:.1f}), {found['memory_share']:.2f} of the parallel form's memory; "
        f"LR 512x512: {found['lr512_peak_mib']:.0f} MiB"
    )
    return found


def _step_by_step(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, igate: torch.Tensor, fgate: torch.Tensor
) -> torch.Tensor:
    """The parallel form with each step of the xLSTM paper's appendix as a matrix of its own, as released code has it.

    mlstm()'s own parallel form is the same formula with fewer passes over the S x S matrices.
    """
    size = q.shape[2]
    past = torch.ones(size, size, dtype=torch.bool).tril()
    total = torch.nn.functional.logsigmoid(fgate).cumsum(-1)[..., None].repeat(1, 1, 1, size)
    forgotten = torch.where(past, total - total.mT, -torch.inf)
    log_weights = forgotten + igate[..., None, :]
    maximum = log_weights.max(-1, keepdim=True).values
    weights = torch.exp(log_weights - maximum)
    scores = (q @ (k / q.shape[-1] ** 0.5).mT) * weights
    normaliser = torch.maximum(scores.sum(-1, keepdim=True).abs(), torch.exp(-maximum))
    return (scores / (normaliser + 1e-6)) @ v


def _inputs(tokens: int) -> list[torch.Tensor]:
    shapes = [(1, HEADS, tokens, WIDTH)] * 3 + [(1, HEADS, tokens)] * 2
    return [torch.randn(shape, requires_grad=True) for shape in shapes]


PARTS: dict[str, Callable] = {"cell": cell, "growth": growth, "network": network}

if __name__ == "__main__":
    measure("mlstm", __doc__, PARTS)
