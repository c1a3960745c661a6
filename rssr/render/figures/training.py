"""The figure of training curves."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd

from rssr.render.figures.style import STYLE, WIDTH, legend_above, logarithmic, style_of


def training_curves(curves: Sequence[tuple[str, pd.DataFrame]], models: Mapping[str, Mapping]) -> plt.Figure:
    """Loss and learning rate of every trained model against the iteration, a line for each seed.

    The loss is drawn lightly as it was recorded, and over it the mean of a window of a twentieth of the run; one row
    alone is a point.

    Args:
        curves: (model, results/weights/{model}/{dataset}/x{scale}/{replicate}.csv), a pair for each seed.
        models: model -> `label`, in the order of the configuration.
    """
    with mpl.rc_context(STYLE):
        figure, (losses, rates) = plt.subplots(2, 1, figsize=(WIDTH, 3.9), sharex=True, height_ratios=[2.4, 1])
        for number, (name, curve) in enumerate(curves):
            first = name not in [before for before, _ in curves[:number]]
            look = (
                style_of(list(models).index(name)) | {"linewidth": 1.6} | ({"marker": "none"} if len(curve) > 1 else {})
            )
            smooth = curve["loss"].rolling(max(1, len(curve) // 20), center=True, min_periods=1).mean()
            losses.plot(curve["iteration"], curve["loss"], color=look["color"], alpha=0.4, linewidth=0.7)
            losses.plot(curve["iteration"], smooth, label=models[name]["label"] if first else None, **look)
            rates.plot(curve["iteration"], curve["learning_rate"], **look)
        logarithmic(losses.yaxis, pd.concat([curve["loss"] for _, curve in curves]))
        losses.set_ylabel("Loss")
        rates.set(xlabel="Iteration", ylabel="Learning rate", ylim=(0, None))
        legend_above(figure, losses)
    return figure
