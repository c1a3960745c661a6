"""Figures of cost: quality against cost, and what the mLSTM cell costs against the number of tokens."""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from rssr.figures.style import STYLE, style_of
from rssr.metrics.registry import METRICS


def quality_cost(
    quality: pd.DataFrame, profiles: Mapping[str, Mapping[str, Any]], models: Mapping[str, Mapping], metric: str
) -> plt.Figure:
    """Quality with its interval against MACs and against latency, a point a method.

    Args:
        quality: the numbers of the quality table.
        profiles: model -> results/profile/{model}.json.
        models: model -> `label`, in the order of the configuration.
        metric: the column of quality to draw.
    """
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.2), sharey=True)
        device = next(iter(profiles.values()))["latency"]["device"]
        axes[0].set_xlabel("MACs (G)")
        axes[1].set_xlabel(f"Latency on {device} (ms)")
        axes[0].set_ylabel(METRICS[metric].label)
        for index, (name, model) in enumerate(models.items()):
            row = quality[quality["model"] == name].iloc[0]
            value = row[metric]
            error = [[value - row[f"{metric}_low"]], [row[f"{metric}_high"] - value]]
            times = profiles[name]["latency"]["samples_ms"]
            for axis, cost in zip(axes, (profiles[name]["macs"]["total"] / 1e9, np.median(times)), strict=True):
                axis.errorbar(cost, value, error, capsize=2, elinewidth=0.8, label=model["label"], **style_of(index))
        for axis in axes:
            axis.set_xscale("log")
            axis.margins(x=0.12)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def mlstm_growth(measured: pd.DataFrame) -> plt.Figure:
    """Time and peak memory of the mLSTM cell's two forms against the number of tokens.

    Args:
        measured: results/reference/mlstm_growth.csv, which benchmarks/mlstm.py writes.
    """
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.2), sharex=True)
        for index, (form, rows) in enumerate(measured.groupby("form", sort=True)):
            for passes, line in (("forward", "-"), ("forward_backward", "--")):
                label = f"{form}, {passes.replace('_', ' + ')}"
                for axis, unit in zip(axes, ("s", "peak_mb"), strict=True):
                    axis.plot(rows["tokens"], rows[f"{passes}_{unit}"], line, label=label, ms=4, **style_of(index + 1))
        for axis, quantity in zip(axes, ("Time (s)", "Peak memory (MB)"), strict=True):
            axis.set(xscale="log", yscale="log", xlabel="Tokens", ylabel=quantity)
            axis.set_xticks(sorted(set(measured["tokens"])), minor=False)
            axis.xaxis.set_major_formatter("{x:.0f}")
            axis.xaxis.set_minor_locator(mpl.ticker.NullLocator())
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2, handlelength=4)
    return figure
