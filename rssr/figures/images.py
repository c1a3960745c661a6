"""Figures that show images: crops of the methods side by side."""

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from rssr.figures.style import STYLE, bare


def qualitative(
    hr: np.ndarray,
    srs: Mapping[str, np.ndarray],
    labels: Mapping[str, str],
    scores: Mapping[str, float],
    crop: tuple[int, int, int, int],
    title: str,
) -> plt.Figure:
    """HR with the crop marked, then the crop of HR and of every method with its PSNR under it.

    Args:
        hr: (H, W, 3) uint8.
        srs: model -> (H, W, 3) uint8.
        labels: model -> name.
        scores: model -> PSNR-Y of the crop, in dB.
        crop: (left, top, right, bottom) in HR pixels.
        title: what the page shows.
    """
    left, top, right, bottom = crop
    panels = [("HR", "PSNR-Y of the crop", hr)] + [
        (labels[name], f"{scores[name]:.2f} dB", image) for name, image in srs.items()
    ]
    columns = max(2, -(-len(panels) // 2))
    with mpl.rc_context(STYLE):
        figure = plt.figure(figsize=(2.7 + 1.5 * columns, 3.9))
        grid = figure.add_gridspec(2, columns + 2, width_ratios=[0.9, 0.9] + [1] * columns)
        overview = figure.add_subplot(grid[:, :2])
        overview.imshow(hr)
        overview.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor="#F0E442", lw=1.8))
        overview.set_title(title)
        bare(overview)
        for i, (name, below, image) in enumerate(panels):
            axis = figure.add_subplot(grid[i // columns, 2 + i % columns])
            axis.imshow(image[top:bottom, left:right], interpolation="nearest")
            axis.set_xlabel(f"{textwrap.fill(name, 18)}\n{below}", fontsize=8)
            bare(axis)
    return figure


def differing_crop(hr: np.ndarray, srs: Sequence[np.ndarray], side: int = 96) -> tuple[int, int, int, int]:
    """The square where the methods' squared errors differ most from each other.

    Args:
        hr: (H, W, 3) uint8.
        srs: images of the methods, the same shape.
        side: of the square, in pixels; the image's own if it is smaller.

    Returns:
        (left, top, right, bottom).
    """
    side = min(side, *hr.shape[:2])
    errors = np.stack([np.square(sr.astype(float) - hr).mean(2) for sr in srs])
    sums = np.pad(errors, ((0, 0), (1, 0), (1, 0))).cumsum(1).cumsum(2)
    windows = sums[:, side:, side:] - sums[:, :-side, side:] - sums[:, side:, :-side] + sums[:, :-side, :-side]
    top, left = np.unravel_index(np.argmax(np.ptp(windows, axis=0)), windows.shape[1:])
    return int(left), int(top), int(left) + side, int(top) + side
