"""Which LR pixels an SR result depends on: local attribution maps, effective receptive fields and their spread."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor
from tqdm import tqdm

from rssr.base.resampling import gaussian_blur

SIGMA = 1.2  # of the blurred image that the path starts from, in LR pixels, as in the authors' demonstration
_TINY = 1e-12  # under the root of a squared gradient, whose derivative is infinite at zero


def local_attribution(model: Callable[[Tensor], Tensor], lr: Tensor, box: Sequence[int], steps: int) -> Tensor:
    """Local attribution map: what each LR pixel adds to the edges and textures of a square of the SR image.

    Gu and Dong, "Interpreting Super-Resolution Networks with Local Attribution Maps", CVPR 2021: the gradient of the
    square's gradient magnitude, integrated along a path from the blurred LR image to the LR image, less blurred at each
    step. Here by the midpoint rule over each step, so that the map sums to the difference between the path's two ends,
    exactly for a quadratic function and nearly for a network.

    Args:
        model: (1, 3, h, w) in [0, 1] -> (1, 3, scale * h, scale * w), differentiable.
        lr: (3, h, w), [0, 1].
        box: (left, top, right, bottom) of the square, in SR pixels.
        steps: of the path.

    Returns:
        (h, w): the sum over the three channels of what they add, with its sign.
    """
    left, top, right, bottom = box

    def texture(image: Tensor) -> Tensor:
        return gradient_magnitude(model(image[None])[0, :, top:bottom, left:right])

    return integrated_gradients(texture, blur_path(lr, steps, SIGMA)).sum(0)


def blur_path(image: Tensor, steps: int, sigma: float) -> list[Tensor]:
    """`steps` + 1 images from one blurred by `sigma` to the image itself, sigma falling evenly."""
    sigmas = [sigma * (1 - step / steps) for step in range(steps)]
    return [*(gaussian_blur(image, value) for value in sigmas), image]


def integrated_gradients(function: Callable[[Tensor], Tensor], path: Sequence[Tensor]) -> Tensor:
    """The integral of a function's gradient along straight lines from point to point, by value of the points.

    Sundararajan et al., "Axiomatic Attribution for Deep Networks", ICML 2017: its sum is the difference of the function
    between the ends of the path. Midpoint rule.
    """
    total = torch.zeros_like(path[0])
    pairs = list(zip(path[:-1], path[1:], strict=True))
    for start, end in tqdm(pairs, desc="attribution", unit="step"):
        middle = ((start + end) / 2).requires_grad_()
        (gradient,) = torch.autograd.grad(function(middle), middle)
        total += gradient * (end - start)
    return total


def gradient_magnitude(image: Tensor) -> Tensor:
    """The sum over (C, H, W) of the length of the gradient, by differences to the right and below: a number."""
    right = image[:, :-1, 1:] - image[:, :-1, :-1]
    below = image[:, 1:, :-1] - image[:, :-1, :-1]
    return (right.square() + below.square() + _TINY).sqrt().sum()


def receptive_field(model: Callable[[Tensor], Tensor], images: Iterable[Tensor], scale: int) -> Tensor:
    """Effective receptive field: how much the SR pixels in the middle change with each LR pixel.

    Luo et al., "Understanding the Effective Receptive Field in Deep Convolutional Neural Networks", NeurIPS 2016. The
    middle is the scale x scale SR pixels of the LR pixel (h // 2, w // 2), all channels summed.

    Args:
        model: see local_attribution().
        images: LR images, each (3, h, w) in [0, 1], of one size.
        scale: upscaling factor.

    Returns:
        (h, w): the sum over channels of the gradient's absolute value, its mean over the images.
    """
    fields = []
    for image in tqdm(list(images), desc="receptive field", unit="image"):
        image = image.clone().requires_grad_()
        top, left = (scale * (side // 2) for side in image.shape[-2:])
        middle = model(image[None])[0, :, top : top + scale, left : left + scale].sum()
        fields.append(torch.autograd.grad(middle, image)[0].abs().sum(0))
    return torch.stack(fields).mean(0)


def gini(values: Tensor) -> float:
    """Gini coefficient of values that are not negative: 0 where all are equal, (n - 1) / n where one has all.

    NaN where all are zero.
    """
    ordered = values.double().flatten().sort().values
    count = len(ordered)
    ranks = torch.arange(1, count + 1, dtype=torch.float64, device=ordered.device)
    return (((2 * ranks - count - 1) * ordered).sum() / (count * ordered.sum())).item()


def diffusion_index(attribution: Tensor) -> float:
    """(1 - Gini coefficient of the absolute values) * 100: high where many pixels contribute (Gu and Dong 2021)."""
    return 100 * (1 - gini(attribution.abs()))
