"""The interface of every method: (B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w)."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rssr.base.errors import UserError, in_words


class OutOfMemory(UserError):
    """A network on an input that memory has no room for."""


def memory_ended(error: BaseException) -> bool:
    """Whether an exception says that there is no memory left."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


class Upscaler(nn.Module):
    """A network behind that interface, whatever its value range and the input sizes that it needs.

    Args:
        network: any module from (B, 3, h, w) to (B, 3, scale * h, scale * w).
        scale: upscaling factor; every output is checked against it.
        value_range: the network's input and output span 0 to this.
        multiple_of: input sides are reflected to a multiple of this.
    """

    def __init__(self, network: nn.Module, scale: int = 4, value_range: float = 1, multiple_of: int = 1) -> None:
        super().__init__()
        self.network = network
        self.scale = scale
        self.value_range = value_range
        self.multiple_of = multiple_of

    def train(self, mode: bool = True) -> "Upscaler":
        """As of every module, but by the network's own eval(), which its class may have changed."""
        self.training = mode
        self.network.train() if mode else self.network.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), not clamped."""
        height, width = x.shape[-2:]
        x = _reflect_to_multiple(x, self.multiple_of)
        name, size = type(self.network).__name__, f"{x.shape[-1]}x{x.shape[-2]}"
        seen = x.clone() if self.value_range == 1 else x * self.value_range  # the network may write into its input
        try:
            out = self.network(seen)
        except UserError:
            raise
        except (Exception, SystemExit) as error:  # a user's class may fail in any way
            if memory_ended(error):
                raise OutOfMemory(
                    f"there is not enough memory for {name} on an input of {size}", "set a smaller `tile` in its entry"
                ) from error
            raise UserError(
                f"{name} cannot upscale an input of {size} ({in_words(error)})",
                "set `multiple_of` if it needs sides of a certain multiple, correct its `args`, or use images of "
                "another size",
            ) from error
        self._check(out, x, name)
        if out.requires_grad and not torch.is_grad_enabled():
            out = out.detach()  # the network may have differentiated
        out = out if self.value_range == 1 else out / self.value_range
        return out[..., : height * self.scale, : width * self.scale]

    def _check(self, out: Any, x: Tensor, name: str) -> None:
        """UserError unless an output is one image per input. resampling.to_uint8() checks that it is finite."""
        expected = (x.shape[0], 3, x.shape[-2] * self.scale, x.shape[-1] * self.scale)
        if not isinstance(out, Tensor) or not out.is_floating_point():
            found = f"{out.dtype} numbers" if isinstance(out, Tensor) else f"a {type(out).__name__}"
            found += f" of {', '.join(map(str, out))}" if isinstance(out, dict) else ""
            raise UserError(
                f"{name} returned {found}, where one floating-point tensor {expected} is expected",
                "give a class whose forward() returns the image alone",
            )
        if out.layout != torch.strided or out.is_meta:
            kind = "meta" if out.is_meta else str(out.layout).removeprefix("torch.")
            raise UserError(f"{name} returned a {kind} tensor", "give a class whose forward() returns a dense one")
        if out.shape[:-2] != expected[:2]:
            raise UserError(
                f"{name} returned {tuple(out.shape)}, where {expected} is expected",
                "give a class whose forward() returns a batch of RGB images",
            )
        if out.shape != expected:
            raise UserError(
                f"{name} made {tuple(out.shape[-2:])} from {tuple(x.shape[-2:])}, not x{self.scale}: correct its "
                '`args`, where `"{scale}"` stands for the scale, '
                "or set `multiple_of` if it needs sides of a certain multiple"
            )


def _reflect_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Reflect at the right and the bottom up to a multiple, in steps where one reflection is too short."""
    height, width = (-(-side // multiple) * multiple for side in x.shape[-2:])
    if 1 in x.shape[-2:] and multiple > 1:
        return F.pad(x, (0, width - x.shape[-1], 0, height - x.shape[-2]), mode="replicate")  # nothing to reflect
    while (missing := (width - x.shape[-1], height - x.shape[-2])) != (0, 0):
        right, bottom = (min(m, side - 1) for m, side in zip(missing, (x.shape[-1], x.shape[-2]), strict=True))
        x = F.pad(x, (0, right, 0, bottom), mode="reflect")
    return x
