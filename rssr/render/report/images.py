"""The images of the report, as WebP files."""

import io
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from rssr.base.files import read_image

QUALITY = 96  # of WebP with losses
LARGEST = 16383  # pixels per side of WebP


def write_copy(source: Path, path: Path, lossless: bool) -> float:
    """Write an image as the suffix says: as write_webp() does, or as the PNG file that it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".webp":
        return write_webp(source, path, lossless)
    shutil.copyfile(source, path)
    return float("inf")


def write_webp(source: Path, path: Path, lossless: bool) -> float:
    """Write an image as WebP; the PSNR over RGB, in dB, between the two: infinite without losses."""
    pixels = read_image(source)
    buffer = io.BytesIO()
    options = {"lossless": True} if lossless else {"quality": QUALITY, "use_sharp_yuv": True}
    Image.fromarray(pixels).save(buffer, "WEBP", method=4, **options)
    path.write_bytes(buffer.getvalue())
    error = np.mean((np.asarray(Image.open(buffer).convert("RGB"), float) - pixels) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else float("inf")
