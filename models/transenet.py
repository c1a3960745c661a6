"""TransENet: feature maps of four stages as tokens, encoded apart and merged by decoders.

S. Lei, Z. Shi, W. Mo, "Transformer-Based Multistage Enhancement for Remote Sensing Image Super-Resolution", IEEE TGRS
60, 2022, doi 10.1109/TGRS.2021.3136190. Code of the authors: github.com/Shaosifan/TransENet (32a2890, without a
licence). Written anew from a description of it and checked against outputs of the authors' code.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rssr.models.layers import (
    Residual,
    conv3x3,
    feed_forward,
    from_windows,
    mean_shift,
    pad_to_multiple,
    upsampling,
    windows,
)
from rssr.models.released import Released, Tensors, counted, load_released, translate_arguments

STAGES = ("series", "parallel")
PATCH = 8  # side of a token, in LR pixels of the three stages and in SR pixels of the upsampled one
REDUCTION = 4  # of the channels, before they become tokens


_ARGUMENTS = {
    "scale": "scale",
    "n_feats": "channels",
    "en_depth": "encoder_depth",
    "de_depth": "decoder_depth",
    # Constants of the authors' code, which their class does not take as arguments.
    "dim": "dim",
    "heads": "heads",
    "dim_head": "head_dim",
    "mlp_dim": "mlp_dim",
}
_FIXED = {"n_colors": 3, "rgb_range": 1}
_UNUSED = ("patch_size",)  # fixes the height of the output there, which is the input's here
_KEYS = (
    (r"^shift_in\.", "sub_mean."),
    (r"^shift_out\.", "add_mean."),
    (r"^head\.", "head.0."),
    (r"^last\.", "tail."),
    (r"^upsample\.", "upsampler."),
    (r"^unembed\.", "embedding_to_patch."),
    (r"^expand\.", "span_conv1x1."),
    (r"^(stages\.\d\.\d+)\.", r"\1.body."),
    (r"^stages\.(\d)\.", counted("feat_extrat_stage{}.body.", 1)),
    (r"^sources\.3\.reduce\.", "up_conv1x1."),
    (r"^sources\.3\.embed\.", "patch_to_embedding_high."),
    (r"^sources\.3\.encoder\.", "encoder_up.layers."),
    (r"^sources\.(\d)\.reduce\.", counted("stage{}_conv1x1.", 1)),
    (r"^sources\.(\d)\.embed\.", counted("patch_to_embedding_low{}.", 1)),
    (r"^sources\.(\d)\.encoder\.", counted("encoder_stage{}.layers.", 1)),
    (r"^decoders\.(\d)\.", counted("decoder{}.layers.", 1)),
    (r"(\.layers\.\d+\.\d)\.(0|norm)\.", r"\1.fn.norm."),
    (r"(\.layers\.\d+\.\d)\.1\.", r"\1.fn.fn.net.0."),
    (r"(\.layers\.\d+\.\d)\.3\.", r"\1.fn.fn.net.3."),
    (r"(\.layers\.\d+\.0)\.([qkv])\.", r"\1.fn.fn.to_qkv.\2."),  # self-attention: one tensor, see _join()
    (r"(\.layers\.\d+\.1)\.([qkv])\.", r"\1.fn.fn.to_\2."),
    (r"\.out\.", ".fn.fn.to_out.0."),
)


def _join(tensors: Tensors) -> dict[str, Tensor]:
    joined: dict[str, Tensor] = {}
    for name, value in tensors.items():
        whole = re.sub(r"\.to_qkv\.[qkv]\.", ".to_qkv.", name)
        joined[whole] = torch.cat([joined[whole], value]) if whole in joined else value
    return joined


def _split(tensors: Tensors) -> dict[str, Tensor]:
    apart = {}
    for name, value in tensors.items():
        if name.endswith(".to_qkv.weight"):
            names = (name.replace(".to_qkv.", f".to_qkv.{letter}.") for letter in "qkv")
            apart.update(zip(names, value.chunk(3), strict=True))
        else:
            apart[name] = value
    return apart


class Attention(nn.Module):
    """x + multi-head attention from the tokens x to themselves or to a memory, under one norm.

    Args:
        dim: width of the tokens.
        heads: of the attention.
        head_dim: width of a head.
    """

    def __init__(self, dim: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = dim**-0.5  # the authors' choice; the usual one is head_dim**-0.5
        self.norm = nn.LayerNorm(dim)
        self.q, self.k, self.v = (nn.Linear(dim, heads * head_dim, bias=False) for _ in range(3))
        self.out = nn.Linear(heads * head_dim, dim)

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        """(B, tokens, dim), and a memory (B, other tokens, dim) -> the shape of x."""
        own = self.norm(x)
        memory = own if memory is None else self.norm(memory)
        q, k, v = self.q(own), self.k(memory), self.v(memory)
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (q, k, v))
        attended = F.scaled_dot_product_attention(q, k, v, scale=self.scale)
        return x + self.out(attended.transpose(1, 2).flatten(2))


class Source(nn.Module):
    """One of the four feature maps, made into tokens and encoded.

    Args:
        channels: of the map.
        dim: width of the tokens.
        encoder: layers that keep the shape of the tokens.
    """

    def __init__(self, channels: int, dim: int, encoder: nn.Module) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, channels // REDUCTION, 1)
        self.embed = nn.Linear(channels // REDUCTION * PATCH**2, dim)
        self.encoder = encoder

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), both sides multiples of PATCH -> (B, H / PATCH * W / PATCH, dim)."""
        return self.encoder(self.embed(windows(self.reduce(x).movedim(1, -1), PATCH, PATCH).flatten(2)))


class TransENet(nn.Module):
    """The whole network: (B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), any h and w from 8.

    Sides are reflected to multiples of 8 at the input and cropped at the output. The authors' code takes one height
    only, that of its training crops (48 LR pixels), and multiples of 8 for the width; where it runs, this
    is the same function. Their tests upscale an image in blocks of 48x48 LR pixels, stride 48, the last ones moved
    back inside the image, later blocks over earlier ones; an entry's `tile: {size: 48, overlap: ...}` is our form of
    it. A token attends to all of its image, so that a network trained on such crops is not itself on larger images.
    Their deployment script also ends in ten steps of back-projection, which is no part of the network.

    Args:
        scale: upscaling factor, 3 or a power of two.
        channels: of the feature maps.
        encoder_depth: layers in each of the four encoders.
        decoder_depth: layers in each of the three decoders.
        dim: width of the tokens.
        heads: of every attention.
        head_dim: width of a head.
        mlp_dim: hidden width of the feed-forward layers.
        stages: "series", each stage reads the one before, as in the authors' code since August 2023, or "parallel",
            all read the shallow features, as at its first release and so probably in the released weights. The
            weights have the same names and shapes in both.
    """

    def __init__(
        self,
        scale: int = 4,
        channels: int = 64,
        encoder_depth: int = 8,
        decoder_depth: int = 1,
        dim: int = 512,
        heads: int = 6,
        head_dim: int = 32,
        mlp_dim: int = 512,
        stages: str = "series",
    ) -> None:
        super().__init__()
        if stages not in STAGES:
            raise ValueError(f"TransENet: stages {stages!r} is unknown, use one of {', '.join(STAGES)}")

        def stage() -> nn.Sequential:
            pairs = ((conv3x3(channels, channels), nn.ReLU(), conv3x3(channels, channels)) for _ in range(5))
            return nn.Sequential(*(Residual(*pair) for pair in pairs))

        def encoder() -> nn.Sequential:
            layers = ((Attention(dim, heads, head_dim), feed_forward(dim, mlp_dim)) for _ in range(encoder_depth))
            return nn.Sequential(*(nn.Sequential(*layer) for layer in layers))

        def decoder() -> nn.ModuleList:
            attentions = ([Attention(dim, heads, head_dim) for _ in range(2)] for _ in range(decoder_depth))
            return nn.ModuleList(nn.ModuleList([*pair, feed_forward(dim, mlp_dim)]) for pair in attentions)

        self.scale = scale
        self.how = stages
        self.shift_in = mean_shift(-1)
        self.head = conv3x3(3, channels)
        self.stages = nn.ModuleList(stage() for _ in range(3))
        self.upsample = upsampling(channels, scale)
        self.sources = nn.ModuleList(Source(channels, dim, encoder()) for _ in range(4))
        self.decoders = nn.ModuleList(decoder() for _ in range(3))
        self.unembed = nn.Linear(dim, channels // REDUCTION * PATCH**2)
        self.expand = nn.Conv2d(channels // REDUCTION, channels, 1)
        self.last = conv3x3(channels, 3)
        self.shift_out = mean_shift(1)

    @classmethod
    def from_released(
        cls, config: Mapping[str, Any], state_dict: Mapping[str, Tensor], stages: str = "series"
    ) -> "TransENet":
        """Build the network from arguments and weights under the names of the authors' code.

        Args:
            config: arguments of the authors' class (n_feats, en_depth, de_depth, scale, ...), and the constants of
                their code (dim, heads, dim_head, mlp_dim) where they differ from the defaults.
            state_dict: weights under the authors' keys; their dtype is kept.
            stages: see the class; a checkpoint does not tell.

        Raises:
            ValueError: for an argument that has no counterpart here.
            RuntimeError: for keys or shapes that do not fit, by name.
        """
        model = cls(**translate_arguments("TransENet", config, _ARGUMENTS, _FIXED, _UNUSED), stages=stages)
        return load_released(model, state_dict)

    def released(self) -> Released:
        """The names of the authors' code."""
        note = "" if self.how == "series" else "the authors' present code has `stages: series`"
        return Released(_KEYS, _join, _split, note=note)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), unclamped."""
        height, width = (self.scale * side for side in x.shape[-2:])
        shallow = stage_out = self.head(self.shift_in(pad_to_multiple(x, PATCH)))
        maps = []
        for stage in self.stages:
            stage_out = stage(stage_out if self.how == "series" else shallow)
            maps.append(stage_out)
        maps.append(self.upsample(stage_out))
        *memories, tokens = (source(map_) for source, map_ in zip(self.sources, maps, strict=True))
        for decoder, memory in reversed(list(zip(self.decoders, memories, strict=True))):
            for own, cross, mlp in decoder:
                tokens = mlp(cross(own(tokens), memory))
        pixels = self.unembed(tokens).unflatten(2, (PATCH**2, -1))
        out = from_windows(pixels, *maps[-1].shape[-2:]).movedim(-1, 1)
        return self.shift_out(self.last(self.expand(out)))[..., :height, :width]
