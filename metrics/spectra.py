"""How much of each spatial frequency an image has: the radial power spectrum."""

import numpy as np

BINS = 50  # of 0.01 cycles per pixel, from 0 to 0.5


def frequencies() -> np.ndarray:
    """The centres of the bins, (BINS,), in cycles per pixel."""
    return (np.arange(BINS) + 0.5) / (2 * BINS)


def radial_power(plane: np.ndarray) -> np.ndarray:
    """Power spectral density over rings of the frequency plane, of an image without its mean, under a Hann window.

    Periodogram after Welch, IEEE Trans. Audio and Electroacoustics 15(2), 1967, in two dimensions: |F|² / (H W u) with
    u the mean square of the window, so that white noise of variance v has v at every frequency.

    Args:
        plane: (H, W), any real type, any range.

    Returns:
        (BINS,) float64, in the square of the plane's unit: the mean over the ring's frequencies, for frequencies() from
        0 to 0.5 cycles per pixel (the corners of the plane lie beyond); not a number for a ring without any, as in
        images of less than 100 pixels per side.
    """
    height, width = plane.shape
    # Without the zeros of numpy's Hann window at both ends: all pixels count, and one of side 1 is not all zero.
    window = np.outer(*(np.hanning(side + 2)[1:-1] for side in plane.shape))
    weighted = (plane - plane.mean()) * window
    power = np.square(np.abs(np.fft.fft2(weighted))) / np.square(window).sum()
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    # A frequency on a border belongs to the ring below it, as 0.5 to the last one; so 0, the mean, belongs to none.
    ring = np.ceil(radius * 2 * BINS - 1e-9).astype(int) - 1
    inside = (ring >= 0) & (ring < BINS)
    sums = np.bincount(ring[inside], power[inside], BINS)
    counts = np.bincount(ring[inside], minlength=BINS)
    return np.divide(sums, counts, out=np.full(BINS, np.nan), where=counts > 0)
