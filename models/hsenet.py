"""HSENet: self-similarity within a scale and between two scales of the same image.

S. Lei, Z. Shi, "Hybrid-Scale Self-Similarity Exploitation for Remote Sensing Image Super-Resolution", IEEE TGRS 60,
2022, doi 10.1109/TGRS.2021.3069889. Code of the authors: github.com/Shaosifan/HSENet (29e71e3, without a licence).
Written anew from a description of it and checked against outputs of the authors' code.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rssr.models.layers import Residual, conv3x3, mean_shift, upsampling
from rssr.models.released import Released, counted, load_released, translate_arguments

_ARGUMENTS = {"scale": "scale", "n_feats": "channels", "n_basic_modules": "blocks"}
_FIXED = {"n_colors": 3, "rgb_range": 1}
_KEYS = (
    (r"^shift_in\.", "sub_mean."),
    (r"^shift_out\.", "add_mean."),
    (r"^head\.", "head.0."),
    (r"^upsample\.", "tail.0."),
    (r"^last\.", "tail.1."),
    (r"^body\.(\d+)\.([01])\.", r"body_modulist.\1.head.\2."),
    (r"^body\.(\d+)\.2\.", r"body_modulist.\1.body.0."),
    (r"^body\.(\d+)\.(\d)\.", counted("body_modulist.{}.tail.{}.", -3)),
    (r"\.(base|down)\.", r".\1_scale.0."),
    (r"\.cross\.", ".NonLocal_base."),
    (r"\.first\.", ".head.0."),
    (r"\.main\.", ".MB."),
    (r"\.non_local\.", ".AB.0."),
    (r"\.gate\.", ".AB.1."),
    (r"\.last\.", ".tail.0."),
    (r"\.query\.", ".theta."),
    (r"\.key\.", ".phi."),
    (r"\.value\.", ".g."),
    (r"\.out\.", ".W."),
)


def _conv_relu(channels: int) -> nn.Sequential:
    return nn.Sequential(conv3x3(channels, channels), nn.ReLU())


class NonLocal(nn.Module):
    """x + what each position gathers from all positions of x, by the similarity of two embeddings (no 1/sqrt(d)).

    Its memory is linear in the pixels wherever PyTorch has a fused attention for the device, as it has for CPUs.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Conv2d(channels, channels // 2, 1) for _ in range(3))
        self.out = nn.Conv2d(channels // 2, channels, 1)
        nn.init.zeros_(self.out.weight)  # the block starts as identity
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        """(B, C, H, W) -> the same shape; the queries come from `other`, of the same shape, where it is given."""
        maps = self.query(x if other is None else other), self.key(x), self.value(x)
        # Contiguous, because the fused kernels refuse other strides and the plain one writes out the whole matrix.
        q, k, v = (m.flatten(2).mT.contiguous()[:, None] for m in maps)
        gathered = F.scaled_dot_product_attention(q, k, v, scale=1.0)
        return x + self.out(gathered[:, 0].mT.unflatten(2, x.shape[-2:]))


class SSEM(nn.Module):
    """Single-scale self-similarity: two convolutions, gated by a parallel non-local block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _conv_relu(channels)
        self.main = nn.Sequential(_conv_relu(channels), _conv_relu(channels))
        self.non_local = NonLocal(channels)
        self.gate = nn.Conv2d(channels, channels, 1)
        self.last = _conv_relu(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        shallow = self.first(x)
        return x + self.last(self.main(shallow) * torch.sigmoid(self.gate(self.non_local(shallow))))


class HSEM(nn.Module):
    """Cross-scale self-similarity: queries from the half-size map, keys and values from the map at full size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.base = SSEM(channels)
        self.down = SSEM(channels)
        self.cross = NonLocal(channels)
        self.last = _conv_relu(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), both sides at least 2 -> the same shape."""
        base = self.base(x)
        # The authors' bilinear resize by 0.5 is the mean of 2x2 pixels; it leaves an odd last row or column out.
        down = F.interpolate(self.down(F.avg_pool2d(x, 2)), size=x.shape[-2:], mode="bilinear", align_corners=False)
        return x + self.last(self.cross(base, down))


class HSENet(nn.Module):
    """The whole network: (B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), any h and w from 2, none padded.

    Args:
        scale: upscaling factor, 3 or a power of two.
        channels: width of the body.
        blocks: HSEMs, each between four convolutions.
    """

    def __init__(self, scale: int = 4, channels: int = 64, blocks: int = 10) -> None:
        super().__init__()

        def block() -> Residual:
            before, after = ([_conv_relu(channels), _conv_relu(channels)] for _ in range(2))
            return Residual(*before, HSEM(channels), *after)

        self.shift_in = mean_shift(-1)
        self.head = conv3x3(3, channels)
        self.body = Residual(*(block() for _ in range(blocks)))
        self.upsample = upsampling(channels, scale)
        self.last = conv3x3(channels, 3)
        self.shift_out = mean_shift(1)

    @classmethod
    def from_released(cls, config: Mapping[str, Any], state_dict: Mapping[str, Tensor]) -> "HSENet":
        """Build the network from arguments and weights under the names of the authors' code.

        Args:
            config: arguments of the authors' class (n_feats, n_basic_modules, scale, ...).
            state_dict: weights under the authors' keys; their dtype is kept.

        Raises:
            ValueError: for an argument that has no counterpart here.
            RuntimeError: for keys or shapes that do not fit, by name.
        """
        return load_released(cls(**translate_arguments("HSENet", config, _ARGUMENTS, _FIXED)), state_dict)

    def released(self) -> Released:
        """The names of the authors' code."""
        return Released(_KEYS)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), unclamped."""
        features = self.body(self.head(self.shift_in(x)))
        return self.shift_out(self.last(self.upsample(features)))
