"""Argument and weight names of the authors' released code, in ours (github.com/Doswin/LSTMConvSR)."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from rssr.models.released import translate_arguments

_TAILS = {"pixelshuffle": "classical", "pixelshuffledirect": "light"}
_ARGUMENTS = {
    "upscale": "scale",
    "embed_dim": "channels",
    "depths": "groups",
    "CNN_num": "arrbs",
    "mlp_ratio": "mlp_ratio",
    "rgb_mean": "mean",
}
# Arguments of theirs that have one value here, because the published network has no other.
_FIXED = {"in_chans": 3, "img_range": 1.0, "resi_connection": "1conv"}
_KEYS = (
    (r"^NB_layers\.(\d+)\.residual_group\.blocks\.(\d+)\.", r"body.\1.blocks.\2."),
    (r"^NB_layers\.(\d+)\.conv\.", r"body.\1.conv."),
    (r"(blocks\.\d+)\.lstm\.att\.rowwise_from_top_left\.", r"\1.vilg.blocks.0."),
    (r"(blocks\.\d+)\.lstm\.att\.rowwise_from_bot_right\.", r"\1.vilg.blocks.1."),
    (r"(blocks\.\d+)\.lstm\.att\.HILBERTCURVE\.", r"\1.vilg.blocks.2."),
    (r"\.Down\.conv\.0\.", ".down.pointwise."),
    (r"\.Down\.conv\.1\.", ".down.depthwise."),
    (r"\.Up\.conv\.", ".attention."),
    (r"\.layer\.mlstm_cell\.", ".layer."),
    (r"\.layer\.conv\.conv\.", ".layer.conv."),
    (r"\.lstm\.gamma1$", ".vilg.alpha1"),
    (r"\.lstm\.gamma2$", ".vilg.alpha2"),
    (r"\.lstm\.ln\.", ".vilg.norm."),
    (r"\.lstm\.ffn\.", ".vilg.mlp."),
    (r"\.cnn\.(\d+)\.", r".arrg.\1."),
    (r"(blocks\.\d+)\.conv\.(weight|bias)$", r"\1.revisit.\2"),
    (r"^conv_before_upsample\.0\.", "tail.0."),
)


def arguments_from_released(config: Mapping[str, Any]) -> dict[str, Any]:
    """The authors' keyword arguments in ours; ValueError for one that has no counterpart."""
    tail = _TAILS.get(config.get("upsampler"))
    known = {name: value for name, value in config.items() if not (name == "upsampler" and tail)}
    return translate_arguments("LSTMConvSR", known, _ARGUMENTS, _FIXED) | ({"tail": tail} if tail else {})


def state_dict_from_released(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under our keys. The tail's positions depend on whether it has a conv_before_upsample."""
    offset = 2 if any(key.startswith("conv_before_upsample.") for key in state_dict) else 0
    stages = [int(key.split(".")[1]) for key in state_dict if key.startswith("upsample.")]
    last = offset + max(stages, default=0) + 2
    renamed = {}
    for key, value in state_dict.items():
        for pattern, replacement in _KEYS:
            key = re.sub(pattern, replacement, key)
        key = re.sub(r"^upsample\.(\d+)\.", lambda match: f"tail.{offset + int(match[1])}.", key)
        renamed[re.sub(r"^conv_last\.", f"tail.{last}.", key)] = value
    return renamed
