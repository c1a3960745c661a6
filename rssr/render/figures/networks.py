"""Figures of what is inside networks: feature maps, and which LR pixels count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.patches import Rectangle

from rssr.render.figures.style import HEIGHT, SMALL, STYLE, WIDTH, bare, wrapped

_LINE = 0.122  # inches: a line of text of SMALL
_GAP = 0.05
_LEAST = 1e-4  # attribution below this part of the largest looks like none


def feature_maps(maps: Mapping[str, np.ndarray], channels: Sequence[int], label: str) -> plt.Figure:
    """One row per channel, one column per stage of the first neural block, each map over its own range; LR first.

    Args:
        maps: what measure_features.py wrote: `lr` (h, w, 3) uint8, then stages by their titles, each (channels, h, w).
        channels: what the rows are.
        label: of the network.
    """
    lr, stages = maps["lr"], {name: values for name, values in maps.items() if name != "lr"}
    columns = 1 + len(stages)
    side = (WIDTH - 0.1 - _GAP * (columns - 1)) / columns
    high = side * lr.shape[0] / lr.shape[1]
    rows = max(1, min(len(channels), int((HEIGHT - 0.6) / (high + _LINE + _GAP))))
    height = 0.42 + rows * (high + 1.3 * _LINE + _GAP)
    with mpl.rc_context(STYLE | {"axes.titlesize": SMALL, "axes.labelsize": SMALL, "axes.labelpad": 2}):
        figure = plt.figure(figsize=(WIDTH, height), layout="none")
        figure.text(0.05 / WIDTH, 1 - 0.1 / height, wrapped(label, WIDTH - 0.2, 8).split("\n")[0], va="center")
        for row in range(rows):
            for column, (name, values) in enumerate([("LR", None), *stages.items()]):
                top = 0.36 + row * (high + 1.3 * _LINE + _GAP)
                box = (0.05 + column * (side + _GAP), height - top - high, side, high)
                axis = figure.add_axes(tuple(part / (WIDTH, height)[index % 2] for index, part in enumerate(box)))
                bare(axis)
                if row == 0:
                    axis.set_title(name, pad=3)
                if values is None:
                    axis.imshow(lr, interpolation="nearest")
                    axis.set_xlabel(f"channel {channels[row]}")
                else:
                    axis.imshow(values[row], cmap="viridis", interpolation="nearest")
                    axis.set_xlabel(f"{values[row].min():.2g} to {values[row].max():.2g}")
    return figure


# Attribution.

_COLUMNS = 6  # methods in a line, at most


@dataclass(frozen=True)
class Attribution:
    """What measure_attribution.py wrote of a model.

    Attributes:
        label: of the model.
        lr: (h, w, 3) uint8.
        box: (left, top, right, bottom) of the square, in LR pixels.
        attribution: (h, w), with its sign.
        field: (h, w), not negative.
        indices: diffusion index of each.
    """

    label: str
    lr: np.ndarray
    box: Sequence[float]
    attribution: np.ndarray
    field: np.ndarray
    indices: tuple[float, float]


def attribution_maps(measured: Sequence[Attribution]) -> plt.Figure:
    """LR with the square, then for each method its local attribution map over its effective receptive field.

    Args:
        measured: the maps of each method, all of one part of one image.
    """
    lines = -(-len(measured) // _COLUMNS)
    columns = -(-len(measured) // lines)
    side = min(1.5, (WIDTH - 0.1 - columns * _GAP) / (columns + 1))
    width = max(0.1 + (columns + 1) * side + columns * _GAP, 3.6)
    labels = [wrapped(found.label, side) for found in measured]
    above = _LINE * max(label.count("\n") + 1 for label in labels)
    line = above + 2 * (side + 1.5 * _LINE) + 2 * _GAP
    bottom = 0.72
    height = _GAP + lines * line + bottom
    norm = LogNorm(_LEAST, 1)
    with mpl.rc_context(STYLE | {"axes.titlesize": SMALL, "axes.labelsize": SMALL, "axes.labelpad": 2}):
        figure = plt.figure(figsize=(width, height), layout="none")

        def panel(column: int, top: float, caption: str) -> plt.Axes:
            left = 0.05 + column * (side + _GAP)
            axis = figure.add_axes((left / width, 1 - (top + side) / height, side / width, side / height))
            bare(axis)
            axis.set_xlabel(caption)
            return axis

        overview = panel(0, _GAP + above, "LR and the square")
        overview.imshow(measured[0].lr, interpolation="nearest")
        _frame(overview, measured[0].box)
        for index, (label, found) in enumerate(zip(labels, measured, strict=True)):
            top = _GAP + index // columns * line + above
            maps = (found.attribution, found.field)
            for row, (values, di) in enumerate(zip(maps, found.indices, strict=True)):
                axis = panel(1 + index % columns, top + row * (side + 1.5 * _LINE + _GAP), f"DI {di:.2f}")
                relative = np.abs(values) / max(np.abs(values).max(), np.finfo(float).tiny)
                shown = axis.imshow(np.maximum(relative, _LEAST), cmap="inferno", norm=norm, interpolation="nearest")
                if row == 0:
                    axis.set_title(label, pad=3)
                    _frame(axis, found.box)
        bar = figure.add_axes((0.3 / width, (bottom - 0.18) / height, min(3.0, width - 0.6) / width, 0.1 / height))
        ticks = [10.0**power for power in range(-4, 1)]
        figure.colorbar(shown, cax=bar, orientation="horizontal", ticks=ticks, format=lambda value, _: f"{value:g}")
        bar.minorticks_off()
        legend = "Above: attribution of the square. Below: receptive field.\nBoth as parts of the largest."
        bar.set_xlabel(legend, loc="left")
    return figure


def _frame(axis: plt.Axes, box: Sequence[float]) -> None:
    left, top, right, bottom = box
    for colour, width in (("black", 2.0), ("#F0E442", 1.0)):  # seen on any image
        axis.add_patch(
            Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, edgecolor=colour, lw=width)
        )
