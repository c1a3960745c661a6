"""How far the measuring protocol alone moves PSNR and SSIM: the same weights and images under every combination."""

import itertools
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from rssr.base.devices import precision_in_use
from rssr.base.files import read_csv, sha256
from rssr.base.images import read_tensor
from rssr.base.provenance import made_by
from rssr.base.resampling import gaussian_blur, imresize, to_uint8
from rssr.metrics.fidelity import colour_planes, psnr_of_planes, ssim_of_planes
from rssr.metrics.protocol import CHOICES, WINDOWS
from rssr.models.registry import build, seed, with_weights


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


_SCORES = ("psnr", "ssim")


def evenly(names: Sequence[str], count: int) -> list[str]:
    """`count` of the names at equal distances, since a manifest lists class after class; all where there are fewer."""
    count = min(count, len(names))
    return [names[number * len(names) // count] for number in range(count)]


def audit(
    model: nn.Module, images: Mapping[str, Tensor], scale: int, device: torch.device | str = "cpu"
) -> Iterator[dict[str, Any]]:
    """Measure a model under every combination of CHOICES.

    "8 bit" rounds and clamps LR and SR, as files do; "float" leaves LR as it is and clamps SR only. A network that
    samples is seeded by the name of each image.

    Args:
        model: (B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), in eval mode.
        images: name -> HR image, (3, H, W) uint8, sides divisible by the scale.
        scale: reduction factor.
        device: where the model runs.

    Yields:
        One row per image and combination: `image`, the columns of CHOICES, `psnr` in dB and `ssim`.
    """
    model = model.to(device)
    for name, hr in tqdm(images.items(), desc="audit", unit="image"):
        seed(model, zlib.crc32(name.encode()))
        for combination, scores in _scores(model, hr, scale, device):
            yield {"image": name, **dict(zip((*CHOICES, *_SCORES), (*combination, *scores), strict=True))}


def audit_files(
    entry: Mapping[str, Any],
    weights: Path | None,
    hr_dir: Path,
    names: Sequence[str],
    scale: int,
    device: torch.device,
) -> tuple[Iterator[dict[str, Any]], dict[str, Any]]:
    """The rows of audit() for images of a prepared HR folder, made while they are read, and the record of how.

    Args:
        entry: configuration entry of the model.
        weights: its weights; None for an interpolation.
        hr_dir: results/data/{dataset}/test/HR-x{scale}.
        names: the images, by name.
        scale: see audit().
        device: likewise.
    """
    listed = {row["image"]: row.get("sha256") for row in read_csv(hr_dir / "manifest.csv")}
    images = {name: read_tensor(hr_dir / f"{name}.png", listed[name]) for name in names}
    model = build(with_weights(entry, weights))
    digests = {
        "hr_manifest_sha256": sha256(hr_dir / "manifest.csv"),
        "weights_sha256": sha256(weights) if weights else None,
    }
    facts = {"images": names, "choices": CHOICES, "device": device.type, "precision": precision_in_use()}
    return audit(model, images, scale, device), made_by(**digests, **facts)


def means(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The rows of audit(), in the order of the images, as one per combination: means over the images."""
    sums: dict[tuple[str, ...], np.ndarray] = {}
    counts: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        combination = tuple(row[choice] for choice in CHOICES)
        sums[combination] = sums.get(combination, 0) + np.array([float(row[score]) for score in _SCORES])
        counts[combination] += 1
    return pd.DataFrame(
        dict(zip((*CHOICES, *_SCORES), (*combination, *(total / counts[combination])), strict=True))
        for combination, total in sums.items()
    )


def _scores(
    model: nn.Module, hr: Tensor, scale: int, device: torch.device | str
) -> Iterator[tuple[tuple[str, ...], list[float]]]:
    for degradation, rounding in itertools.product(CHOICES["degradation"], CHOICES["rounding"]):
        rounded = rounding == "8 bit"
        lr = _REDUCTIONS[degradation](hr.float() / 255, scale, rounded)[None]
        lr = to_uint8(lr).float() / 255 if rounded else lr
        with torch.no_grad():
            sr = model(lr.to(device)).cpu()
        sr = to_uint8(sr) if rounded else sr.clamp(0, 1) * 255
        for colour, crop in itertools.product(CHOICES["colour"], CHOICES["crop"]):
            inside = slice(int(crop), -int(crop) or None)
            a, b = (colour_planes(image[..., inside, inside], colour) for image in (sr, hr[None]))
            psnr = psnr_of_planes(a, b).item()
            for window in CHOICES["window"]:
                ssim = ssim_of_planes(a, b, WINDOWS[window]).item()
                yield (degradation, rounding, colour, crop, window), [psnr, ssim]
