"""Argument and weight names of the authors' released code, in ours (github.com/csguoh/MambaIR)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rssr.models.mambairv2.layers import relative_index
from rssr.models.released import Keys, translate_arguments
from rssr.models.tail import RELEASED_TAILS, released_tail_keys

_FEED_FORWARDS = {"MambaIRv2": "conv", "MambaIRv2Light": "gated"}
_ARGUMENTS = {
    "upscale": "scale",
    "embed_dim": "channels",
    "depths": "groups",
    "num_heads": "heads",
    "window_size": "window",
    "d_state": "states",
    "inner_rank": "inner_rank",
    "num_tokens": "tokens",
    "mlp_ratio": "mlp_ratio",
    "convffn_kernel_size": "kernel",
    "upsampler": "tail",
}
# Arguments of theirs that have one value here, because the published networks have no other.
_FIXED = {"in_chans": 3, "img_range": 1.0, "resi_connection": "1conv"}
_UNUSED = ("img_size",)  # the size of training images, on which no weight and no output depends
_INDEX = "relative_position_index_SA"  # a constant that their files carry
_ONE_DIRECTION = ("x_proj_weight", "dt_projs_weight", "dt_projs_bias")  # theirs have a dimension for more
_KEYS = (
    (r"^patch_embed\.norm\.", "norm_first."),
    (r"^layers\.(\d+)\.residual_group\.layers\.(\d+)\.", r"body.\1.layers.\2."),
    (r"^layers\.(\d+)\.conv\.", r"body.\1.conv."),
    (r"\.wqkv\.", ".attention.qkv."),
    (r"\.win_mhsa\.relative_position_bias_table$", ".attention.bias_table"),
    (r"\.win_mhsa\.", ".attention."),
    (r"\.embeddingA\.weight$", ".assm.embedding_a"),
    (r"\.embeddingB\.weight$", ".embedding_b"),
    (r"\.selectiveScan\.x_proj_weight$", ".x_proj.weight"),
    (r"\.selectiveScan\.dt_projs_(weight|bias)$", r".dt_proj.\1"),
    (r"\.selectiveScan\.A_logs$", ".A_log"),
    (r"\.selectiveScan\.Ds$", ".D"),
    (r"\.assm\.in_proj\.0\.", ".assm.in_proj."),
    (r"\.assm\.CPE\.0\.", ".assm.position."),
    (r"\.convffn([12])\.", r".feed_forward\1."),
    (r"\.dwconv\.depthwise_conv\.0\.", ".depthwise."),
    (r"\.sg\.norm\.", ".norm."),
    (r"\.sg\.conv\.", ".depthwise."),
)


def arguments_from_released(arch: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The authors' keyword arguments in ours; ValueError for one that has no counterpart."""
    if arch not in _FEED_FORWARDS:
        raise ValueError(f"MambaIRv2: the released arch {arch!r} is unknown, use one of {', '.join(_FEED_FORWARDS)}")
    arguments = translate_arguments("MambaIRv2", config, _ARGUMENTS, _FIXED, _UNUSED)
    if "heads" in arguments:  # theirs is a number for each group
        if len(set(arguments["heads"])) != 1:
            raise ValueError(f"MambaIRv2: num_heads={arguments['heads']} has no counterpart: one number for all groups")
        arguments["heads"] = arguments["heads"][0]
    if "tail" in arguments:
        if arguments["tail"] not in RELEASED_TAILS:
            raise ValueError(f"MambaIRv2: upsampler={arguments['tail']!r} has no counterpart here")
        arguments["tail"] = RELEASED_TAILS[arguments["tail"]]
    return arguments | {"feed_forward": _FEED_FORWARDS[arch]}


def keys_from_released(tail: str, scale: int) -> Keys:
    """Patterns of the authors' keys and what they are here, for load_released()."""
    return *_KEYS, *released_tail_keys(tail, scale)


def tensors_from_released(state_dict: Mapping[str, Tensor], window: int) -> dict[str, Tensor]:
    """Their tensors in our shapes; ValueError where their index of offsets is not that of `window`."""
    tensors = dict(state_dict)
    index = tensors.pop(_INDEX, None)
    if index is not None and not torch.equal(index.cpu(), relative_index(window)):
        raise ValueError(f"MambaIRv2: {_INDEX} is not that of windows of {window}x{window}")
    for key, value in tensors.items():
        if key.endswith(_ONE_DIRECTION):
            tensors[key] = value.squeeze(0)
        elif key.endswith("in_proj.0.weight"):  # a 1x1 convolution
            tensors[key] = value.flatten(1)
    return tensors
