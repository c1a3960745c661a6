"""Images as tensors. PyTorch is imported at the first call, so that modules that handle paths alone do not load it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rssr.base.errors import UserError
from rssr.base.files import read_image, write_image

if TYPE_CHECKING:
    from torch import Tensor


def read_tensor(path: Path, digest: str | None = None) -> Tensor:
    """An image as (3, H, W) uint8, RGB; checked as read_image() does."""
    import torch

    pixels = read_image(path, digest)
    return torch.from_numpy(pixels if pixels.flags.writeable else pixels.copy()).permute(2, 0, 1)


def write_tensor(path: Path, image: Tensor) -> str:
    """Write (3, H, W) uint8 as PNG, see files.write_image(); the sha256 of the file."""
    return write_image(path, image.permute(1, 2, 0).cpu().numpy())


def box_of(key: str, square: Sequence[int], image: str, width: int, height: int) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of a square (left, top, side) that a key of the configuration cuts from an image.

    Raises:
        UserError: if it exceeds the image's width or height.
    """
    left, top, side = square
    if left + side > width or top + side > height:
        raise UserError(
            f"{key}: the square {list(square)} leaves the image {image} of {width}x{height} pixels",
            "give [left, top, side] within it",
        )
    return left, top, left + side, top + side
