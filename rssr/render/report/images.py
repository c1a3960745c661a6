"""The images of the report: which of a test set, and their WebP files."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from rssr.base.files import read_image

QUALITY = 96  # of WebP with losses


def spread(scores: Mapping[str, np.ndarray]) -> np.ndarray:
    """How far apart the methods are on each image, (images,): zero where a score is missing.

    Args:
        scores: method -> its scores of one metric, (images,).
    """
    with np.errstate(invalid="ignore"):  # infinity minus itself
        return np.nan_to_num(np.ptp(list(scores.values()), axis=0))


def chosen(apart: np.ndarray, count: int) -> list[int]:
    """Images to show of a test set: half of them where the methods differ most, the rest evenly over what is left.

    Args:
        apart: see spread().
        count: how many; all where there are no more.

    Returns:
        Indices in ascending order.
    """
    if count >= len(apart):
        return list(range(len(apart)))
    most = np.argsort(-apart, kind="stable")[: (count + 1) // 2]
    left = np.setdiff1d(np.arange(len(apart)), most)
    evenly = left[np.linspace(0, len(left) - 1, count - len(most)).round().astype(int)]
    return sorted(int(index) for index in (*most, *evenly))


def write_webp(source: Path, path: Path, lossless: bool) -> float:
    """Write an image as WebP; the PSNR over RGB, in dB, between the two: infinite without losses."""
    pixels = read_image(source)
    buffer = io.BytesIO()
    options = {"lossless": True} if lossless else {"quality": QUALITY, "use_sharp_yuv": True}
    Image.fromarray(pixels).save(buffer, "WEBP", method=4, **options)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    error = np.mean((np.asarray(Image.open(buffer).convert("RGB"), float) - pixels) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else float("inf")
