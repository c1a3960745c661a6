"""Which images of a test set are shown: those on which the methods differ most."""

from collections.abc import Sequence

import numpy as np


def disagreement(scores: np.ndarray) -> np.ndarray:
    """The range of the methods' scores on each image, (images,); -1 if a score is missing, so that it sorts last.

    Args:
        scores: scores by one metric, (methods, images).
    """
    with np.errstate(invalid="ignore"):  # infinity minus itself
        return np.nan_to_num(np.ptp(scores, axis=0), nan=-1.0)


def differing(scores: np.ndarray, sources: Sequence[str], count: int) -> list[int]:
    """The images on which the methods' scores differ most, different source images first.

    Args:
        scores: scores by one metric, (methods, images).
        sources: the source image of each image.
        count: number of images.

    Returns:
        Their indices, largest difference first.
    """
    order = np.argsort(-disagreement(scores), kind="stable").tolist()
    first = list({sources[index]: index for index in reversed(order)}.values())
    return sorted(order, key=lambda index: (index not in first, order.index(index)))[:count]


def differing_and_even(scores: np.ndarray, count: int) -> list[int]:
    """Half of the images by largest difference between the methods, the other half evenly spaced over the rest.

    Args:
        scores: scores by one metric, (methods, images).
        count: number of images; all if there are fewer.

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
