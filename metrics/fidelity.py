"""How close an SR image is to its HR image: 8 bits in, a cropped border, the BT.601 luma or RGB, double precision."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rssr.base.errors import UserError

_WINDOW, _SIGMA = 11, 1.5
_BT601 = (65.481 / 255, 128.553 / 255, 24.966 / 255)

# Colour space -> (weights of red, green and blue, offset, whether rounded to 8 bits); "rgb" is the three as they are.
COLOURS = {
    "y": (_BT601, 16.0, False),
    "y_full": ((0.299, 0.587, 0.114), 0.0, False),
    "yiq": ((0.299, 0.587, 0.114), 0.0, True),
    "rgb": None,
}
CHANNELS = ("y", "rgb")

# SSIM's windows -> (weights along one axis, factor of variances and covariance).
_OFFSETS = torch.arange(_WINDOW, dtype=torch.float64) - _WINDOW // 2
_GAUSSIAN = torch.exp(-_OFFSETS.square() / (2 * _SIGMA**2))
WINDOWS = {
    "gaussian": (_GAUSSIAN / _GAUSSIAN.sum(), 1.0),
    "uniform": (torch.full((7,), 1 / 7, dtype=torch.float64), 49 / 48),  # the sample covariance, scikit-image's default
}


@dataclass(frozen=True)
class LowResolution:
    """The LR image and the degradation, for metrics that need more than SR and HR.

    Attributes:
        lr: (B, 3, h, w) uint8, RGB.
        degrade: how LR is made from HR: (3, H, W) uint8 and the image's name, which seeds noise -> (3, h, w) uint8.
        scale: the upscaling factor.
        image: the image's name.
    """

    lr: Tensor
    degrade: Callable[[Tensor, str], Tensor]
    scale: int
    image: str = ""


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
    return psnr_of_planes(*_planes(sr, hr, crop, channel))


def ssim(sr: Tensor, hr: Tensor, crop: int = 4, channel: str = "y") -> Tensor:
    """Structural similarity, Gaussian window of 11 pixels and sigma 1.5, valid positions, K = 0.01 and 0.03.

    Wang et al., IEEE TIP 13(4), 2004. Same as calculate_ssim of BasicSR 1.4.2, computed in double precision.

    Args:
        sr: (B, 3, H, W) uint8, RGB.
        hr: the same shape and type.
        crop: border pixels left out on each side.
        channel: "y" or "rgb", as in psnr(); "rgb" is the mean of the three channels.

    Returns:
        (B,) float64, at most 1.
    """
    return ssim_of_planes(*_planes(sr, hr, crop, channel))


def lr_psnr(sr: Tensor, hr: Tensor, crop: int, low: LowResolution) -> Tensor:
    """Consistency with the input: PSNR over RGB between the degraded SR image and the LR image.

    What a network adds to LR must vanish when its output is degraded again (Lugmayr et al., NTIRE 2021 challenge on
    learning the super-resolution space, CVPRW 2021, "LR-PSNR"). Noise of the degradation is drawn from the same seed.

    Args:
        sr: (B, 3, H, W) uint8, RGB.
        hr: not used.
        crop: border pixels of SR left out on each side; LR loses its scale-th part, rounded up.
        low: the LR image and its degradation.

    Returns:
        (B,) float64, in dB; infinity where they are equal.
    """
    again = torch.stack([low.degrade(image.cpu(), low.image) for image in sr])
    return psnr(again.to(sr.device), low.lr, -(-crop // low.scale), "rgb")


def sam(sr: Tensor, hr: Tensor, crop: int) -> Tensor:
    """Spectral angle between the RGB vectors of SR and HR, the mean over all pixels that are black in neither.

    Yuhas, Goetz and Boardman, "Discrimination among semi-arid landscape endmembers using the Spectral Angle Mapper
    algorithm", JPL Airborne Geoscience Workshop, 1992.

    Args:
        sr: (B, 3, H, W) uint8, RGB.
        hr: the same shape and type.
        crop: border pixels left out on each side.

    Returns:
        (B,) float64, in degrees, from 0 to 90; not a number for an image that is black everywhere.
    """
    a, b = _planes(sr, hr, crop, "rgb")
    # The angle by its tangent: the arc cosine of a number near one would lose half of the digits.
    across, along = torch.linalg.cross(a, b, dim=1).norm(dim=1), (a * b).sum(1)
    seen = (a.norm(dim=1) > 0) & (b.norm(dim=1) > 0)
    angles = torch.rad2deg(torch.atan2(across, along)).where(seen, torch.nan)
    return angles.flatten(1).nanmean(1)


def ergas(sr: Tensor, hr: Tensor, crop: int, low: LowResolution) -> Tensor:
    """Relative global error of synthesis (ERGAS): 100 / scale * sqrt(mean over bands of MSE / (mean of HR)^2).

    Wald, "Quality of high resolution synthesised images: is there a simple criterion?", Fusion of Earth Data, 2000.

    Args:
        sr: (B, 3, H, W) uint8, RGB.
        hr: the same shape and type.
        crop: border pixels left out on each side.
        low: its scale is the ratio of the pixel sizes.

    Returns:
        (B,) float64, from 0; infinity where a band of HR is black, and not a number where SR's is black, too.
    """
    a, b = _planes(sr, hr, crop, "rgb")
    relative = (a - b).square().mean((2, 3)) / b.mean((2, 3)).square()
    return 100 / low.scale * relative.mean(1).sqrt()


PARTS = ("improvement", "omission", "hallucination")
_GAMMA, _TEMPERATURE, _KEPT = 0.05, 0.25, 0.75


def correctness(sr: Tensor, hr: Tensor, crop: int, low: LowResolution, part: str) -> Tensor:
    """How much of an SR image's detail is right (improvement), missing (omission) or invented (hallucination).

    Aybar et al., "A Comprehensive Benchmark for Optical Remote Sensing Image Super-Resolution", IEEE GRSL 21, 2024, as
    its package opensr-test 1.x computes it by default. SR gets HR's histogram; LR is upscaled bilinearly. For a pixel,
    d(x, y) is the mean over RGB of |x - y| / |x + y|, and

        d_im = d(SR, HR) / d(LR, HR),  d_om = d(SR, LR) / d(LR, HR),  H = d_im + d_om - 1
        improvement    d_im + d_om * (1 - exp(-0.05 H))
        omission       d_om + d_im * (1 - exp(-0.05 H))
        hallucination  exp(-0.05 d_im d_om)

    are the distances to the three classes; a softmin of temperature 0.25 over them gives three shares of sum one, whose
    means over the pixels with any d above the 75 % quantile of d(LR, HR) are the scores. Not as there: the border is
    `crop`, where its default is 16, and SR is not shifted onto HR, because here the two are aligned.

    Args:
        sr: (B, 3, H, W) uint8, RGB.
        hr: the same shape and type.
        crop: border pixels left out on each side.
        low: the LR image.
        part: one of PARTS.

    Returns:
        (B,) float64, from 0 to 1; not a number where LR says as much as HR.
    """
    from skimage.exposure import match_histograms

    lr = F.interpolate(low.lr.double() / 255, sr.shape[-2:], mode="bilinear")
    lr = lr[_inside(lr, crop)].cpu()
    a, b = (planes.cpu() / 255 for planes in _planes(sr, hr, crop, "rgb"))
    scores = []
    for x, y, low in zip(a, b, lr, strict=True):
        x = torch.from_numpy(match_histograms(x.numpy(), y.numpy(), channel_axis=0))
        reference, to_hr, to_lr = _relative(low, y), _relative(x, y), _relative(x, low)
        threshold = reference.quantile(_KEPT)
        kept = (torch.stack([reference, to_hr, to_lr]) > threshold).any(0) & (reference > 0)
        d_im, d_om = to_hr[kept] / reference[kept], to_lr[kept] / reference[kept]
        far = 1 - torch.exp(-_GAMMA * (d_im + d_om - 1))
        distances = torch.stack([d_im + d_om * far, d_om + d_im * far, torch.exp(-_GAMMA * d_im * d_om)])
        scores.append(torch.softmax(-distances / _TEMPERATURE, 0)[PARTS.index(part)].mean())
    return torch.stack(scores).to(sr.device)


def _relative(x: Tensor, y: Tensor) -> Tensor:
    return ((x - y).abs() / (x + y + 1e-8)).mean(0)


def psnr_of_planes(a: Tensor, b: Tensor) -> Tensor:
    """PSNR with peak 255 over all planes of an image, (B, C, H, W) float64 -> (B,)."""
    errors = _by_plane("mean_square", a, b) if _compiled(a) else (a - b).square().mean((2, 3))
    return 10 * torch.log10(255**2 / errors.mean(1))


def ssim_of_planes(a: Tensor, b: Tensor, window: str = "gaussian") -> Tensor:
    """The mean of SSIM over the planes of an image, peak 255.

    Args:
        a: (B, C, H, W) float64, from 0 to 255.
        b: the same shape and type.
        window: of WINDOWS: "gaussian" of 11 pixels and sigma 1.5, or "uniform" of 7 with the sample covariance.

    Returns:
        (B,) float64, at most 1.
    """
    weights, covariance = WINDOWS[window]
    if min(a.shape[2:]) < len(weights):
        raise UserError(
            f"SSIM needs at least {len(weights)} pixels per side after the crop, but {a.shape[3]}x{a.shape[2]} are left"
            ": leave the metric out or use larger images"
        )
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    if _compiled(a):
        return _by_plane("mean_ssim", a, b, weights.numpy(), covariance, c1, c2).mean(1)
    mean_a, mean_b, squares, product = _blur(torch.cat([a, b, a * a + b * b, a * b]), weights).chunk(4)
    means = mean_a**2 + mean_b**2
    luminance = (2 * mean_a * mean_b + c1) / (means + c1)
    contrast = (2 * covariance * (product - mean_a * mean_b) + c2) / (covariance * (squares - means) + c2)
    return (luminance * contrast).mean((1, 2, 3))


def _compiled(image: Tensor) -> bool:
    """Whether the loops of metrics/loops.py support it; otherwise PyTorch computes the same, on any device."""
    return image.device.type == "cpu" and find_spec("numba") is not None


def _by_plane(name: str, a: Tensor, b: Tensor, *arguments: object) -> Tensor:
    """A loop over every pair of planes, (B, C, H, W) -> (B, C)."""
    from rssr.metrics import loops

    pairs = zip(*(np.ascontiguousarray(x.detach().numpy()).reshape(-1, *x.shape[2:]) for x in (a, b)), strict=True)
    return torch.tensor([getattr(loops, name)(*pair, *arguments) for pair in pairs], dtype=torch.float64).view(
        a.shape[:2]
    )


def luma(image: Tensor) -> Tensor:
    """BT.601 luma of RGB in [0, 255]: (B, 3, H, W) -> (B, 1, H, W) float64 from 16 to 235."""
    return colour_planes(image, "y")


def colour_planes(image: Tensor, space: str) -> Tensor:
    """RGB in [0, 255], (B, 3, H, W) of any type, in a colour space of COLOURS, (B, 1 or 3, H, W) float64.

    "y" is the BT.601 luma from 16 to 235, as BasicSR's; "y_full" the same luma from 0 to 255, which is the first plane
    of YIQ, as pyiqa's PSNR takes it by default; "yiq" that plane rounded to 8 bits, as pyiqa's SSIM takes it.
    """
    if COLOURS[space] is None:
        # NumPy converts on one thread; for PyTorch's many the work is too small to wait for each other.
        return torch.from_numpy(image.detach().numpy().astype(float)) if _compiled(image) else image.double()
    weights, offset, rounded = COLOURS[space]
    if _compiled(image):
        from rssr.metrics.loops import weighted_sum

        plane = torch.from_numpy(weighted_sum(np.ascontiguousarray(image.detach().numpy()), weights, offset))
    else:
        plane = sum(w * band.double() for w, band in zip(weights, image.unbind(1), strict=True))[:, None] + offset
    return plane.round() if rounded else plane


def _planes(sr: Tensor, hr: Tensor, crop: int, channel: str) -> tuple[Tensor, Tensor]:
    if channel not in CHANNELS:
        raise ValueError(f"channel {channel!r} is unknown: use one of {', '.join(CHANNELS)}")
    return tuple(colour_planes(image, channel) for image in cropped(sr, hr, crop))


def cropped(sr: Tensor, hr: Tensor, crop: int) -> tuple[Tensor, Tensor]:
    """Both images without their border; UserError unless they are uint8, of one size and larger than that."""
    if sr.shape != hr.shape or sr.dtype != torch.uint8 or hr.dtype != torch.uint8:
        raise UserError(
            f"SR is {tuple(sr.shape)} {sr.dtype} and HR {tuple(hr.shape)} {hr.dtype}, not uint8 of one size",
            "delete the SR images and run again",
        )
    window = _inside(sr, crop)
    return sr[window], hr[window]


def _inside(image: Tensor, crop: int) -> tuple:
    height, width = image.shape[-2:]
    if min(height, width) <= 2 * crop:
        raise UserError(f"a crop of {crop} pixels leaves nothing of an image of {width}x{height}: set a smaller `crop`")
    return ..., slice(crop, height - crop), slice(crop, width - crop)


def _blur(x: Tensor, weights: Tensor) -> Tensor:
    """Filter with the separable window in two passes, at positions where it fits."""
    kernel = weights.to(x).view(1, 1, -1, 1)
    blurred = F.conv2d(F.conv2d(x.flatten(0, 1)[:, None], kernel), kernel.mT)
    return blurred.view(*x.shape[:2], *blurred.shape[2:])
