"""Which images of a test set are shown: those on which the methods differ most."""

from collections.abc import Sequence

import numpy as np


def spread(scores: np.ndarray) -> np.ndarray:
    """How far apart the methods are on each image, (images,): -1 where a score is missing, so that it comes last.

    Args:
        scores: of one metric, (methods, images).
    """
    with np.errstate(invalid="ignore"):  # infinity minus itself
        return np.nan_to_num(np.ptp(scores, axis=0), nan=-1.0)


def differing(scores: np.ndarray, sources: Sequence[str], count: int) -> list[int]:
    """The images on which the methods' scores differ most, the first ones of different source images.

    Args:
        scores: of one metric, (methods, images).
        sources: the source image of each image.
        count: how many.

    Returns:
        Their indices, the one with the largest difference first.
    """
    order = np.argsort(-spread(scores), kind="stable").tolist()
    first = list({sources[index]: index for index in reversed(order)}.values())
    return sorted(order, key=lambda index: (index not in first, order.index(index)))[:count]


def differing_and_even(scores: np.ndarray, count: int) -> list[int]:
    """Images of which half are those where the methods differ most, the other half spread evenly over the rest.

    Args:
        scores: of one metric, (methods, images).
        count: how many; all where there are no more.

    Returns:
        Their indices in ascending order.
    """
    images = scores.shape[1]
    if count >= images:
        return list(range(images))
    most = np.array(differing(scores, [str(index) for index in range(images)], (count + 1) // 2))
    left = np.setdiff1d(np.arange(images), most)
    evenly = left[np.linspace(0, len(left) - 1, count - len(most)).round().astype(int)]
    return sorted(int(index) for index in (*most, *evenly))
