"""Pixel operations of the whole field: MATLAB's imresize, Gaussian blur, rounding to 8 bits."""

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from rssr.base.errors import UserError

_BLOCK = 16  # output pixels per matrix product: few wasted zeros, and enough to keep BLAS busy


def imresize(image: Tensor, scale: float, kernel: str = "bicubic", antialias: bool = True) -> Tensor:
    """MATLAB's imresize, by default with the bicubic kernel and antialiased when reducing.

    The kernel (bicubic: Keys' with a = -0.5), stretched by the reduction, its weights normalised to sum one, the image
    mirrored at the border with the edge pixel repeated: what imresize of BasicSR 1.4.2's matlab_functions does, to 1e-5
    of the range. Each axis is a product with a banded matrix, made block by block from weights in double precision.

    Args:
        image: (..., H, W), floating point, any range.
        scale: an integer, or one over an integer.
        kernel: one of KERNELS.
        antialias: whether a reduction stretches the kernel; without, it samples the image as OpenCV does.

    Returns:
        (..., ceil(H * scale), ceil(W * scale)), same dtype, not clamped.

    Raises:
        ValueError: for another scale or kernel, or an integer image.
    """
    if kernel not in KERNELS:
        raise ValueError(f"imresize: kernel '{kernel}' is unknown: use one of {', '.join(KERNELS)}")
    up, down = max(1, round(scale)), max(1, round(1 / scale))
    if not math.isclose(up / down, scale, rel_tol=1e-3):
        raise ValueError(f"imresize: scale {scale} is neither an integer nor one over an integer")
    if not image.is_floating_point():
        raise ValueError(f"imresize: a floating-point image is expected, not {image.dtype}")
    planes = image.reshape(-1, *image.shape[-2:]).contiguous()
    how = (up, down, kernel, down if antialias else 1)
    # In the order of axes that keeps the intermediate image small.
    for resize in (_resize_rows, _resize_columns) if down > 1 else (_resize_columns, _resize_rows):
        planes = resize(planes, *how)
    return planes.reshape(*image.shape[:-2], *planes.shape[-2:])


def _resize_rows(planes: Tensor, up: int, down: int, kernel: str, stretch: int) -> Tensor:
    """(N, H, W) -> (N, H', W)."""
    count, height, width = planes.shape
    out = planes.new_empty(count, math.ceil(height * up / down), width)
    for start, first, matrix in _blocks(height, up, down, kernel, stretch, planes.dtype, planes.device):
        rows, taps = matrix.shape
        out[:, start : start + rows] = matrix @ planes[:, first : first + taps]
    return out


def _resize_columns(planes: Tensor, up: int, down: int, kernel: str, stretch: int) -> Tensor:
    """(N, H, W) -> (N, H, W')."""
    count, height, width = planes.shape
    out = planes.new_empty(count, height, math.ceil(width * up / down))
    for start, first, matrix in _blocks(width, up, down, kernel, stretch, planes.dtype, planes.device):
        columns, taps = matrix.shape
        out[..., start : start + columns] = planes[..., first : first + taps] @ matrix.T
    return out


@lru_cache(maxsize=16)
@torch.inference_mode(False)  # cached, and a later call may differentiate through it
def _blocks(
    length: int, up: int, down: int, kernel: str, stretch: int, dtype: torch.dtype, device: torch.device
) -> list[tuple[int, int, Tensor]]:
    """The resizing matrix of a line in blocks of its rows: (first output, first input, block of weights)."""
    scale = up / down
    outputs = torch.arange(1, math.ceil(length * scale) + 1, dtype=torch.float32)
    # MATLAB's mapping, counted from one, in single precision as BasicSR has it: x3 is off by up to 4e-5 of the range at
    # 400 pixels, which is what the field's numbers were made with; the other scales are exact.
    centre = (outputs / scale + 0.5 * (1 - 1 / scale)).double() - 1
    width, function = KERNELS[kernel]
    taps = torch.floor(centre - width * stretch / 2).long()[:, None] + torch.arange(width * stretch + 2)
    weights = function((centre[:, None] - taps) / stretch)
    weights /= weights.sum(1, keepdim=True)
    taps = taps % (2 * length)
    taps = torch.minimum(taps, 2 * length - 1 - taps)  # mirrored, the edge pixel twice
    blocks = []
    for start in range(0, len(taps), _BLOCK):
        index, weight = taps[start : start + _BLOCK], weights[start : start + _BLOCK]
        first, last = int(index.min()), int(index.max()) + 1
        matrix = torch.zeros(len(index), last - first, dtype=torch.float64)
        matrix.scatter_add_(1, index - first, weight)
        blocks.append((start, first, matrix.to(device, dtype)))
    return blocks


def _keys(x: Tensor) -> Tensor:
    """Keys' cubic convolution kernel with a = -0.5 (IEEE TASSP 29(6), 1981), zero from distance two."""
    x = x.abs()
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x <= 1, near, torch.where(x <= 2, far, 0.0))


def _box(x: Tensor) -> Tensor:
    """One from -0.5 up to but not at 0.5: a position in the middle between two pixels takes the right one."""
    return ((x >= -0.5) & (x < 0.5)).to(x.dtype)


def _triangle(x: Tensor) -> Tensor:
    return (1 - x.abs()).clamp(min=0)


def _lanczos(x: Tensor) -> Tensor:
    """Lanczos' windowed sinc with three lobes."""
    return torch.where(x.abs() < 3, torch.sinc(x) * torch.sinc(x / 3), 0.0)


# By name, the width of the kernel and the kernel itself; MATLAB's nearest, bilinear, bicubic and lanczos3.
KERNELS = {"nearest": (1, _box), "bilinear": (2, _triangle), "bicubic": (4, _keys), "lanczos": (6, _lanczos)}


def gaussian_blur(image: Tensor, sigma: float, size: int | None = None) -> Tensor:
    """Gaussian blur, the edge pixel repeated beyond the border.

    Args:
        image: (C, H, W), floating point.
        sigma: standard deviation in pixels.
        size: side of the window, odd; 2 * ceil(3 * sigma) + 1 by default.

    Returns:
        The same shape.
    """
    radius = math.ceil(3 * sigma) if size is None else size // 2
    weights = torch.exp(-(torch.arange(-radius, radius + 1, dtype=torch.float64) ** 2) / (2 * sigma**2))
    weights = (weights / weights.sum()).to(image)
    padded = functional.pad(image[:, None], (radius,) * 4, mode="replicate")
    return functional.conv2d(functional.conv2d(padded, weights[None, None, None]), weights[None, None, :, None])[:, 0]


def to_uint8(image: Tensor) -> Tensor:
    """[0, 1] floating point -> uint8, clamped and rounded to the nearest level (half to even).

    Raises:
        UserError: for NaN or infinity, which no level stands for.
    """
    image = image.to(torch.promote_types(image.dtype, torch.float32))  # half precision has too few levels
    if not (finite := image.isfinite()).all():
        raise UserError(
            f"{int((~finite).sum())} of the {image.numel()} numbers of the upscaled image are NaN or infinite",
            "check the weights, the `range` and the precision of the network",
        )
    return (image * 255).clamp_(0, 255).round_().to(torch.uint8)
