"""Figures of cost: quality against cost, and what the mLSTM cell costs against the number of tokens."""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from rssr.metrics.registry import METRICS
from rssr.metrics.samples import percentiles
from rssr.render.figures.style import STYLE, WIDTH, legend_above, logarithmic, say_below, style_of, wrapped
from rssr.render.tables.cost import gigamacs

_BUBBLE = 400  # square points, of the network with the most parameters
_WIDEST = 4  # times the range of the values, beyond which their intervals do not set the axis
_PASSES = (("forward", "forward", "-"), ("forward_backward", "forward + backward", "--"))  # column, label, line


def quality_cost(
    quality: pd.DataFrame, profiles: Mapping[str, Mapping[str, Any]], models: Mapping[str, Mapping], metric: str
) -> plt.Figure:
    """Quality with its interval against parameters, against MACs and against latency, one point per method.

    Latency is the median with its 5 % and 95 % quantiles. A cost of 0 stands before a dotted line. The area of the
    bubbles is the number of parameters, relative to the largest. Intervals far wider than what lies between the methods
    run out of the axis, and a line below says how far.

    Args:
        quality: the numbers of the quality table.
        profiles: model -> results/profile/x{scale}/{model}.json.
        models: model -> `label`, in the order of the configuration.
        metric: the column of quality to draw.
    """
    interval = [f"{metric}{end}" for end in ("", "_low", "_high")]
    rows = quality.set_index("model").reindex(columns=interval)  # no columns where nothing has a value
    latencies = {name: profiles[name]["latency"] for name in models}
    device = next(iter(latencies.values()))["device"]
    costs = {
        "Parameters (M)": {name: [profiles[name]["parameters"] / 1e6] * 3 for name in models},
        "MACs (G)": {name: [gigamacs(profiles[name])] * 3 for name in models},
        f"Latency on {device} (ms)": {name: percentiles(latency["samples_ms"]) for name, latency in latencies.items()},
    }
    largest = max(profile["parameters"] for profile in profiles.values()) or 1
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 2.6), sharey=True)
        axes[0].set_ylabel(METRICS[metric].label)
        for axis, (label, by_model) in zip(axes, costs.items(), strict=True):
            axis.set_xlabel(wrapped(label, 0.27 * WIDTH, 8))
            zero = logarithmic(axis.xaxis, [cost for found in by_model.values() for cost in found])
            for index, (name, model) in enumerate(models.items()):
                value, low, high = rows.loc[name]
                fast, middle, slow = (cost or zero for cost in by_model[name])
                errors = {"xerr": [[middle - fast], [slow - middle]], "yerr": [[value - low], [high - value]]}
                look = style_of(index) | {"linestyle": "none"}
                axis.errorbar(middle, value, **errors, elinewidth=0.8, label=model["label"], **look)
                area = _BUBBLE * profiles[name]["parameters"] / largest
                axis.scatter(middle, value, area, look["color"], alpha=0.25, linewidths=0, zorder=1, clip_on=False)
        absent = [model["label"] for name, model in models.items() if not np.isfinite(rows.loc[name, metric])]
        said = [f"Not drawn, without a finite mean: {', '.join(absent)}"] if absent else []
        say_below(figure, "; ".join(said + _zoomed(axes[0], rows.loc[list(models)], metric)))
        legend_above(figure, axes[0])
    return figure


def _zoomed(axis: plt.Axes, rows: pd.DataFrame, metric: str) -> list[str]:
    """Limit an axis of quality to the values where the intervals would hide what lies between them; says so."""
    finite = rows.replace([np.inf, -np.inf], np.nan).agg(["min", "max"])
    between = np.ptp(finite[metric])
    low, high = finite.loc["min", f"{metric}_low"], finite.loc["max", f"{metric}_high"]
    if not high - low > _WIDEST * between > 0:
        return []
    axis.set_ylim(finite.loc["min", metric] - between, finite.loc["max", metric] + between)
    return [f"Intervals run out of the axis: they reach from {low:.4g} to {high:.4g}"]


def mlstm_growth(measured: pd.DataFrame) -> plt.Figure:
    """Time and peak memory of the mLSTM cell's two forms against the number of tokens.

    Args:
        measured: results/reference/mlstm_growth.csv, which benchmarks/mlstm.py writes.
    """
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.8))
        for axis, quantity, unit in zip(axes, ("Time (s)", "Peak memory (MiB)"), ("s", "peak_mib"), strict=True):
            for index, (form, rows) in enumerate(measured.groupby("form", sort=True)):
                for passes, label, line in _PASSES:
                    look = style_of(index) | {"linestyle": line}
                    axis.plot(rows["tokens"], rows[f"{passes}_{unit}"], label=f"{form}, {label}", **look)
            axis.set(xlabel="Tokens", ylabel=quantity)
            logarithmic(axis.xaxis, measured["tokens"])
            axis.set_xticks(sorted(set(measured["tokens"])))
            logarithmic(axis.yaxis, measured.filter(regex=f"forward_{unit}|backward_{unit}").to_numpy().ravel())
        legend_above(figure, axes[0])
    return figure
