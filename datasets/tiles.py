"""Tiles of an image."""

from collections.abc import Sequence

import numpy as np

from rssr.base.errors import UserError

Box = tuple[int, int, int, int]


def tile_boxes(width: int, height: int, tile: int | None, overlap: bool = False, step: int = 1) -> list[Box]:
    """Boxes (left, top, right, bottom) of an image's tiles, row by row.

    Args:
        width: of the image.
        height: of the image.
        tile: side of the tiles; None for the whole image.
        overlap: whether the tiles cover the whole image, the last of each axis flush with its edge; otherwise they are
            spread evenly without a common pixel, and strips that fit no tile are left out.
        step: what the gaps between spread tiles are a multiple of.
    """
    if tile is None:
        return [(0, 0, width, height)]
    rows, columns = (_starts(length, tile, overlap, step) for length in (height, width))
    return [(x, y, x + tile, y + tile) for y in rows for x in columns]


def _starts(length: int, tile: int, overlap: bool, step: int) -> list[int]:
    if length < tile:
        raise UserError(f"an image side of {length} pixels is shorter than the tile of {tile}: set a smaller `tile`")
    if overlap:
        return [min(start, length - tile) for start in range(0, length, tile)]
    count = length // tile
    gap = (length - count * tile) // (count + 1) // step * step  # before, between and after the tiles
    return [gap + number * (tile + gap) for number in range(count)]


def repeated(boxes: Sequence[Box]) -> list[int]:
    """How many pixels of each box lie in an earlier box of the same image too."""
    covered = np.zeros((max(box[3] for box in boxes), max(box[2] for box in boxes)), bool)
    found = []
    for left, top, right, bottom in boxes:
        part = covered[top:bottom, left:right]
        found.append(int(part.sum()))
        part[:] = True
    return found
