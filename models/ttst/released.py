"""The authors' argument and weight names as those of this project (github.com/XY-boy/TTST)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rssr.models.released import Released, Tensors, translate_arguments
from rssr.models.tail import released_tail_keys
from rssr.models.ttst.layers import KEPT, table_positions

_ARGUMENTS = {
    "upscale": "scale",
    "embed_dim": "channels",
    "depths": "depths",
    "num_heads": "heads",
    "window_size": "window",
    "overlap_ratio": "overlap",
    "mlp_ratio": "mlp_ratio",
    "conv_scale": "channel_scale",
    "qkv_bias": "qkv_bias",
    "drop_path_rate": "drop_path",
}
_FIXED = {
    "img_size": 64,  # one not above the window would switch the shift off
    "patch_size": 1,
    "in_chans": 3,
    "qk_scale": None,
    "drop_rate": 0.0,
    "attn_drop_rate": 0.0,
    "ape": False,
    "patch_norm": True,
    "use_checkpoint": False,
    "upsampler": "pixelshuffle",
    "resi_connection": "1conv",
}
_UNUSED = ("compress_ratio", "squeeze_factor", "img_range")  # by the authors' network, too
_KEYS = (
    (r"^norm_first\.", "patch_embed.norm."),
    (r"^norm_last\.", "norm."),
    (r"^groups\.(\d+)\.0\.", r"layers.\1.residual_group.blocks."),
    (r"^groups\.(\d+)\.1\.0\.0\.", r"layers.\1.residual_group.overlap_attn.norm1."),
    (r"^groups\.(\d+)\.1\.0\.1\.", r"layers.\1.residual_group.overlap_attn."),
    (r"^groups\.(\d+)\.1\.1\.", r"layers.\1.residual_group.overlap_attn.mlp."),
    (r"^groups\.(\d+)\.2\.", r"layers.\1.conv."),
    (r"(\.blocks\.\d+)\.norm\.", r"\1.norm1."),
    (r"\.mlp\.0\.", ".norm2."),
    (r"\.mlp\.1\.", ".mlp.fc1."),
    (r"\.mlp\.3\.", ".mlp.fc2."),
    (r"\.channel\.out\.", ".conv_block.project_out."),
    (r"\.channel\.", ".conv_block."),
    (r"\.window\.", ".attn."),
    (r"\.out\.", ".proj."),
    (r"\.table$", ".relative_position_bias_table"),
    (r"\.depthwise\.", ".qkv_dwconv."),
)
_MIX = [f"attn{number}" for number in range(1, len(KEPT) + 1)]  # theirs are scalars


def arguments_from_released(config: Mapping[str, Any]) -> dict[str, Any]:
    """The authors' keyword arguments as those of this project; ValueError for one that has no counterpart."""
    return translate_arguments("TTST", config, _ARGUMENTS, _FIXED, _UNUSED)


def released(window: int, key_window: int, tail: nn.Sequential) -> Released:
    """The names of the authors' code for a network with these windows."""
    indices = {
        "relative_position_index_SA": [table_positions(window)],
        "relative_position_index_OCA": [table_positions(window, key_window)],
    }
    keys = (*_KEYS, *released_tail_keys(tail))
    return Released(keys, _join, _split, indices, f"that of windows of {window}x{window}")


def _join(tensors: Tensors) -> dict[str, Tensor]:
    joined = {}
    for name, value in tensors.items():
        if name.endswith(".mix"):
            joined |= {f"{name.removesuffix('mix')}{own}": part for own, part in zip(_MIX, value.split(1), strict=True)}
        else:
            joined[name] = value
    return joined


def _split(tensors: Tensors) -> dict[str, Tensor]:
    apart = dict(tensors)
    for name in tensors:
        stem = name.removesuffix("attn1")
        if name.endswith(".attn1") and all(f"{stem}{own}" in tensors for own in _MIX):
            apart[f"{stem}mix"] = torch.cat([apart.pop(f"{stem}{own}") for own in _MIX])
    return apart
