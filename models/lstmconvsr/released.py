"""The authors' argument and weight names as those of this project (github.com/Doswin/LSTMConvSR)."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from rssr.models.released import Released, Tensors, translate_arguments
from rssr.models.tail import RELEASED_TAILS, released_tail_keys

_ARGUMENTS = {
    "upscale": "scale",
    "embed_dim": "channels",
    "depths": "groups",
    "CNN_num": "arrbs",
    "mlp_ratio": "mlp_ratio",
    "rgb_mean": "mean",
}
# The authors' arguments that are supported with one value only, the value in all released networks.
_FIXED = {"in_chans": 3, "img_range": 1.0, "resi_connection": "1conv"}
_KEYS = (
    (r"^body\.(\d+)\.blocks\.(\d+)\.", r"NB_layers.\1.residual_group.blocks.\2."),
    (r"^body\.(\d+)\.conv\.", r"NB_layers.\1.conv."),
    (r"\.vilg\.blocks\.0\.", ".lstm.att.rowwise_from_top_left."),
    (r"\.vilg\.blocks\.1\.", ".lstm.att.rowwise_from_bot_right."),
    (r"\.vilg\.blocks\.2\.", ".lstm.att.HILBERTCURVE."),
    (r"\.down\.pointwise\.", ".Down.conv.0."),
    (r"\.down\.depthwise\.", ".Down.conv.1."),
    (r"\.attention\.", ".Up.conv."),
    (r"\.layer\.conv\.", ".layer.conv.conv."),
    (r"\.layer\.(igate|fgate|outnorm)\.", r".layer.mlstm_cell.\1."),
    (r"\.vilg\.alpha([12])$", r".lstm.gamma\1"),
    (r"\.vilg\.norm\.", ".lstm.ln."),
    (r"\.vilg\.mlp\.", ".lstm.ffn."),
    (r"\.arrg\.", ".cnn."),
    (r"\.revisit\.", ".conv."),
)
# The buffers of their wavelet package (pytorch_wavelets): a convolution's weights along columns and along rows. The
# Haar filters of old versions of it have the other sign along rows.
_LOW, _HIGH = (torch.tensor(filter_) / 2**0.5 for filter_ in ([1.0, 1.0], [1.0, -1.0]))
_BANDS = {"h1_col": [1, 3], "h1_row": [2, 3]}  # that a filter's sign reaches, of the four that vil.HaarDown makes


def arguments_from_released(config: Mapping[str, Any]) -> dict[str, Any]:
    """The authors' keyword arguments as those of this project; ValueError for one that has no counterpart."""
    tail = RELEASED_TAILS.get(config.get("upsampler"))
    known = {name: value for name, value in config.items() if not (name == "upsampler" and tail)}
    return translate_arguments("LSTMConvSR", known, _ARGUMENTS, _FIXED) | ({"tail": tail} if tail else {})


def released(names: Iterable[str], tail: nn.Sequential, note: str) -> Released:
    """The translation to the authors' names, for a network with these names."""
    form = Released((*_KEYS, *released_tail_keys(tail)))
    downs = [
        name.removesuffix("conv.0.weight") for name in form.theirs(dict.fromkeys(names)) if ".Down.conv.0.w" in name
    ]
    filters = {}
    for axis, shape in (("col", (1, 1, 2, 1)), ("row", (1, 1, 1, 2))):
        low, high = _LOW.view(shape), _HIGH.view(shape)
        for down in downs:
            filters |= {f"{down}wt.h0_{axis}": [low], f"{down}wt.h1_{axis}": [high, -high]}
    return replace(form, split=_split, constants=filters, constant="a Haar filter", note=note)


def _split(tensors: Tensors) -> dict[str, Tensor]:
    """A high-pass filter of the other sign becomes signs of the weights that mix the bands."""
    ours = dict(tensors)
    for name, value in tensors.items():
        stem, _, filter_ = name.rpartition("wt.")
        weight = ours.get(f"{stem}conv.0.weight")
        if filter_ in _BANDS and weight is not None and value.flatten()[0] < 0:
            signs = torch.ones(4, 1).index_fill(0, torch.tensor(_BANDS[filter_]), -1.0)
            signs = signs.expand(4, weight.shape[1] // 4).reshape(1, -1, 1, 1).to(weight)
            ours[f"{stem}conv.0.weight"] = weight * signs
    return ours
