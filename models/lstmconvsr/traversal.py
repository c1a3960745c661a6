"""The orders in which the ViL layers read a feature map."""

from functools import lru_cache

import torch
from torch import Tensor

TRAVERSALS = ("rowwise_from_top_left", "rowwise_from_bottom_right", "hilbert")


@lru_cache(maxsize=64)
def order(traversal: str, height: int, width: int) -> tuple[Tensor, Tensor]:
    """The reading order of a map and the way back.

    Args:
        traversal: one of TRAVERSALS.
        height: rows of the map.
        width: columns of the map.

    Returns:
        Two int64 tensors (height * width,): the row-major positions in the order they are read, and the inverse.
    """
    with torch.inference_mode(False):  # kept, and perhaps used in training next
        if traversal == "hilbert":
            forward = _hilbert(height, width)
        else:
            forward = torch.arange(height * width)
            forward = forward.flip(0) if traversal == "rowwise_from_bottom_right" else forward
        return forward, forward.argsort()


def _hilbert(height: int, width: int) -> Tensor:
    """Hilbert curve from the top left to the top right of the enclosing square of side 2^n, less the cells outside.

    On squares of side 2^n it is the curve of the authors' code; the other sizes, which that code refuses, are ours.
    """
    row = col = torch.zeros(1, dtype=torch.int64)
    side = 1
    while side < max(height, width):
        # A curve of twice the side: down the left half (transposed, then plain), up the right half (plain, then
        # mirrored at the other diagonal), so that each quadrant begins beside the end of the one before.
        row, col = (
            torch.cat([col, row + side, row + side, side - 1 - col]),
            torch.cat([row, col, col + side, 2 * side - 1 - row]),
        )
        side *= 2
    inside = (row < height) & (col < width)
    return row[inside] * width + col[inside]
