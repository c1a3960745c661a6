"""The figure of the protocol audit."""

import itertools
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from rssr.figures.style import STYLE


def protocol_heat_map(measured: pd.DataFrame, choices: Mapping[str, Sequence[str]], title: str) -> plt.Figure:
    """How far every combination of a protocol moves PSNR and SSIM from the stated one.

    Args:
        measured: the combinations of one model, see audit.audit().
        choices: audit.CHOICES, the stated protocol first of each.
        title: the model and the data set.
    """
    down = ["degradation", "rounding"]
    across = {"psnr": ["colour", "crop"], "ssim": ["colour", "crop", "window"]}
    labels = {"psnr": "PSNR, dB", "ssim": "SSIM"}
    base = measured[(measured[list(choices)] == [options[0] for options in choices.values()]).all(axis=1)].iloc[0]
    with mpl.rc_context(STYLE | {"axes.grid": False, "font.size": 7}):
        figure, axes = plt.subplots(1, 2, figsize=(9.6, 4.6), sharey=True, width_ratios=[1, 2])
        for axis, (metric, columns) in zip(axes, across.items(), strict=True):
            grid = measured.pivot_table(metric, down, columns, sort=False) - base[metric]
            grid = grid.reindex(list(itertools.product(*(choices[key] for key in down))))
            grid = grid[list(itertools.product(*(choices[key] for key in columns)))]
            limit = np.abs(grid.to_numpy()).max()
            image = axis.imshow(grid, cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto")
            for (i, j), value in np.ndenumerate(grid.to_numpy()):
                dark = abs(value) > 0.6 * limit
                text = f"{value:+.2f}" if metric == "psnr" else f"{value:+.3f}"
                axis.text(j, i, text, ha="center", va="center", fontsize=5, color="white" if dark else "black")
            axis.set_xticks(range(grid.shape[1]), [", ".join(c) for c in grid.columns], rotation=90)
            axis.set_yticks(range(grid.shape[0]), [", ".join(r) for r in grid.index])
            axis.set_xlabel(", ".join(columns))
            figure.colorbar(image, ax=axis, label=f"moved by ({labels[metric]})", shrink=0.8)
        figure.suptitle(title, fontsize=9)
    return figure
