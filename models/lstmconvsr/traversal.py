"""The orders in which the ViL layers read a feature map."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

TRAVERSALS = ("rowwise_from_top_left", "rowwise_from_bottom_right", "hilbert")


def order(traversal: str, height: int, width: int) -> tuple[Tensor, Tensor]:
    """The reading order of a map and the way back.

    Args:
        traversal: one of TRAVERSALS.
        height: rows of the map.
        width: columns of the map.

    Returns:
        Two int64 tensors (height * width,): the row-major positions in the order they are read, and the inverse.
    """
    forward, inverse = _order(traversal, int(height), int(width))  # tensors while a network is traced
    return torch.from_numpy(forward), torch.from_numpy(inverse)


# What torch.compiler.assume_constant_result() sets; to call that loads the compiler, which takes longer than PyTorch.
order._dynamo_marked_constant = True


@lru_cache(maxsize=64)  # of arrays: a tensor made while a network is exported must not outlive the export
def _order(traversal: str, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    forward = _hilbert(height, width) if traversal == "hilbert" else np.arange(height * width)
    if traversal == "rowwise_from_bottom_right":
        forward = forward[::-1].copy()
    return forward, np.argsort(forward)


def _hilbert(height: int, width: int) -> np.ndarray:
    """Hilbert curve from the top left to the top right of the enclosing square of side 2^n, less the cells outside.

    On squares of side 2^n it is the curve of the authors' code; that code refuses other sizes.
    """
    row = col = np.zeros(1, dtype=np.int64)
    side = 1
    while side < max(height, width):
        # A curve of twice the side: down the left half (transposed, then plain), up the right half (plain, then
        # mirrored at the other diagonal), so that each quadrant begins beside the end of the one before.
        row, col = (
            np.concatenate([col, row + side, row + side, side - 1 - col]),
            np.concatenate([row, col, col + side, 2 * side - 1 - row]),
        )
        side *= 2
    inside = (row < height) & (col < width)
    return row[inside] * width + col[inside]
