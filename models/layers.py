"""Layers that several networks of this folder share."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DF2K_MEAN = (0.4488, 0.4371, 0.4040)  # RGB; LSTMConvSR and MambaIRv2 subtract it
UCMERCED_MEAN = (0.4916, 0.4991, 0.4565)  # RGB; HSENet and TransENet subtract it, whatever they are trained on


class Residual(nn.Sequential):
    """Modules one after the other, and a skip around them all."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape that the modules keep."""
        return x + super().forward(x)


def conv3x3(channels: int, out: int) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size of the map."""
    return nn.Conv2d(channels, out, 3, padding=1)


def initialise_linear(model: nn.Module) -> None:
    """Every linear layer a truncated normal of 0.02, biases zero, as transformers are begun."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def check_choice(network: str, name: str, value: object, choices: Sequence) -> None:
    """ValueError for an argument of a network that is none of its choices."""
    if value not in choices:
        raise ValueError(f"{network}: {name} {value!r} is unknown, use one of {', '.join(map(str, choices))}")


def feed_forward(channels: int, hidden: int) -> Residual:
    """A transformer's second half: x + linear(GELU(linear(norm(x)))) over the last dimension."""
    return Residual(nn.LayerNorm(channels), nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels))


def upsampling(channels: int, scale: int) -> nn.Sequential:
    """A convolution and a pixel shuffle for each factor 2 of the scale, or one pair for a scale of 3.

    Raises:
        ValueError: for a scale that is neither 3 nor a power of two.
    """
    if scale != 3 and (scale < 2 or scale & (scale - 1)):
        raise ValueError(f"scale {scale} is neither 3 nor a power of two")
    layers: list[nn.Module] = []
    for factor in [3] if scale == 3 else [2] * (scale.bit_length() - 1):
        layers += [conv3x3(channels, channels * factor**2), nn.PixelShuffle(factor)]
    return nn.Sequential(*layers)


def mean_shift(sign: int) -> nn.Conv2d:
    """Adds sign * UCMERCED_MEAN, as a 1x1 convolution: in the authors' code its weights train, so checkpoints vary."""
    shift = nn.Conv2d(3, 3, 1)
    shift.weight.data = torch.eye(3).view(3, 3, 1, 1)
    shift.bias.data = sign * torch.tensor(UCMERCED_MEAN)
    return shift


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Reflect a map (B, C, H, W), no side shorter than `multiple`, at the right and the bottom up to a multiple."""
    height, width = x.shape[-2:]
    return F.pad(x, (0, -width % multiple, 0, -height % multiple), mode="reflect")


def windows(x: Tensor, size: int, stride: int) -> Tensor:
    """Cut a map into square windows.

    Args:
        x: (B, H, W, C).
        size: side of a window.
        stride: from one window to the next; they overlap where it is less than `size`.

    Returns:
        (B, windows, size * size, C), the windows in row-major order, and so the positions in a window.
    """
    cut = x.unfold(1, size, stride).unfold(2, size, stride)
    return cut.movedim(3, -1).flatten(3, 4).flatten(1, 2)


def from_windows(x: Tensor, height: int, width: int) -> Tensor:
    """The map (B, height, width, C) of windows (B, windows, size * size, C) that do not overlap."""
    size = int(x.shape[2] ** 0.5)
    x = x.unflatten(1, (height // size, width // size)).unflatten(3, (size, size))
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)
