"""Figures of what is inside networks: the architecture, feature maps, and which LR pixels count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.patches import Ellipse, FancyBboxPatch, Rectangle
from torch import nn

from rssr.models.lstmconvsr.network import LSTMConvSR
from rssr.models.lstmconvsr.vil import HEADS, HaarDown
from rssr.render.figures.style import HEIGHT, SMALL, STYLE, WIDTH, bare, wrapped

_LINE = 0.122  # inches: a line of text of SMALL
_GAP = 0.05
_LEAST = 1e-4  # attribution below this part of the largest looks like none

# Architecture.

_FILLS = {"map": "white", "long": "#F6D5B5", "short": "#CFE6F5", "other": "#EFEFEF", "sum": "white"}
_ROW, _BOX = 1.05, 0.56  # inches: height of a row, and of its boxes
_LABEL = 1.2  # inches: what stands before a row
_ARROW = {"arrowstyle": "-|>,head_width=0.15,head_length=0.3", "color": "black", "linewidth": 0.8}
_ARROW |= {"shrinkA": 0, "shrinkB": 0}


@dataclass(frozen=True)
class Part:
    """A level of the network as a row of boxes.

    Attributes:
        title: what it is.
        module: whose parameters it has.
        boxes: (text, kind of _FILLS), from left to right, each with an arrow to the next.
        skips: (from, to, whether above) of arrows around boxes.
        unlinked: boxes that have no arrow to the next.
    """

    title: str
    module: nn.Module
    boxes: Sequence[tuple[str, str]]
    skips: Sequence[tuple[int, int, bool]] = ()
    unlinked: Sequence[int] = ()


def architecture(network: LSTMConvSR, label: str) -> plt.Figure:
    """The network as it is built: a row a level, from the whole to the smallest block, with parameters.

    Args:
        network: with any of its switches.
        label: what the tables call it.
    """
    parts = _parts(network)
    orders = ""
    if not isinstance(network.body[0].blocks[0].vilg, nn.Identity):
        names = (block.traversal.replace("_", " ") for block in network.body[0].blocks[0].vilg.blocks)
        orders = wrapped(f"Reading orders of the ViL blocks: {', '.join(names)}.", WIDTH - 0.2)
    height = 0.35 + _ROW * len(parts) + _LINE * (orders.count("\n") + 1.5)
    with mpl.rc_context(STYLE):
        figure = plt.figure(figsize=(WIDTH, height), layout="none")
        axis = figure.add_axes((0, 0, 1, 1))
        bare(axis)
        axis.set(xlim=(0, WIDTH), ylim=(height, 0))
        axis.text(0.08, 0.2, wrapped(label, WIDTH - 0.2, 9), fontsize=9, fontweight="bold", va="center")
        for row, part in enumerate(parts):
            _draw(axis, 0.35 + (row + 0.55) * _ROW, part)
        axis.text(0.08, height - 0.05, orders, fontsize=SMALL, va="bottom")
    return figure


def _parts(network: LSTMConvSR) -> list[Part]:
    channels, scale = network.conv_first.out_channels, network.scale
    groups = [len(group.blocks) for group in network.body]
    block = network.body[0].blocks[0]
    counts = f"{groups[0]} neural blocks each" if len(set(groups)) == 1 else f"of {', '.join(map(str, groups))} blocks"
    if set(groups) == {1}:
        counts = "1 neural block each"
    tail = f"Conv, pixel shuffle ×{scale}" if len(network.tail) == 2 else f"Convs, pixel shuffles ×{scale}"
    conv = "Conv 3×3"
    first = f"{groups[0]} neural block{'s' if groups[0] > 1 else ''}" + (
        ", in the first" if len(set(groups)) > 1 else ""
    )
    parts = [
        Part(
            "Network",
            network,
            [
                ("LR\n3×h×w", "map"),
                (f"{conv}\n3 to {channels}", "short"),
                (f"{len(groups)} residual groups\n{counts}", "other"),
                (conv, "short"),
                ("+", "sum"),
                (tail, "other"),
                (f"SR\n3×{scale}h×{scale}w", "map"),
            ],
            [(1, 4, True)],
        ),
        Part(
            "Residual group",
            network.body[0],
            [
                (f"{channels}×h×w", "map"),
                (first, "other"),
                (conv, "short"),
                ("+", "sum"),
                ("out", "map"),
            ],
            [(0, 3, True)],
        ),
        _neural_block(block, channels),
    ]
    if not isinstance(block.vilg, nn.Identity):
        parts += _long_range(block.vilg, channels)
    if isinstance(block.arrg, nn.Sequential):
        arrb = block.arrg[0]
        boxes = [("in", "map"), (conv, "short"), ("PReLU", "short"), (conv, "short")]
        boxes += [("× learned scale", "other"), ("+", "sum"), ("out", "map")]
        parts.append(Part("ARRB", arrb, boxes, [(0, 5, True)]))
    return parts


def _neural_block(block: nn.Module, channels: int) -> Part:
    boxes = [("in", "map")]
    has_long, has_short = not isinstance(block.vilg, nn.Identity), isinstance(block.arrg, nn.Sequential)
    if has_long:
        boxes.append((f"ViLG\n{len(block.vilg.blocks)} ViL blocks", "long"))
    long_range = len(boxes) - 1
    if has_short:
        boxes.append((f"ARRG\n{len(block.arrg)} ARRBs", "short"))
    short_range = len(boxes) - 1
    skips, unlinked = [], []
    # The released order feeds the ARRG with the block's input.
    if has_long and has_short and block.order == "released":
        skips.append((0, short_range, True))
        unlinked.append(long_range)
    if block.how != "none":
        beside = 0 if not has_short and block.order == "released" else long_range
        skips.append((beside, len(boxes), False))
        boxes.append(("concatenate" if block.how == "concat" else "+", "sum" if block.how == "sum" else "other"))
    if block.how == "concat":
        boxes.append((f"Revisiting\nconv 3×3, {2 * channels} to {channels}", "other"))
    boxes.append(("out", "map"))
    return Part("Neural block", block, boxes, skips, unlinked)


def _long_range(vilg: nn.Module, channels: int) -> list[Part]:
    block = vilg.blocks[0]
    hidden = vilg.mlp.fc1.out_features
    group = Part(
        "ViLG",
        vilg,
        [
            ("in", "map"),
            (f"{len(vilg.blocks)} ViL blocks, each in its order", "long"),
            ("× learned scale", "other"),
            ("+", "sum"),
            (f"Norm, gated MLP\n{channels}, {hidden}, {channels}", "long"),
            ("× learned scale", "other"),
            ("+", "sum"),
            ("out", "map"),
        ],
        [(0, 3, True), (3, 6, True)],
    )
    boxes = [("in", "map")]
    reduced = not isinstance(block.down, nn.Identity)
    if reduced:
        boxes.append((f"{_reduction(block.down)}\n{channels}×h/2×w/2", "other"))
    before = len(boxes) - 1
    boxes += [(f"Norm, mLSTM layer\n{HEADS} heads, width {2 * channels}", "long"), ("+", "sum")]
    skips = [(before, len(boxes) - 1, False)]
    if reduced:
        boxes.append(("Bilinear ×2", "other"))
    if block.attention is not None:
        boxes += [("LSA: conv 3×3 to 1, sigmoid", "long"), ("×", "sum")]
        skips.append((0, len(boxes) - 1, True))
    boxes.append(("out", "map"))
    return [group, Part("ViL block", block, boxes, skips)]


def _reduction(down: nn.Module) -> str:
    if isinstance(down, HaarDown):
        return "Haar wavelet (HWD)"
    return "Strided conv 2×2" if isinstance(down[0], nn.Conv2d) else "Average of 2×2"


def _draw(axis: plt.Axes, middle: float, part: Part) -> None:
    """Draw a row of boxes around a height, and its arrows."""
    count = sum(parameter.numel() for parameter in part.module.parameters())
    axis.text(0.08, middle - 0.09, part.title, fontsize=8, fontweight="bold", va="center")
    axis.text(0.08, middle + 0.1, f"{count:,} parameters", fontsize=SMALL, va="center")
    gap = 0.16
    fixed = [0.32 if len(text) <= 3 else 0.64 if kind == "map" else None for text, kind in part.boxes]
    room = WIDTH - _LABEL - 0.1 - gap * (len(fixed) - 1) - sum(filter(None, fixed))
    left, spans = _LABEL, []
    for (text, kind), width in zip(part.boxes, fixed, strict=True):
        width = width or min(room / fixed.count(None), 1.35)
        _box(axis, left, middle, width, text, kind)
        spans.append((left, left + width))
        left += width + gap
    for index, (span, following) in enumerate(zip(spans[:-1], spans[1:], strict=True)):
        if index not in part.unlinked:
            axis.annotate("", (following[0], middle), (span[1], middle), arrowprops=_ARROW)
    for start, end, above in part.skips:
        _skip(axis, spans, start, end, middle, -1 if above else 1)


def _box(axis: plt.Axes, left: float, middle: float, width: float, text: str, kind: str) -> None:
    if kind == "sum":
        axis.add_patch(Ellipse((left + width / 2, middle), width, 0.3, facecolor="white", edgecolor="black", lw=0.8))
    else:
        outline = "none" if kind == "map" else "black"
        shape = FancyBboxPatch(
            (left, middle - _BOX / 2), width, _BOX, boxstyle="round,pad=0,rounding_size=0.05", lw=0.8, edgecolor=outline
        )
        shape.set_facecolor(_FILLS[kind])
        axis.add_patch(shape)
    lines = "\n".join(wrapped(line, width - 0.04) for line in text.split("\n"))
    axis.text(left + width / 2, middle, lines, ha="center", va="center", fontsize=SMALL, linespacing=1.1)


def _skip(axis: plt.Axes, spans: Sequence[tuple[float, float]], start: int, end: int, middle: float, side: int) -> None:
    """An arrow from behind one box, around those between, to another."""
    far = middle + side * (_BOX / 2 + 0.1)
    x0, x1 = spans[start][1] + 0.05, sum(spans[end]) / 2
    axis.plot(
        [spans[start][1], x0, x0, x1], [middle, middle, far, far], color="black", linewidth=0.8, solid_joinstyle="miter"
    )
    tip = middle + side * (0.15 if spans[end][1] - spans[end][0] < 0.4 else _BOX / 2)
    axis.annotate("", (x1, tip), (x1, far), arrowprops=_ARROW)


# Feature maps.


def feature_maps(maps: Mapping[str, np.ndarray], channels: Sequence[int], label: str) -> plt.Figure:
    """A row a channel, a column a stage of the first neural block, each map over its own range; LR first.

    Args:
        maps: what measure_features.py wrote: `lr` (h, w, 3) uint8, then stages, each (channels, h, w).
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
                    axis.set_title(_stage(name), pad=3)
                if values is None:
                    axis.imshow(lr, interpolation="nearest")
                    axis.set_xlabel(f"channel {channels[row]}")
                else:
                    axis.imshow(values[row], cmap="viridis", interpolation="nearest")
                    axis.set_xlabel(f"{values[row].min():.2g} to {values[row].max():.2g}")
    return figure


def _stage(name: str) -> str:
    return {"LR": "LR", "vilg": "ViLG", "revisit": "Revisiting"}.get(name) or name.replace("arrb_", "ARRB ")


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
