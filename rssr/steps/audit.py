"""How far the measuring protocol alone moves PSNR and SSIM: the same weights and images under every combination."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from rssr.base.resampling import gaussian_blur, imresize, to_uint8
from rssr.metrics.fidelity import colour_planes, psnr_of_planes, ssim_of_planes
from rssr.metrics.protocol import CHOICES, WINDOWS


def _by_opencv(hr: Tensor, scale: int, rounded: bool) -> Tensor:
    """OpenCV's bicubic: Keys' kernel with a = -0.75, and no antialiasing."""
    import cv2

    size = (hr.shape[2] // scale, hr.shape[1] // scale)
    pixels = (to_uint8(hr) if rounded else hr * 255).permute(1, 2, 0).numpy()
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    return torch.from_numpy(small).permute(2, 0, 1) / 255


def _by_pil(hr: Tensor, scale: int, rounded: bool) -> Tensor:
    """Pillow's bicubic, antialiased; it rounds each of its two passes to 8 bits unless the image is of floats."""
    size = (hr.shape[2] // scale, hr.shape[1] // scale)
    mode = "L" if rounded else "F"
    planes = to_uint8(hr).numpy() if rounded else (hr * 255).numpy()
    small = [np.asarray(Image.fromarray(p, mode).resize(size, Image.Resampling.BICUBIC), np.float32) for p in planes]
    return torch.from_numpy(np.stack(small)) / 255


# (3, H, W) in [0, 1], scale, whether it will be rounded -> (3, H / scale, W / scale), not rounded.
_REDUCTIONS: dict[str, Callable[[Tensor, int, bool], Tensor]] = {
    "bicubic": lambda hr, scale, _: imresize(hr, 1 / scale),
    "bicubic of OpenCV": _by_opencv,
    "bicubic of PIL": _by_pil,
    "blur 1.2": lambda hr, scale, _: imresize(gaussian_blur(hr, 1.2), 1 / scale),
    "blur 2.0": lambda hr, scale, _: imresize(gaussian_blur(hr, 2.0), 1 / scale),
    "nearest": lambda hr, scale, _: imresize(hr, 1 / scale, "nearest", antialias=False),
}


def evenly(names: Sequence[str], count: int) -> list[str]:
    """`count` of the names at equal distances, since a manifest lists class after class; all where there are fewer."""
    count = min(count, len(names))
    return [names[number * len(names) // count] for number in range(count)]


def audit(
    model: nn.Module, images: Mapping[str, Tensor], scale: int, device: torch.device | str = "cpu"
) -> pd.DataFrame:
    """Measure a model under every combination of CHOICES.

    "8 bit" rounds and clamps LR and SR, as files do; "float" leaves LR as it is and clamps SR only.

    Args:
        model: (B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), in eval mode.
        images: name -> HR image, (3, H, W) uint8, sides divisible by the scale.
        scale: reduction factor.
        device: where the model runs.

    Returns:
        One row per combination: the columns of CHOICES, `psnr` in dB and `ssim`, means over the images.
    """
    model = model.to(device)
    sums: dict[tuple[str, ...], np.ndarray] = {}
    for hr in tqdm(images.values(), desc="audit", unit="image"):
        for combination, scores in _scores(model, hr, scale, device):
            sums[combination] = sums.get(combination, 0) + np.array(scores)
    rows = [
        dict(zip(CHOICES, combination, strict=True)) | dict(zip(("psnr", "ssim"), total / len(images), strict=True))
        for combination, total in sums.items()
    ]
    return pd.DataFrame(rows)


def _scores(
    model: nn.Module, hr: Tensor, scale: int, device: torch.device | str
) -> Iterator[tuple[tuple[str, ...], list[float]]]:
    for degradation, rounding in itertools.product(CHOICES["degradation"], CHOICES["rounding"]):
        rounded = rounding == "8 bit"
        lr = _REDUCTIONS[degradation](hr.float() / 255, scale, rounded)[None]
        lr = to_uint8(lr).float() / 255 if rounded else lr
        with torch.inference_mode():
            sr = model(lr.to(device)).cpu()
        sr = to_uint8(sr) if rounded else sr.clamp(0, 1) * 255
        for colour, crop in itertools.product(CHOICES["colour"], CHOICES["crop"]):
            inside = slice(int(crop), -int(crop) or None)
            a, b = (colour_planes(image[..., inside, inside], colour) for image in (sr, hr[None]))
            psnr = psnr_of_planes(a, b).item()
            for window in CHOICES["window"]:
                ssim = ssim_of_planes(a, b, WINDOWS[window]).item()
                yield (degradation, rounding, colour, crop, window), [psnr, ssim]
