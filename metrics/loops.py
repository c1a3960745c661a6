"""Fidelity on the CPU: fused loops that Numba compiles, on one thread. A row of local means never leaves the cache.

results/reference/fidelity.json has their times on 512x512 pixels and those of BasicSR.
"""

import numba
import numpy as np

# Sums may be reordered, or they would not be vectors.
_jit = numba.njit(nogil=True, cache=True, fastmath={"contract", "reassoc"}, error_model="numpy")


@_jit
def weighted_sum(image: np.ndarray, weights: tuple[float, float, float], offset: float) -> np.ndarray:
    """The planes of an image, (B, 3, H, W), as one: (B, 1, H, W) float64."""
    out = np.empty((image.shape[0], 1, image.shape[2], image.shape[3]))
    for b in range(image.shape[0]):
        for i in range(image.shape[2]):
            for j in range(image.shape[3]):
                one, two, three = image[b, 0, i, j], image[b, 1, i, j], image[b, 2, i, j]
                out[b, 0, i, j] = weights[0] * one + weights[1] * two + weights[2] * three + offset
    return out


@_jit
def mean_square(a: np.ndarray, b: np.ndarray) -> float:
    """The mean squared difference of two planes, (H, W)."""
    total = 0.0
    for i in range(a.shape[0]):
        row = 0.0  # a separate sum, so that small terms are not added to a large one
        for j in range(a.shape[1]):
            row += (a[i, j] - b[i, j]) ** 2
        total += row
    return total / a.size


@_jit
def mean_ssim(a: np.ndarray, b: np.ndarray, window: np.ndarray, covariance: float, c1: float, c2: float) -> float:
    """The mean of SSIM over all positions where the window fits; see fidelity.ssim_of_planes().

    Args:
        a: (H, W) float64.
        b: the same shape and type.
        window: weights along one axis, of sum one; the window is their outer product.
        covariance: factor of variances and covariance.
        c1: constant of the luminance term.
        c2: constant of the contrast term.
    """
    taps = len(window)
    height, width = a.shape[0] - taps + 1, a.shape[1] - taps + 1
    columns, means = np.empty((4, a.shape[1])), np.empty((4, width))
    total = 0.0
    for i in range(height):
        columns[:] = 0
        for k in range(taps):
            for j in range(a.shape[1]):
                x, y = a[i + k, j], b[i + k, j]
                columns[0, j] += window[k] * x
                columns[1, j] += window[k] * y
                columns[2, j] += window[k] * (x * x + y * y)
                columns[3, j] += window[k] * (x * y)
        means[:] = 0
        for plane in range(4):
            for k in range(taps):
                for j in range(width):
                    means[plane, j] += window[k] * columns[plane, j + k]
        for j in range(width):
            product = means[0, j] * means[1, j]
            squares = means[0, j] * means[0, j] + means[1, j] * means[1, j]
            numerator = (2 * product + c1) * (2 * covariance * (means[3, j] - product) + c2)
            total += numerator / ((squares + c1) * (covariance * (means[2, j] - squares) + c2))
    return total / (height * width)
