"""The interface of every method: (B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rssr.base.errors import UserError


class Upscaler(nn.Module):
    """A network behind that interface, whatever its value range and the input sizes that it needs.

    Args:
        network: any module from (B, 3, h, w) to (B, 3, scale * h, scale * w).
        scale: upscaling factor; the first output is checked against it.
        value_range: the network's input and output span 0 to this.
        multiple_of: input sides are reflected to a multiple of this.
    """

    def __init__(self, network: nn.Module, scale: int = 4, value_range: float = 1, multiple_of: int = 1) -> None:
        super().__init__()
        self.network = network
        self.scale = scale
        self.value_range = value_range
        self.multiple_of = multiple_of

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), not clamped."""
        height, width = x.shape[-2:]
        x = _reflect_to_multiple(x, self.multiple_of)
        try:
            out = self.network(x * self.value_range) / self.value_range if self.value_range != 1 else self.network(x)
        except torch.OutOfMemoryError as error:
            raise UserError(
                f"there is not enough memory for {type(self.network).__name__} on an input of "
                f"{x.shape[-1]}x{x.shape[-2]}",
                "set a smaller `tile` in its entry",
            ) from error
        except RuntimeError as error:
            name = type(self.network).__name__
            raise UserError(
                f"{name} cannot upscale an input of {x.shape[-1]}x{x.shape[-2]} ({str(error).splitlines()[0]})",
                "set `multiple_of` if it needs sides of a certain multiple, correct its `args`, or use smaller images",
            ) from error
        if out.shape[-2:] != (x.shape[-2] * self.scale, x.shape[-1] * self.scale):
            raise UserError(
                f"{type(self.network).__name__} made {tuple(out.shape[-2:])} from {tuple(x.shape[-2:])}, not "
                f"x{self.scale}: correct its `args`, or set `multiple_of` if it needs sides of a certain multiple"
            )
        return out[..., : height * self.scale, : width * self.scale]


def _reflect_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Reflect at the right and the bottom up to a multiple, in steps where one reflection is too short."""
    height, width = (-(-side // multiple) * multiple for side in x.shape[-2:])
    if 1 in x.shape[-2:] and multiple > 1:
        return F.pad(x, (0, width - x.shape[-1], 0, height - x.shape[-2]), mode="replicate")  # nothing to reflect
    while (missing := (width - x.shape[-1], height - x.shape[-2])) != (0, 0):
        right, bottom = (min(m, side - 1) for m, side in zip(missing, (x.shape[-1], x.shape[-2]), strict=True))
        x = F.pad(x, (0, right, 0, bottom), mode="reflect")
    return x
