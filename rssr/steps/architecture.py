"""The architecture of a LSTMConvSR as it is built, level by level."""

from torch import nn

from rssr.base.diagram import Box, Diagram, Level, Skip
from rssr.metrics.complexity import count_parameters as _parameters
from rssr.models.lstmconvsr.network import LSTMConvSR
from rssr.models.lstmconvsr.vil import HEADS, HaarDown

CONV = "Conv 3×3"
_ORDERS = {  # traversal.TRAVERSALS -> label
    "rowwise_from_top_left": "rowwise from top left",
    "rowwise_from_bottom_right": "rowwise from bottom right",
    "hilbert": "hilbert",
}


def describe(network: LSTMConvSR) -> Diagram:
    """The network from the whole to its smallest block, with parameters; with any of its switches."""
    vilg = network.body[0].blocks[0].vilg
    blocks = [] if isinstance(vilg, nn.Identity) else vilg.blocks
    return Diagram(_levels(network), [_ORDERS[block.traversal] for block in blocks])


def _levels(network: LSTMConvSR) -> list[Level]:
    channels, block = network.conv_first.out_channels, network.body[0].blocks[0]
    levels = [*_outer_levels(network, channels), _neural_block(block, channels)]
    if not isinstance(block.vilg, nn.Identity):
        levels += _long_range(block.vilg, channels)
    if isinstance(block.arrg, nn.Sequential):
        arrb = block.arrg[0]
        boxes = [Box("in", "map"), Box(CONV, "short"), Box("PReLU", "short"), Box(CONV, "short")]
        boxes += [Box("× learned scale", "other"), Box("+", "sum"), Box("out", "map")]
        levels.append(Level("ARRB", _parameters(arrb), boxes, [Skip(0, 5)]))
    return levels


def _outer_levels(network: LSTMConvSR, channels: int) -> list[Level]:
    scale, groups = network.scale, [len(group.blocks) for group in network.body]
    counts = f"{groups[0]} neural blocks each" if len(set(groups)) == 1 else f"of {', '.join(map(str, groups))} blocks"
    if set(groups) == {1}:
        counts = "1 neural block each"
    tail = f"Conv, pixel shuffle ×{scale}" if len(network.tail) == 2 else f"Convs, pixel shuffles ×{scale}"
    first = f"{groups[0]} neural block{'s' if groups[0] > 1 else ''}" + (
        ", in the first" if len(set(groups)) > 1 else ""
    )
    return [
        Level(
            "Network",
            _parameters(network),
            [
                Box("LR\n3×h×w", "map"),
                Box(f"{CONV}\n3 to {channels}", "short"),
                Box(f"{len(groups)} residual groups\n{counts}", "other"),
                Box(CONV, "short"),
                Box("+", "sum"),
                Box(tail, "other"),
                Box(f"SR\n3×{scale}h×{scale}w", "map"),
            ],
            [Skip(1, 4)],
        ),
        Level(
            "Residual group",
            _parameters(network.body[0]),
            [
                Box(f"{channels}×h×w", "map"),
                Box(first, "other"),
                Box(CONV, "short"),
                Box("+", "sum"),
                Box("out", "map"),
            ],
            [Skip(0, 3)],
        ),
    ]


def _neural_block(block: nn.Module, channels: int) -> Level:
    boxes = [Box("in", "map")]
    has_long, has_short = not isinstance(block.vilg, nn.Identity), isinstance(block.arrg, nn.Sequential)
    if has_long:
        boxes.append(Box(f"ViLG\n{len(block.vilg.blocks)} ViL blocks", "long"))
    long_range = len(boxes) - 1
    if has_short:
        boxes.append(Box(f"ARRG\n{len(block.arrg)} ARRBs", "short"))
    short_range = len(boxes) - 1
    skips, unlinked = [], []
    # The released order feeds the ARRG with the block's input.
    if has_long and has_short and block.order == "released":
        skips.append(Skip(0, short_range))
        unlinked.append(long_range)
    if block.how != "none":
        beside = 0 if not has_short and block.order == "released" else long_range
        skips.append(Skip(beside, len(boxes), above=False))
        text = {"concat": "concatenate"}.get(block.how, "+")
        boxes.append(Box(text, "sum" if block.how == "sum" else "other"))
    if block.how == "concat":
        boxes.append(Box(f"Revisiting\nconv 3×3, {2 * channels} to {channels}", "other"))
    boxes.append(Box("out", "map"))
    return Level("Neural block", _parameters(block), boxes, skips, unlinked)


def _long_range(vilg: nn.Module, channels: int) -> list[Level]:
    block = vilg.blocks[0]
    hidden = vilg.mlp.fc1.out_features
    group = Level(
        "ViLG",
        _parameters(vilg),
        [
            Box("in", "map"),
            Box(f"{len(vilg.blocks)} ViL blocks, each in its order", "long"),
            Box("× learned scale", "other"),
            Box("+", "sum"),
            Box(f"Norm, gated MLP\n{channels}, {hidden}, {channels}", "long"),
            Box("× learned scale", "other"),
            Box("+", "sum"),
            Box("out", "map"),
        ],
        [Skip(0, 3), Skip(3, 6)],
    )
    boxes = [Box("in", "map")]
    reduced = not isinstance(block.down, nn.Identity)
    if reduced:
        boxes.append(Box(f"{_reduction(block.down)}\n{channels}×h/2×w/2", "other"))
    before = len(boxes) - 1
    boxes += [Box(f"Norm, mLSTM layer\n{HEADS} heads, width {2 * channels}", "long"), Box("+", "sum")]
    skips = [Skip(before, len(boxes) - 1, above=False)]
    if reduced:
        boxes.append(Box("Bilinear ×2", "other"))
    if block.attention is not None:
        boxes += [Box("LSA: conv 3×3 to 1, sigmoid", "long"), Box("×", "sum")]
        skips.append(Skip(0, len(boxes) - 1))
    boxes.append(Box("out", "map"))
    return [group, Level("ViL block", _parameters(block), boxes, skips)]


def _reduction(down: nn.Module) -> str:
    if isinstance(down, HaarDown):
        return "Haar wavelet (HWD)"
    return "Strided conv 2×2" if isinstance(down[0], nn.Conv2d) else "Average of 2×2"
