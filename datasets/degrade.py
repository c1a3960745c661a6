"""From HR to LR: a degradation's steps, one after the other."""

import hashlib
import io
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from rssr.base.errors import UserError
from rssr.base.resampling import gaussian_blur, imresize, to_uint8
from rssr.datasets.degradations import DEGRADATIONS, Step

__all__ = ["degrade", "imresize"]


def degrade(hr: Tensor, degradation: str | Sequence[Step], scale: int, image: str = "") -> Tensor:
    """The LR image of an HR image.

    Args:
        hr: (3, H, W) uint8, RGB, both sides divisible by the scale.
        degradation: a name of DEGRADATIONS, or steps as described there; in floating point until the end, except that
            a JPEG file has 8 bits.
        scale: reduction factor.
        image: the image's name, which seeds its noise.

    Returns:
        (3, H / scale, W / scale) uint8, rounded to the nearest level.
    """
    if isinstance(degradation, str):
        if degradation not in DEGRADATIONS:
            raise UserError(f"degradation '{degradation}' is unknown: use one of {', '.join(DEGRADATIONS)}")
        degradation = DEGRADATIONS[degradation]
    height, width = hr.shape[-2:]
    if height % scale or width % scale:
        raise UserError(
            f"an HR image of {width}x{height} pixels cannot be reduced by {scale}: both sides must be divisible by it; "
            "crop the image or set `tile` in the data set's entry to a multiple of the scale"
        )
    pixels = hr.contiguous().float() / 255
    for index, step in enumerate(degradation):
        if "blur" in step:
            pixels = gaussian_blur(pixels, step["blur"], step.get("size"))
        elif "noise" in step:
            seed = int.from_bytes(hashlib.sha256(f"{index} {image}".encode()).digest()[:8])
            noise = np.random.default_rng(seed).standard_normal(pixels.shape, np.float32)
            pixels = pixels + torch.from_numpy(noise) * (step["noise"] / 255)
        elif "jpeg" in step:
            pixels = _through_jpeg(to_uint8(pixels), step["jpeg"]).float() / 255
        else:
            pixels = imresize(pixels, 1 / scale, step["reduce"], step.get("antialias", True))
    return to_uint8(pixels)


def _through_jpeg(image: Tensor, quality: int) -> Tensor:
    """(3, H, W) uint8 after it was a JPEG file (Pillow's, chroma halved)."""
    file = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, format="JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)
