"""The metrics by name: what computes them and what tables say of them."""

import functools
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class MetricCard:
    """A metric: how it is computed and shown.

    Attributes:
        label: column title, with the unit.
        better: "higher" or "lower".
        digits: decimals in tables.
        protocol: what exactly is computed, for captions.
        function: "module:function" from (sr, hr, crop), uint8 (B, 3, H, W), to (B,).
        arguments: further keyword arguments of the function.
        weights: "module:function" that gets the metric's weights into a folder, for metrics that are networks.
    """

    label: str
    better: str
    digits: int
    protocol: str
    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    weights: str | None = None


METRICS = {
    "psnr_y": MetricCard(
        "PSNR-Y (dB)",
        "higher",
        2,
        "PSNR on the BT.601 luma (16 to 235), peak 255",
        "rssr.metrics.fidelity:psnr",
        {"channel": "y"},
    ),
    "ssim_y": MetricCard(
        "SSIM-Y",
        "higher",
        4,
        "SSIM on the BT.601 luma (16 to 235), Gaussian window 11, sigma 1.5",
        "rssr.metrics.fidelity:ssim",
        {"channel": "y"},
    ),
    "psnr_rgb": MetricCard(
        "PSNR-RGB (dB)",
        "higher",
        2,
        "PSNR over the three RGB channels, peak 255",
        "rssr.metrics.fidelity:psnr",
        {"channel": "rgb"},
    ),
    "lpips": MetricCard(
        "LPIPS",
        "lower",
        4,
        "LPIPS with AlexNet, version 0.1, by pyiqa, on RGB",
        "rssr.metrics.perceptual:lpips",
        weights="rssr.metrics.perceptual:fetch_lpips",
    ),
}


def function(name: str, crop: int, weights_dir: str) -> Callable:
    """The metric as a function (sr, hr) -> (B,) float64, uint8 (B, 3, H, W) in."""
    card = METRICS[name]
    arguments = {"weights_dir": weights_dir} if card.weights else {}
    return functools.partial(_import(card.function), crop=crop, **card.arguments, **arguments)


def fetch_weights(name: str, folder: str) -> None:
    """Get the weights of a metric into a folder; UserError says why they cannot be had."""
    if METRICS[name].weights:
        _import(METRICS[name].weights)(folder)


def _import(path: str) -> Callable:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
