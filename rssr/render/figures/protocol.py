"""The figure of the protocol audit."""

import itertools
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from rssr.render.figures.style import SMALL, STYLE, WIDTH, wrapped

_DOWN = ("degradation", "rounding")
# Metric -> choices that its columns are, factor, decimals, what the numbers are.
_MAPS = {
    "psnr": (("colour", "crop"), 1, 2, "PSNR moved by (dB)"),
    "ssim": (("colour", "crop", "window"), 1000, 0, "SSIM moved by (thousandths)"),
}


def protocol_heat_map(measured: pd.DataFrame, choices: Mapping[str, Sequence[str]], title: str) -> plt.Figure:
    """How far every combination of a protocol moves PSNR and SSIM from the stated one, which has a frame.

    Args:
        measured: the combinations of one model, see steps.audit.audit().
        choices: metrics.protocol.CHOICES, the stated protocol first of each.
        title: the model and the data set.
    """
    base = measured[(measured[list(choices)] == [options[0] for options in choices.values()]).all(axis=1)].iloc[0]
    with mpl.rc_context(STYLE | {"axes.grid": False}):
        figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 8.6))
        for axis, (metric, (across, factor, digits, label)) in zip(axes, _MAPS.items(), strict=True):
            grid = factor * (measured.pivot_table(metric, _DOWN, across, sort=False) - base[metric])
            grid = grid.reindex(list(itertools.product(*(choices[key] for key in _DOWN))))
            grid = grid[list(itertools.product(*(choices[key] for key in across)))]
            limit = np.abs(grid.to_numpy()).max() or 1
            image = axis.imshow(grid, cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto")
            for (row, column), value in np.ndenumerate(grid.to_numpy()):
                colour = "white" if abs(value) > 0.6 * limit else "black"
                text = f"{value:+.{digits}f}".replace("-", "−") if round(value, digits) else "0"
                axis.text(column, row, text, ha="center", va="center", fontsize=SMALL, color=colour)
            axis.add_patch(Rectangle((-0.5, -0.5), 1, 1, fill=False, edgecolor="black", linewidth=1.6, clip_on=False))
            axis.set_xticks(range(grid.shape[1]), [", ".join(names) for names in grid.columns], rotation=90)
            axis.set_yticks(range(grid.shape[0]), [", ".join(names) for names in grid.index])
            axis.set_xlabel(", ".join(across))
            axis.set_ylabel(", ".join(_DOWN))
            figure.colorbar(image, ax=axis, label=label, pad=0.01, aspect=25)
        figure.suptitle(wrapped(title, 0.95 * WIDTH, 9), fontsize=9)
    return figure
