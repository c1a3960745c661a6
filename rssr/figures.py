"""Figures: one style, one colour a method everywhere, PNG and PDF of the same drawing."""

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd

mpl.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402, after the backend is chosen
from matplotlib.patches import Rectangle  # noqa: E402

from rssr.files import replacing  # noqa: E402
from rssr.metrics.registry import METRICS  # noqa: E402

# Okabe and Ito's colours, safe for colour-blind readers; with the markers they stay apart in grey print.
_COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
_MARKERS = "osD^vPX*"
_STYLE = {
    "font.size": 9,
    "axes.titlesize": 9,
    "legend.fontsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "figure.dpi": 100,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,  # TrueType, embedded: searchable and accepted by publishers
    "figure.constrained_layout.use": True,
}


def style_of(index: int) -> dict[str, str]:
    """Colour and marker of the method at a position of the configuration."""
    return {"color": _COLOURS[index % len(_COLOURS)], "marker": _MARKERS[index % len(_MARKERS)]}


def save(figure: plt.Figure, stem: Path) -> None:
    """Write stem.png and stem.pdf without dates, so that the same drawing has the same bytes."""
    for suffix, metadata in ((".png", {"Software": None}), (".pdf", {"CreationDate": None})):
        with replacing(stem.with_suffix(suffix)) as path, mpl.rc_context(_STYLE):
            figure.savefig(path, metadata=metadata)
    plt.close(figure)


def quality_cost(
    quality: pd.DataFrame, profiles: Mapping[str, Mapping[str, Any]], models: Mapping[str, Mapping], metric: str
) -> plt.Figure:
    """Quality with its interval against MACs and against latency, a point a method.

    Args:
        quality: the numbers of the quality table.
        profiles: model -> results/profile/{model}.json.
        models: model -> `label`, in the order of the configuration.
        metric: the column of quality to draw.
    """
    with mpl.rc_context(_STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.2), sharey=True)
        device = next(iter(profiles.values()))["latency"]["device"]
        axes[0].set_xlabel("MACs (G)")
        axes[1].set_xlabel(f"Latency on {device} (ms)")
        axes[0].set_ylabel(METRICS[metric].label)
        for index, (name, model) in enumerate(models.items()):
            row = quality[quality["model"] == name].iloc[0]
            value = row[metric]
            error = [[value - row[f"{metric}_low"]], [row[f"{metric}_high"] - value]]
            times = profiles[name]["latency"]["samples_ms"]
            for axis, cost in zip(axes, (profiles[name]["macs"]["total"] / 1e9, np.median(times)), strict=True):
                axis.errorbar(cost, value, error, capsize=2, elinewidth=0.8, label=model["label"], **style_of(index))
        for axis in axes:
            axis.set_xscale("log")
            axis.margins(x=0.12)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def protocol_heat_map(measured: pd.DataFrame, choices: Mapping[str, Sequence[str]], title: str) -> plt.Figure:
    """How far every combination of a protocol moves PSNR and SSIM from the stated one.

    Args:
        measured: the combinations of one model, see audit.audit().
        choices: audit.CHOICES, the stated protocol first of each.
        title: the model and the data set.
    """
    down = ["degradation", "rounding"]
    across = {"psnr": ["colour", "crop"], "ssim": ["colour", "crop", "window"]}
    labels = {"psnr": "PSNR, dB", "ssim": "SSIM"}
    base = measured[(measured[list(choices)] == [options[0] for options in choices.values()]).all(axis=1)].iloc[0]
    with mpl.rc_context(_STYLE | {"axes.grid": False, "font.size": 7}):
        figure, axes = plt.subplots(1, 2, figsize=(9.6, 4.6), sharey=True, width_ratios=[1, 2])
        for axis, (metric, columns) in zip(axes, across.items(), strict=True):
            grid = measured.pivot_table(metric, down, columns, sort=False) - base[metric]
            grid = grid.reindex(list(itertools.product(*(choices[key] for key in down))))
            grid = grid[list(itertools.product(*(choices[key] for key in columns)))]
            limit = np.abs(grid.to_numpy()).max()
            image = axis.imshow(grid, cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto")
            for (i, j), value in np.ndenumerate(grid.to_numpy()):
                dark = abs(value) > 0.6 * limit
                text = f"{value:+.2f}" if metric == "psnr" else f"{value:+.3f}"
                axis.text(j, i, text, ha="center", va="center", fontsize=5, color="white" if dark else "black")
            axis.set_xticks(range(grid.shape[1]), [", ".join(c) for c in grid.columns], rotation=90)
            axis.set_yticks(range(grid.shape[0]), [", ".join(r) for r in grid.index])
            axis.set_xlabel(", ".join(columns))
            figure.colorbar(image, ax=axis, label=f"moved by ({labels[metric]})", shrink=0.8)
        figure.suptitle(title, fontsize=9)
    return figure


def mlstm_growth(measured: pd.DataFrame) -> plt.Figure:
    """Time and peak memory of the mLSTM cell's two forms against the number of tokens.

    Args:
        measured: results/reference/mlstm_growth.csv, which benchmarks/mlstm.py writes.
    """
    with mpl.rc_context(_STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.2), sharex=True)
        for index, (form, rows) in enumerate(measured.groupby("form", sort=True)):
            for passes, line in (("forward", "-"), ("forward_backward", "--")):
                label = f"{form}, {passes.replace('_', ' + ')}"
                for axis, unit in zip(axes, ("s", "peak_mb"), strict=True):
                    axis.plot(rows["tokens"], rows[f"{passes}_{unit}"], line, label=label, ms=4, **style_of(index + 1))
        for axis, quantity in zip(axes, ("Time (s)", "Peak memory (MB)"), strict=True):
            axis.set(xscale="log", yscale="log", xlabel="Tokens", ylabel=quantity)
            axis.set_xticks(sorted(set(measured["tokens"])), minor=False)
            axis.xaxis.set_major_formatter("{x:.0f}")
            axis.xaxis.set_minor_locator(mpl.ticker.NullLocator())
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2, handlelength=4)
    return figure


def qualitative(
    hr: np.ndarray,
    srs: Mapping[str, np.ndarray],
    labels: Mapping[str, str],
    scores: Mapping[str, float],
    crop: tuple[int, int, int, int],
    title: str,
) -> plt.Figure:
    """HR with the crop marked, then the crop of HR and of every method with its PSNR under it.

    Args:
        hr: (H, W, 3) uint8.
        srs: model -> (H, W, 3) uint8.
        labels: model -> name.
        scores: model -> PSNR-Y of the crop, in dB.
        crop: (left, top, right, bottom) in HR pixels.
        title: what the page shows.
    """
    left, top, right, bottom = crop
    panels = [("HR", "PSNR-Y of the crop", hr)] + [
        (labels[name], f"{scores[name]:.2f} dB", image) for name, image in srs.items()
    ]
    columns = max(2, -(-len(panels) // 2))
    with mpl.rc_context(_STYLE):
        figure = plt.figure(figsize=(2.7 + 1.5 * columns, 3.9))
        grid = figure.add_gridspec(2, columns + 2, width_ratios=[0.9, 0.9] + [1] * columns)
        overview = figure.add_subplot(grid[:, :2])
        overview.imshow(hr)
        overview.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor="#F0E442", lw=1.8))
        overview.set_title(title)
        _bare(overview)
        for i, (name, below, image) in enumerate(panels):
            axis = figure.add_subplot(grid[i // columns, 2 + i % columns])
            axis.imshow(image[top:bottom, left:right], interpolation="nearest")
            axis.set_xlabel(f"{textwrap.fill(name, 18)}\n{below}", fontsize=8)
            _bare(axis)
    return figure


def differing_crop(hr: np.ndarray, srs: Sequence[np.ndarray], side: int = 96) -> tuple[int, int, int, int]:
    """The square where the methods' squared errors differ most from each other.

    Args:
        hr: (H, W, 3) uint8.
        srs: images of the methods, the same shape.
        side: of the square, in pixels; the image's own if it is smaller.

    Returns:
        (left, top, right, bottom).
    """
    side = min(side, *hr.shape[:2])
    errors = np.stack([np.square(sr.astype(float) - hr).mean(2) for sr in srs])
    sums = np.pad(errors, ((0, 0), (1, 0), (1, 0))).cumsum(1).cumsum(2)
    windows = sums[:, side:, side:] - sums[:, :-side, side:] - sums[:, side:, :-side] + sums[:, :-side, :-side]
    top, left = np.unravel_index(np.argmax(np.ptp(windows, axis=0)), windows.shape[1:])
    return int(left), int(top), int(left) + side, int(top) + side


def _bare(axis: plt.Axes) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set_visible(False)
