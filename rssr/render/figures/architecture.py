"""The architecture of a network, drawn: one row of boxes per level."""

from collections.abc import Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.patches import Ellipse, FancyBboxPatch

from rssr.base.diagram import Box, Diagram, Level, Skip
from rssr.render.figures.style import SMALL, STYLE, WIDTH, bare, wrapped

_LINE = 0.122  # inches: a line of text of SMALL
_FILLS = {"map": "white", "long": "#F6D5B5", "short": "#CFE6F5", "other": "#EFEFEF", "sum": "white"}
_ROW, _BOX = 1.05, 0.56  # inches: height of a row, and of its boxes
_LABEL = 1.2  # inches: what stands before a row
_ARROW = {"arrowstyle": "-|>,head_width=0.15,head_length=0.3", "color": "black", "linewidth": 0.8}
_ARROW |= {"shrinkA": 0, "shrinkB": 0}


def architecture(network: Diagram, label: str) -> plt.Figure:
    """The network as it is built: one row per level, from the whole to the smallest block, with parameters.

    Args:
        network: see steps.architecture.describe().
        label: its label in tables.
    """
    orders = ""
    if network.orders:
        orders = wrapped(f"Reading orders of the ViL blocks: {', '.join(network.orders)}.", WIDTH - 0.2)
    height = 0.35 + _ROW * len(network.levels) + _LINE * (orders.count("\n") + 1.5)
    with mpl.rc_context(STYLE):
        figure = plt.figure(figsize=(WIDTH, height), layout="none")
        axis = figure.add_axes((0, 0, 1, 1))
        bare(axis)
        axis.set(xlim=(0, WIDTH), ylim=(height, 0))
        axis.text(0.08, 0.2, wrapped(label, WIDTH - 0.2, 9), fontsize=9, fontweight="bold", va="center")
        for row, level in enumerate(network.levels):
            _draw(axis, 0.35 + (row + 0.55) * _ROW, level)
        axis.text(0.08, height - 0.05, orders, fontsize=SMALL, va="bottom")
    return figure


def _draw(axis: plt.Axes, middle: float, level: Level) -> None:
    """Draw a row of boxes around a height, and its arrows."""
    axis.text(0.08, middle - 0.09, level.title, fontsize=8, fontweight="bold", va="center")
    axis.text(0.08, middle + 0.1, f"{level.parameters:,} parameters", fontsize=SMALL, va="center")
    gap = 0.16
    fixed = [0.32 if len(box.text) <= 3 else 0.64 if box.kind == "map" else None for box in level.boxes]
    room = WIDTH - _LABEL - 0.1 - gap * (len(fixed) - 1) - sum(filter(None, fixed))
    left, spans = _LABEL, []
    for box, width in zip(level.boxes, fixed, strict=True):
        width = width or min(room / fixed.count(None), 1.35)
        _box(axis, left, middle, width, box)
        spans.append((left, left + width))
        left += width + gap
    for index, (span, following) in enumerate(zip(spans[:-1], spans[1:], strict=True)):
        if index not in level.unlinked:
            axis.annotate("", (following[0], middle), (span[1], middle), arrowprops=_ARROW)
    for skip in level.skips:
        _skip(axis, spans, skip, middle)


def _box(axis: plt.Axes, left: float, middle: float, width: float, box: Box) -> None:
    if box.kind == "sum":
        axis.add_patch(Ellipse((left + width / 2, middle), width, 0.3, facecolor="white", edgecolor="black", lw=0.8))
    else:
        outline = "none" if box.kind == "map" else "black"
        shape = FancyBboxPatch(
            (left, middle - _BOX / 2), width, _BOX, boxstyle="round,pad=0,rounding_size=0.05", lw=0.8, edgecolor=outline
        )
        shape.set_facecolor(_FILLS[box.kind])
        axis.add_patch(shape)
    lines = "\n".join(wrapped(line, width - 0.04) for line in box.text.split("\n"))
    axis.text(left + width / 2, middle, lines, ha="center", va="center", fontsize=SMALL, linespacing=1.1)


def _skip(axis: plt.Axes, spans: Sequence[tuple[float, float]], skip: Skip, middle: float) -> None:
    """An arrow from behind one box, around those between, to another."""
    start, end, side = skip.start, skip.end, -1 if skip.above else 1
    far = middle + side * (_BOX / 2 + 0.1)
    x0, x1 = spans[start][1] + 0.05, sum(spans[end]) / 2
    axis.plot(
        [spans[start][1], x0, x0, x1], [middle, middle, far, far], color="black", linewidth=0.8, solid_joinstyle="miter"
    )
    tip = middle + side * (0.15 if spans[end][1] - spans[end][0] < 0.4 else _BOX / 2)
    axis.annotate("", (x1, tip), (x1, far), arrowprops=_ARROW)
