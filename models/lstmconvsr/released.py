"""Argument and weight names of the authors' released code, in ours (github.com/Doswin/LSTMConvSR)."""

from collections.abc import Mapping
from typing import Any

from rssr.models.released import Keys, translate_arguments
from rssr.models.tail import RELEASED_TAILS, released_tail_keys

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
)


def arguments_from_released(config: Mapping[str, Any]) -> dict[str, Any]:
    """The authors' keyword arguments in ours; ValueError for one that has no counterpart."""
    tail = RELEASED_TAILS.get(config.get("upsampler"))
    known = {name: value for name, value in config.items() if not (name == "upsampler" and tail)}
    return translate_arguments("LSTMConvSR", known, _ARGUMENTS, _FIXED) | ({"tail": tail} if tail else {})


def keys_from_released(tail: str, scale: int) -> Keys:
    """Patterns of the authors' keys and what they are here, for load_released()."""
    return *_KEYS, *released_tail_keys(tail, scale)
