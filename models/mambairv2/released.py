"""The authors' argument and weight names as those of this project (github.com/csguoh/MambaIR)."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from rssr.models.mambairv2.layers import relative_index
from rssr.models.released import Released, Tensors, translate_arguments
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
# The authors' arguments that are supported with one value only, the value in all released networks.
_FIXED = {"in_chans": 3, "img_range": 1.0, "resi_connection": "1conv"}
_UNUSED = ("img_size",)  # the size of training images, on which no weight and no output depends
_ONE_DIRECTION = ("x_proj_weight", "dt_projs_weight", "dt_projs_bias")  # the authors' have a dimension for several
_KEYS = (
    (r"^norm_first\.", "patch_embed.norm."),
    (r"^body\.(\d+)\.layers\.(\d+)\.", r"layers.\1.residual_group.layers.\2."),
    (r"^body\.(\d+)\.conv\.", r"layers.\1.conv."),
    (r"\.attention\.qkv\.", ".wqkv."),
    (r"\.attention\.bias_table$", ".win_mhsa.relative_position_bias_table"),
    (r"\.attention\.", ".win_mhsa."),
    (r"\.assm\.embedding_a$", ".embeddingA.weight"),
    (r"\.embedding_b$", ".embeddingB.weight"),
    (r"\.x_proj\.weight$", ".selectiveScan.x_proj_weight"),
    (r"\.dt_proj\.(weight|bias)$", r".selectiveScan.dt_projs_\1"),
    (r"\.A_log$", ".selectiveScan.A_logs"),
    (r"\.D$", ".selectiveScan.Ds"),
    (r"\.assm\.in_proj\.", ".assm.in_proj.0."),
    (r"\.assm\.position\.", ".assm.CPE.0."),
    (r"\.feed_forward([12])\.norm\.", r".convffn\1.sg.norm."),
    (r"\.feed_forward([12])\.", r".convffn\1."),
)
_DEPTHWISE = {"conv": ".dwconv.depthwise_conv.0.", "gated": ".sg.conv."}  # by the kind of feed-forward part


def arguments_from_released(arch: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The authors' keyword arguments as those of this project; ValueError for one that has no counterpart."""
    if arch not in _FEED_FORWARDS:
        raise ValueError(f"MambaIRv2: the released arch {arch!r} is unknown, use one of {', '.join(_FEED_FORWARDS)}")
    arguments = translate_arguments("MambaIRv2", config, _ARGUMENTS, _FIXED, _UNUSED)
    if "heads" in arguments:  # in their code one number per group
        if len(set(arguments["heads"])) != 1:
            raise ValueError(f"MambaIRv2: num_heads={arguments['heads']} has no counterpart: one number for all groups")
        arguments["heads"] = arguments["heads"][0]
    if "tail" in arguments:
        if arguments["tail"] not in RELEASED_TAILS:
            raise ValueError(f"MambaIRv2: upsampler={arguments['tail']!r} has no counterpart here")
        arguments["tail"] = RELEASED_TAILS[arguments["tail"]]
    return arguments | {"feed_forward": _FEED_FORWARDS[arch]}


def released(feed_forward: str, window: int, tail: nn.Sequential) -> Released:
    """The names of the authors' code for a network of this kind."""
    keys = (*_KEYS, (r"\.depthwise\.", _DEPTHWISE[feed_forward]), *released_tail_keys(tail))
    index = {"relative_position_index_SA": [relative_index(window)]}
    return Released(keys, _join, _split, index, f"that of windows of {window}x{window}")


def _join(tensors: Tensors) -> dict[str, Tensor]:
    def shaped(name: str, value: Tensor) -> Tensor:
        if name.endswith("in_proj.0.weight"):  # a 1x1 convolution
            return value[..., None, None]
        return value[None] if name.endswith(_ONE_DIRECTION) else value

    return {name: shaped(name, value) for name, value in tensors.items()}


def _split(tensors: Tensors) -> dict[str, Tensor]:
    def shaped(name: str, value: Tensor) -> Tensor:
        if name.endswith("in_proj.0.weight"):
            return value.flatten(1)
        return value.squeeze(0) if name.endswith(_ONE_DIRECTION) else value

    return {name: shaped(name, value) for name, value in tensors.items()}
