"""Every GPU figure of the project, part by part, each saved when done: python -m rssr gpu-report."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from rssr.base.files import write_json
from rssr.base.provenance import made_by
from rssr.metrics.complexity import count_parameters
from rssr.metrics.fidelity import psnr, ssim
from rssr.metrics.latency import measure, timed
from rssr.metrics.samples import percentiles
from rssr.models.lstmconvsr import mlstm
from rssr.models.mambairv2 import selective_scan
from rssr.models.mambairv2.selective_scan import backend
from rssr.models.registry import build

BUDGET = 7 * 60  # seconds after which nothing new is begun, so that the whole ends in 8 minutes
SETTINGS = {"warmup": 20, "samples": 50, "seconds": 3}
QUICK = {"warmup": 1, "samples": 3, "seconds": 0.1}

NETWORKS = {
    "bicubic": {"arch": "bicubic"},
    "edsr": {
        "arch": "basicsr:EDSR",
        "args": {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 64, "num_block": 16, "upscale": 4},
    },
    "lstmconvsr": {"arch": "lstmconvsr"},
    "lstmconvsr_parallel": {"arch": "lstmconvsr", "args": {"mlstm_form": "parallel"}},
    "lstmconvsr_s": {"arch": "lstmconvsr", "args": {"channels": 64}},
    "mambairv2": {"arch": "mambairv2"},
    "mambairv2_small": {"arch": "mambairv2", "args": {"channels": 132, "groups": [4] * 6, "heads": 4}},
    "mambairv2_light": {
        "arch": "mambairv2",
        "args": {
            **{"channels": 48, "groups": [5] * 4, "heads": 4, "states": 8, "inner_rank": 32, "tokens": 64},
            **{"mlp_ratio": 1, "feed_forward": "gated", "tail": "light"},
        },
    },
    "hsenet": {"arch": "hsenet"},
    "transenet": {"arch": "transenet"},
    "ttst": {"arch": "ttst"},
}
_TINY = {"arch": "lstmconvsr", "args": {"channels": 8, "groups": [1], "arrbs": 1, "mlp_ratio": 1, "tail": "light"}}

Item = tuple[str, Callable[[], dict[str, Any]]]


def report(out: Path, device: torch.device, quick: bool = False) -> Iterator[str]:
    """Measure everything and write out/{part}.json as each part ends.

    A part that fails, for example out of memory, is noted in place of its figures; the other parts still run.

    Args:
        out: the folder.
        device: a GPU, or the CPU to try the command.
        quick: small sizes and few calls, to try the command.

    Yields:
        A line for each figure, as it is measured.
    """
    start = time.monotonic()
    torch.manual_seed(0)
    for part, items in PARTS.items():
        found: dict[str, Any] = {}
        for name, item in items(device, quick):
            found[name] = _run(item, time.monotonic() - start)
            yield f"{part} {name}: {_line(found[name])}"
        seconds = round(time.monotonic() - start, 1)
        write_json(out / f"{part}.json", made_by(**{part: found}, quick=quick, seconds_since_start=seconds))


def _run(item: Callable[[], dict[str, Any]], spent: float) -> dict[str, Any]:
    if spent > BUDGET:
        return {"left_out": f"{BUDGET} s were spent on what comes before"}
    try:
        return item()
    except Exception as error:  # whatever it is, the other figures are worth having
        return {"left_out": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _line(found: dict[str, Any]) -> str:
    if "left_out" in found:
        return f"left out, {found['left_out']}"
    low, median, high = percentiles(found["samples_ms"])
    text = f"{median:.3f} ms [{low:.3f}, {high:.3f}]"
    peak = found["peak_memory_mib"]
    return text + (f", {peak:.0f} MiB" if peak is not None else "") + (", noisy" if found["noisy"] else "")


def _networks(device: torch.device, quick: bool) -> Iterator[Item]:
    """Whole networks at the paper's LR input, in fp32, and for some of them other precisions and sizes."""
    for name, entry in ({"bicubic": NETWORKS["bicubic"], "tiny": _TINY} if quick else NETWORKS).items():
        yield f"{name}_{16 if quick else 128}", partial(_network, entry, 16 if quick else 128, device, quick)
    if not quick:
        for side in (64, 256, 512):
            yield f"lstmconvsr_{side}", partial(_network, NETWORKS["lstmconvsr"], side, device, quick)
        for precision in ("tf32", "bf16", "fp16"):
            options = {"precision": precision}
            for name in ("lstmconvsr", "mambairv2"):
                yield f"{name}_128_{precision}", partial(_network, NETWORKS[name], 128, device, quick, options)
        compiled = {"compile": "default"}
        yield "edsr_128_compiled", partial(_network, NETWORKS["edsr"], 128, device, quick, compiled)


def _network(entry: dict, side: int, device: torch.device, quick: bool, options: dict | None = None) -> dict[str, Any]:
    model = build(entry).to(device)
    found = measure(model, torch.rand(1, 3, side, side, device=device), _settings(quick) | (options or {}))
    return {"parameters": count_parameters(model)} | found


def _cells(device: torch.device, quick: bool) -> Iterator[Item]:
    """The mLSTM cell in both forms, forward and with backward; the network with its cells and with none."""
    for tokens in (64,) if quick else (1024, 4096, 16384):
        shapes = [(1, 4, tokens, 64)] * 3 + [(1, 4, tokens)] * 2
        for form in ("chunkwise", "parallel"):
            inputs = partial(_drawn, shapes, device)
            yield f"{form}_{tokens}", partial(_cell, partial(mlstm, form=form), inputs, device, quick, False)
            yield f"{form}_{tokens}_backward", partial(_cell, partial(mlstm, form=form), inputs, device, quick, True)
    yield "lstmconvsr_bypassed", partial(_bypassed, device, quick)


def _bypassed(device: torch.device, quick: bool) -> dict[str, Any]:
    with mock.patch("rssr.models.lstmconvsr.vil.mlstm", lambda q, k, v, *_, **__: v):
        return _network(_TINY if quick else NETWORKS["lstmconvsr"], 16 if quick else 128, device, quick)


def _scans(device: torch.device, quick: bool) -> Iterator[Item]:
    """The selective scan of the base MambaIRv2, by every backend that this machine has."""
    channels, states = (8, 4) if quick else (348, 16)
    names = dict.fromkeys(("triton" if device.type == "cuda" else "sequential", backend(device), "sequential"))
    for tokens in (64,) if quick else (4096, 16384):
        long, gates = (1, channels, tokens), (1, 1, states, tokens)
        shapes = [long, long, (channels, states), gates, gates, (channels,), (channels,)]
        inputs = partial(_drawn, shapes, device, 2)
        for name in names:
            if name == "sequential" and tokens > 4096:
                continue  # one kernel per token: it would take the time of all the others
            scan = partial(selective_scan, backend=name)
            yield f"{name}_{tokens}", partial(_cell, scan, inputs, device, quick, False)
            if name != "sequential":
                yield f"{name}_{tokens}_backward", partial(_cell, scan, inputs, device, quick, True)


def _drawn(shapes: list[tuple[int, ...]], device: torch.device, negative: int | None = None) -> list[Tensor]:
    """Random inputs that need gradients; the one at index `negative` is below zero, as decay rates are."""
    tensors = [torch.randn(shape, device=device) for shape in shapes]
    if negative is not None:
        tensors[negative] = -tensors[negative].abs() - 0.1
    return [tensor.requires_grad_() for tensor in tensors]


def _cell(
    function: Callable[..., Tensor],
    draw: Callable[[], list[Tensor]],
    device: torch.device,
    quick: bool,
    backward: bool,
) -> dict[str, Any]:
    inputs = draw()

    def forward() -> None:
        with torch.inference_mode():
            function(*inputs)

    def both() -> None:
        torch.autograd.grad(function(*inputs).sum(), inputs)

    return timed(both if backward else forward, device, _settings(quick))


def _training(device: torch.device, quick: bool) -> Iterator[Item]:
    """One step of the paper's recipe: 16 patches of 32x32, L1 loss, Adam."""
    for name in ("tiny",) if quick else ("edsr", "lstmconvsr_s", "lstmconvsr", "mambairv2_light", "mambairv2"):
        yield name, partial(_step, _TINY if quick else NETWORKS[name], device, quick, None)
        if device.type == "cuda":
            yield f"{name}_bf16", partial(_step, _TINY if quick else NETWORKS[name], device, quick, torch.bfloat16)


def _step(entry: dict, device: torch.device, quick: bool, dtype: torch.dtype | None) -> dict[str, Any]:
    model = build(entry).to(device).train()
    batch, side = (2, 16) if quick else (16, 32)
    lr = torch.rand(batch, 3, side, side, device=device)
    hr = torch.rand(batch, 3, 4 * side, 4 * side, device=device)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4, betas=(0.9, 0.99))

    def step() -> None:
        optimiser.zero_grad()
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            loss = nn.functional.l1_loss(model(lr), hr)
        loss.backward()
        optimiser.step()

    return timed(step, device, _settings(quick)) | {"patches": batch, "patch": side}


def _metrics(device: torch.device, quick: bool) -> Iterator[Item]:
    """PSNR and SSIM of 512x512 images, and how far they are from the CPU's."""
    side = 32 if quick else 512
    sr, hr = torch.randint(0, 256, (2, 4, 3, side, side), dtype=torch.uint8)
    for name, metric in (("psnr", psnr), ("ssim", ssim)):
        for channel in ("y", "rgb"):
            yield f"{name}_{channel}", partial(_metric, partial(metric, channel=channel), sr, hr, device, quick)


def _metric(metric: Callable[..., Tensor], sr: Tensor, hr: Tensor, device: torch.device, quick: bool) -> dict[str, Any]:
    there = sr.to(device), hr.to(device)
    difference = (metric(*there).cpu() - metric(sr, hr)).abs().max().item()
    found = timed(lambda: metric(*there), device, _settings(quick))
    return found | {"images": len(sr), "difference_from_cpu": difference}


def _settings(quick: bool) -> dict[str, Any]:
    return dict(QUICK if quick else SETTINGS)


PARTS: dict[str, Callable[[torch.device, bool], Iterator[Item]]] = {
    "networks": _networks,
    "cells": _cells,
    "scans": _scans,
    "training": _training,
    "metrics": _metrics,
}
