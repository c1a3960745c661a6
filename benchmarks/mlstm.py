"""The mLSTM cell and the base LSTMConvSR on the CPU: chunkwise against parallel, and against no cell at all.

python benchmarks/mlstm.py [--out results/reference/mlstm.json]
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch

from rssr.files import write_json
from rssr.metrics.latency import cpu_peak_mb
from rssr.models.lstmconvsr import LSTMConvSR, mlstm
from rssr.provenance import made_by

REPEATS = 5
HEADS, WIDTH = 4, 64


def main() -> None:
    """Time and weigh everything in this one process, print and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--parts", nargs="+", default=["cell", "growth", "network"], help="the network takes minutes")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    results = {part: {"cell": cell, "growth": growth, "network": network}[part]() for part in arguments.parts}
    if arguments.out:
        write_json(arguments.out, made_by(**results, repeats=REPEATS, threads=arguments.threads, precision="float32"))


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
        times = _medians({form: lambda f=function, form=form: f(form) for form in ("chunkwise", "parallel")})
        found |= {f"{name}_{form}_s": value for form, value in times.items()}
        found[f"{name}_ratio"] = times["parallel"] / times["chunkwise"]
        print(f"cell, {tokens} tokens, {name}: chunkwise {found[f'{name}_ratio']:.1f} times faster than parallel")
    return found


def growth() -> list[dict[str, float]]:
    """Time and peak memory of the chunkwise form, forward with backward, over the number of tokens."""
    rows = []
    for tokens in (4096, 16384, 65536):
        inputs = _inputs(tokens)

        def step(inputs=inputs) -> None:
            torch.autograd.grad(mlstm(*inputs).sum(), inputs)

        def forward(inputs=inputs) -> None:
            with torch.inference_mode():
                mlstm(*inputs)

        times = _medians({"forward": forward, "forward_backward": step})
        peak = cpu_peak_mb(step)
        rows.append({"tokens": tokens, **{f"{k}_s": v for k, v in times.items()}, "peak_memory_mb": peak})
        print(
            f"{tokens} tokens: {times['forward']:.3f} s forward, {times['forward_backward']:.3f} s with backward, "
            f"{peak:.0f} MB"
        )
    return rows


def network() -> dict[str, float]:
    """The base network: with its cells, with the cells left out, with the parallel form; and at LR 512x512."""
    x = torch.rand(1, 3, 128, 128)
    models = {form: LSTMConvSR(mlstm_form=form).eval() for form in ("chunkwise", "parallel")}

    def call(form: str, image: torch.Tensor = x) -> None:
        with torch.inference_mode():
            models[form](image)

    def bypassed() -> None:
        with mock.patch("rssr.models.lstmconvsr.vil.mlstm", lambda q, k, v, *_, **__: v):
            call("chunkwise")

    calls: dict[str, Callable[[], None]] = {
        "chunkwise": lambda: call("chunkwise"),
        "bypassed": bypassed,
        "parallel": lambda: call("parallel"),
    }
    times = _medians(calls)
    found = {f"{name}_s": value for name, value in times.items()}
    found |= {f"{name}_peak_mb": cpu_peak_mb(function) for name, function in calls.items()}
    found["over_bypassed"] = times["chunkwise"] / times["bypassed"]
    found["parallel_ratio"] = times["parallel"] / times["chunkwise"]
    found["memory_share"] = found["chunkwise_peak_mb"] / found["parallel_peak_mb"]
    found["lr512_peak_mb"] = cpu_peak_mb(lambda: call("chunkwise", torch.rand(1, 3, 512, 512)))
    print(
        f"base network, LR 128x128: {found['over_bypassed']:.3f} times the time without cells, "
        f"{found['parallel_ratio']:.1f} times faster than parallel, {found['memory_share']:.2f} of its memory; "
        f"LR 512x512: {found['lr512_peak_mb']:.0f} MB"
    )
    return found


def _inputs(tokens: int) -> list[torch.Tensor]:
    shapes = [(1, HEADS, tokens, WIDTH)] * 3 + [(1, HEADS, tokens)] * 2
    return [torch.randn(shape, requires_grad=True) for shape in shapes]


def _medians(calls: dict[str, Callable[[], None]]) -> dict[str, float]:
    """Median seconds of each call, turn by turn, after one call that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(REPEATS + 1):
        for name, function in calls.items():
            start = time.perf_counter()
            function()
            if repeat:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


if __name__ == "__main__":
    main()
