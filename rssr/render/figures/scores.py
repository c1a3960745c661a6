"""Figures of scores image by image: their distribution, and how often one method is better than another."""

from collections.abc import Mapping

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from rssr.metrics.registry import METRICS
from rssr.metrics.statistics import win_rates
from rssr.render.figures.style import SMALL, STYLE, WIDTH, say_below, style_of, wrapped
from rssr.render.tables.table import ARROWS

_LABEL = 1.75  # inches that a method's name may take


def distributions(
    scores: Mapping[str, pd.DataFrame], models: Mapping[str, Mapping], reference: str, metric: str
) -> plt.Figure:
    """Every image's score, and its difference from a reference method's, one row per method: points, quartiles, median.

    The whiskers end at the 5 % and 95 % quantiles. Scores that are not finite are not drawn.

    Args:
        scores: model -> its scores, one row per image, the same images in the same order.
        models: model -> `label`, in the order of the configuration.
        reference: the model that is subtracted.
        metric: the column to draw.
    """
    card = METRICS[metric]
    values = np.array([scores[name][metric] for name in models], float)
    with np.errstate(invalid="ignore"):  # infinity minus itself
        differences = values - scores[reference][metric].to_numpy(float)
    differences[list(models).index(reference)] = np.nan
    other = wrapped(f"Difference from {models[reference]['label']} in {card.label}", 0.36 * WIDTH, 8)
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 0.9 + 0.4 * len(models)), sharey=True)
        for axis, rows, label in zip(axes, (values, differences), (card.label, other), strict=True):
            for index, row in enumerate(rows):
                _strip(axis, index, row[np.isfinite(row)])
            axis.set_xlabel(f"{label} {ARROWS[card.better]}")
            axis.grid(False, axis="y")
        axes[1].axvline(0, color="black", linewidth=0.8)
        labels = [wrapped(model["label"], _LABEL) for model in models.values()]
        axes[0].set_yticks(range(len(models)), labels)
        axes[0].set_ylim(len(models) - 0.4, -0.6)
        if absent := int((~np.isfinite(values)).sum()):
            say_below(figure, f"Not drawn: {absent} of {values.size} scores, which are infinite or missing")
    return figure


def _strip(axis: plt.Axes, position: int, values: np.ndarray) -> None:
    """The points of a method around its row, and a box over them."""
    golden = np.argsort(np.argsort(values)) * 0.618034 % 1  # spread evenly, and the same at every drawing
    look = {key: style_of(position)[key] for key in ("color", "marker")}
    axis.scatter(values, position + 0.56 * (golden - 0.5), s=6, alpha=0.7, linewidths=0, rasterized=True, **look)
    axis.boxplot(
        values,
        positions=[position],
        orientation="horizontal",
        widths=0.5,
        whis=(5, 95),
        showfliers=False,
        manage_ticks=False,
        medianprops={"color": "black", "linewidth": 1.6},
    )


def win_rate(scores: Mapping[str, pd.DataFrame], models: Mapping[str, Mapping], metric: str) -> plt.Figure:
    """On how many of the images, in percent, the method of a row is better than that of a column.

    Args:
        scores: model -> its scores, one row per image, the same images in the same order.
        models: model -> `label`, in the order of the configuration.
        metric: the column that decides.
    """
    card = METRICS[metric]
    rates = 100 * win_rates(np.array([scores[name][metric] for name in models], float), card.better)
    labels = [wrapped(model["label"], _LABEL) for model in models.values()]
    cell = min(0.7, (WIDTH - _LABEL - 0.4) / len(models))
    side = max(cell * len(models) + _LABEL + 0.4, 4)
    with mpl.rc_context(STYLE | {"axes.grid": False}):
        figure, axis = plt.subplots(figsize=(side, max(0.75 * cell * len(models), 0.8) + _LABEL + 0.5))
        colours = mpl.colormaps["cividis"].with_extremes(bad="0.93")
        image = axis.imshow(rates, cmap=colours, vmin=0, vmax=100, aspect="auto")
        legible = 72 * cell > 2 * SMALL  # among hundreds of methods colours have to do
        for (row, column), rate in np.ndenumerate(rates):
            if np.isfinite(rate) and legible:
                colour = "white" if rate < 50 else "black"
                axis.text(column, row, f"{rate:.0f}", ha="center", va="center", fontsize=SMALL, color=colour)
        size = min(SMALL, 72 * 0.75 * cell)
        axis.set_xticks(range(len(models)), labels, rotation=90, fontsize=size)
        axis.set_yticks(range(len(models)), labels, fontsize=size)
        axis.set_xlabel("than this one")
        axis.set_ylabel("Images on which this method is better")
        figure.colorbar(image, ax=axis, label=f"Images (%), by {card.name}", shrink=0.9)
    return figure
