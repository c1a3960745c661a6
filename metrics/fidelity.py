"""PSNR and SSIM as super-resolution papers report them: 8-bit images, a cropped border, the BT.601 luma or RGB."""

import torch
import torch.nn.functional as F
from torch import Tensor

from rssr.errors import UserError

CHANNELS = ("y", "rgb")
_WINDOW, _SIGMA = 11, 1.5


def psnr(sr: Tensor, hr: Tensor, crop: int = 4, channel: str = "y") -> Tensor:
    """Peak signal-to-noise ratio, peak 255.

    Same as calculate_psnr of BasicSR 1.4.2 (test_y_channel for "y"), computed in double precision.

    Args:
        sr: (B, 3, H, W) uint8, RGB.
        hr: the same shape and type.
        crop: border pixels left out on each side.
        channel: "y" for the BT.601 luma from 16 to 235, unrounded; "rgb" for the error over all three channels.

    Returns:
        (B,) float64, in dB; infinity where the images are equal.
    """
    a, b = _planes(sr, hr, crop, channel)
    return 10 * torch.log10(255**2 / (a - b).square().mean((1, 2, 3)))


def ssim(sr: Tensor, hr: Tensor, crop: int = 4, channel: str = "y") -> Tensor:
    """Structural similarity, Gaussian window of 11 pixels and sigma 1.5, where the window fits, K = 0.01 and 0.03.

    Wang et al., IEEE TIP 13(4), 2004. Same as calculate_ssim of BasicSR 1.4.2, computed in double precision.

    Args:
        sr: (B, 3, H, W) uint8, RGB.
        hr: the same shape and type.
        crop: border pixels left out on each side.
        channel: "y" or "rgb", as in psnr(); "rgb" is the mean of the three channels.

    Returns:
        (B,) float64, at most 1.
    """
    a, b = _planes(sr, hr, crop, channel)
    if min(a.shape[2:]) < _WINDOW:
        raise UserError(
            f"SSIM needs at least {_WINDOW} pixels a side after the crop, but {a.shape[3]}x{a.shape[2]} are left: "
            "leave the metric out or use larger images"
        )
    moments = _blur(torch.cat([a, b, a * a, b * b, a * b]))
    mean_a, mean_b, square_a, square_b, product = moments.chunk(5)
    variances = square_a + square_b - mean_a**2 - mean_b**2
    covariance = product - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return (luminance * (2 * covariance + c2) / (variances + c2)).mean((1, 2, 3))


def luma(image: Tensor) -> Tensor:
    """BT.601 luma of RGB in [0, 255]: (B, 3, H, W) -> (B, 1, H, W) float64 from 16 to 235."""
    weights = torch.tensor([65.481, 128.553, 24.966], dtype=torch.float64, device=image.device) / 255
    return 16 + torch.einsum("bchw,c->bhw", image.double(), weights)[:, None]


def _planes(sr: Tensor, hr: Tensor, crop: int, channel: str) -> tuple[Tensor, Tensor]:
    if channel not in CHANNELS:
        raise ValueError(f"channel {channel!r} is unknown: use one of {', '.join(CHANNELS)}")
    if sr.shape != hr.shape or sr.dtype != torch.uint8 or hr.dtype != torch.uint8:
        raise UserError(
            f"SR is {tuple(sr.shape)} {sr.dtype} and HR {tuple(hr.shape)} {hr.dtype}: two uint8 images of one size are "
            "expected"
        )
    height, width = sr.shape[2:]
    if min(height, width) <= 2 * crop:
        raise UserError(f"a crop of {crop} pixels leaves nothing of an image of {width}x{height}: set a smaller `crop`")
    window = (..., slice(crop, height - crop), slice(crop, width - crop))
    return tuple(luma(image[window]) if channel == "y" else image[window].double() for image in (sr, hr))


def _blur(x: Tensor) -> Tensor:
    """The Gaussian window as two passes, where it fits."""
    offsets = torch.arange(_WINDOW, dtype=x.dtype, device=x.device) - _WINDOW // 2
    kernel = torch.exp(-offsets.square() / (2 * _SIGMA**2))
    kernel = (kernel / kernel.sum()).view(1, 1, _WINDOW, 1)
    planes = x.flatten(0, 1)[:, None]
    return F.conv2d(F.conv2d(planes, kernel), kernel.mT).view(*x.shape[:2], x.shape[2] - 10, x.shape[3] - 10)
