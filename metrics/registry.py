"""The metrics by name, with their functions and their presentation in tables."""

import functools
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rssr.base.targets import parts


@dataclass(frozen=True)
class MetricCard:
    """A metric: how it is computed and shown.

    Attributes:
        name: its name in tables and figures.
        better: "higher" or "lower".
        digits: decimals in tables.
        protocol: what exactly is computed, for captions.
        function: "module:function" from (sr, hr, crop), uint8 (B, 3, H, W), to (B,).
        arguments: further keyword arguments of the function.
        needs_lr: whether the function also takes `low`, a fidelity.LowResolution: the LR image and how it was made.
        weights: "module:function" that gets the weights of a metric, by its name, into a folder, for metrics that are
            networks; their function also takes that folder, `weights_dir`.
        unit: unit of the scores; empty if they have none.
    """

    name: str
    better: str
    digits: int
    protocol: str
    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    needs_lr: bool = False
    weights: str | None = None
    unit: str = ""

    @property
    def module(self) -> str:
        """The module that computes it."""
        return parts(self.function)[0]

    @property
    def label(self) -> str:
        """The title of a column or axis: the name, with the unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


METRICS = {
    "psnr_y": MetricCard(
        "PSNR-Y",
        "higher",
        2,
        "PSNR on the BT.601 luma (16 to 235), peak 255",
        "rssr.metrics.fidelity:psnr",
        {"channel": "y"},
        unit="dB",
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
        "PSNR-RGB",
        "higher",
        2,
        "PSNR over the three RGB channels, peak 255",
        "rssr.metrics.fidelity:psnr",
        {"channel": "rgb"},
        unit="dB",
    ),
    "ssim_rgb": MetricCard(
        "SSIM-RGB",
        "higher",
        4,
        "the mean of SSIM on the three RGB channels, Gaussian window 11, sigma 1.5",
        "rssr.metrics.fidelity:ssim",
        {"channel": "rgb"},
    ),
    "lr_psnr": MetricCard(
        "LR-PSNR",
        "higher",
        2,
        "PSNR over RGB between the degraded SR image and the LR image",
        "rssr.metrics.fidelity:lr_psnr",
        needs_lr=True,
        unit="dB",
    ),
    "sam": MetricCard(
        "SAM",
        "lower",
        3,
        "mean angle between the RGB vectors of SR and HR",
        "rssr.metrics.fidelity:sam",
        unit="°",
    ),
    "ergas": MetricCard(
        "ERGAS",
        "lower",
        3,
        "relative global error of synthesis on RGB, 100 / scale times the root mean of MSE over squared band means",
        "rssr.metrics.fidelity:ergas",
        needs_lr=True,
    ),
    **{
        part: MetricCard(
            part.capitalize(),
            "higher" if part == "improvement" else "lower",
            4,
            f"share of {part} as opensr-test defines it, on pixels with much detail",
            "rssr.metrics.fidelity:correctness",
            {"part": part},
            needs_lr=True,
        )
        for part in ("improvement", "omission", "hallucination")
    },
    **{
        name: MetricCard(
            label,
            better,
            4,
            protocol,
            "rssr.metrics.perceptual:perceptual",
            {"metric": name},
            weights="rssr.metrics.perceptual:fetch",
        )
        for name, label, better, protocol in (
            ("lpips", "LPIPS", "lower", "LPIPS with AlexNet, version 0.1, by the package lpips, on RGB"),
            (
                "lpips_squeeze",
                "LPIPS-Squeeze",
                "lower",
                "LPIPS with SqueezeNet 1.1, version 0.1, by the package lpips, on RGB",
            ),
            ("clipiqa", "CLIPIQA", "higher", "CLIPIQA with ResNet-50 by pyiqa, of SR alone, on RGB"),
            ("dists", "DISTS", "lower", "DISTS by pyiqa, on RGB"),
        )
    },
}


def function(name: str, crop: int, weights_dir: str) -> Callable:
    """The metric as a function (sr, hr, low) -> (B,) float64: uint8 (B, 3, H, W) and a fidelity.LowResolution in."""
    card = METRICS[name]
    arguments = {"weights_dir": weights_dir} if card.weights else {}
    metric = functools.partial(_import(card.function), crop=crop, **card.arguments, **arguments)
    return lambda sr, hr, low: metric(sr, hr, low=low) if card.needs_lr else metric(sr, hr)


def fetch_weights(name: str, folder: str) -> None:
    """Fetch the weights of a metric into a folder; UserError if they are unavailable."""
    if METRICS[name].weights:
        _import(METRICS[name].weights)(name, folder)


def _import(target: str) -> Callable:
    module, name = parts(target)
    return getattr(importlib.import_module(module), name)
