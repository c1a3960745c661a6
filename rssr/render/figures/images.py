"""The qualitative page: crops of the methods side by side, with their errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.patches import Rectangle

from rssr.metrics.fidelity import colour_planes, psnr
from rssr.render.figures.style import HEIGHT, SMALL, STYLE, WIDTH, bare, wrapped

# The page in inches.
_MARGIN, _GAP, _BETWEEN = 0.05, 0.05, 0.12
_LINE = 0.122  # a line of text
_SCALE_BAR = 0.55  # at the bottom
_COLUMNS = 7  # at most: HR and six methods; more methods go to a second line
_LARGEST = 1.15  # side of a crop


@dataclass(frozen=True)
class Sample:
    """An image, its SR images by the methods, and the crop to show.

    Attributes:
        name: of the image.
        lr: (h, w, 3) uint8.
        hr: (H, W, 3) uint8.
        srs: model -> (H, W, 3) uint8, in the order of the configuration.
        box: (left, top, right, bottom) of the crop, in HR pixels.
    """

    name: str
    lr: np.ndarray
    hr: np.ndarray
    srs: Mapping[str, np.ndarray]
    box: tuple[int, int, int, int]

    def inside(self, image: np.ndarray) -> np.ndarray:
        """The crop of an HR or SR image."""
        left, top, right, bottom = self.box
        return image[top:bottom, left:right]

    def error(self, model: str) -> np.ndarray:
        """|SR - HR| on the BT.601 luma, of the crop, in levels."""
        sr, hr = (colour_planes(_batch(self.inside(image)), "y")[0, 0] for image in (self.srs[model], self.hr))
        return (sr - hr).abs().numpy()

    def psnr(self, model: str) -> float:
        """PSNR-Y of the crop, in dB."""
        return psnr(_batch(self.inside(self.srs[model])), _batch(self.inside(self.hr)), crop=0).item()


def qualitative(samples: Sequence[Sample], models: Mapping[str, Mapping]) -> plt.Figure:
    """One row per sample: the image with the crop marked, the crop of HR over LR, and of each method over its error.

    As many samples as a page has room for, from the first.

    Args:
        samples: at least one.
        models: model -> `label`, in the order of the configuration.
    """
    lines = -(-(1 + len(models)) // _COLUMNS)
    columns = -(-(1 + len(models)) // lines)
    # The image is one and a half crops wide.
    side = min(_LARGEST, (WIDTH - 2 * _MARGIN - _BETWEEN - (columns - 1) * _GAP) / (columns + 1.5))
    width = 2 * _MARGIN + _BETWEEN + (columns - 1) * _GAP + (columns + 1.5) * side
    labels = [wrapped(label, side) for label in ("HR", *(model["label"] for model in models.values()))]
    above = _LINE * max(label.count("\n") + 1 for label in labels)
    line = above + 2 * side + 2 * _GAP + 1.4 * _LINE + _BETWEEN
    samples = samples[: max(1, int((HEIGHT - _SCALE_BAR - _MARGIN) / (lines * line)))]
    height = len(samples) * lines * line + _SCALE_BAR + _MARGIN
    errors = np.concatenate([sample.error(name).ravel() for sample in samples for name in models])
    limit = max(1.0, np.quantile(errors, 0.995))
    with mpl.rc_context(STYLE | {"axes.titlesize": SMALL, "axes.labelsize": SMALL, "axes.labelpad": 3}):
        figure = plt.figure(figsize=(width, height), layout="none")

        def panel(left: float, top: float, wide: float, high: float) -> plt.Axes:
            axis = figure.add_axes((left / width, 1 - (top + high) / height, wide / width, high / height))
            bare(axis)
            return axis

        for row, sample in enumerate(samples):
            top = _MARGIN + row * lines * line + above
            name = wrapped(sample.name, 1.5 * side)
            overview = panel(_MARGIN, top, 1.5 * side, 2 * side + _GAP - _LINE * name.count("\n"))
            _overview(overview, sample)
            overview.set_xlabel(name)
            for index, (model, label) in enumerate(zip((None, *models), labels, strict=True)):
                left = _MARGIN + 1.5 * side + _BETWEEN + index % columns * (side + _GAP)
                upper, lower = (
                    panel(left, top + index // columns * line + below, side, side) for below in (0, side + _GAP)
                )
                upper.set_title(label, pad=3)
                if model is None:
                    upper.imshow(sample.inside(sample.hr), interpolation="nearest")
                    _lr(lower, sample)
                    lower.set_xlabel("LR")
                else:
                    upper.imshow(sample.inside(sample.srs[model]), interpolation="nearest")
                    drawn = lower.imshow(
                        sample.error(model), vmin=0, vmax=limit, cmap="inferno", interpolation="nearest"
                    )
                    lower.set_xlabel(f"{sample.psnr(model):.2f} dB")
        bar = panel(_MARGIN + 0.3, height - _SCALE_BAR + 0.08, min(3.0, 0.45 * width), 0.1)
        figure.colorbar(drawn, cax=bar, orientation="horizontal", extend="max")
        bar.set_xlabel("Errors: |SR − HR| on the luma (levels). Numbers: PSNR-Y of the crop.", loc="left")
    return figure


def _overview(axis: plt.Axes, sample: Sample) -> None:
    left, top, right, bottom = sample.box
    axis.imshow(sample.hr)
    axis.set_anchor("N")  # level with the crops
    for colour, width in (("black", 2.4), ("#F0E442", 1.2)):  # seen on any image
        frame = Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=width)
        axis.add_patch(frame)


def _lr(axis: plt.Axes, sample: Sample) -> None:
    left, top, right, bottom = sample.box
    height, width = sample.hr.shape[:2]
    axis.imshow(sample.lr, extent=(0, width, height, 0), interpolation="nearest")
    axis.set(xlim=(left, right), ylim=(bottom, top))


def _batch(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
