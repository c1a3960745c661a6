"""The figure of power spectra: of SR images, and relative to HR."""

from collections.abc import Mapping

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from rssr.render.figures.style import HR_STYLE, STYLE, WIDTH, legend_above, logarithmic, style_of


def spectra(measured: Mapping[str, pd.DataFrame], models: Mapping[str, Mapping], scale: int) -> plt.Figure:
    """Radial power spectra of HR and of every method, and those of the methods relative to HR.

    Args:
        measured: model -> results/spectra/{dataset}/x{scale}-{degradation}/{model}.csv.
        models: model -> `label`, in the order of the configuration.
        scale: upscaling factor; frequencies above 0.5 / scale are not in LR.
    """
    hr = next(iter(measured.values()))
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.0))
        axes[0].plot(hr["frequency"], hr["hr"], label="HR", **HR_STYLE)
        axes[1].axhline(1, **HR_STYLE)
        for index, (name, model) in enumerate(models.items()):
            rows = measured[name]
            look = style_of(index) | {"markersize": 3.5, "markevery": (index % 5, 5)}
            axes[0].plot(rows["frequency"], rows["sr"], label=model["label"], **look)
            axes[1].plot(rows["frequency"], rows["sr"] / rows["hr"], **look)
        for axis in axes:
            axis.axvline(0.5 / scale, color="0.4", linestyle=":", linewidth=1, label="Nyquist frequency of LR")
            axis.set(xlabel="Frequency (cycles per pixel)", xlim=(0, 0.5))
        axes[0].set_ylabel("Power of the luma (levels²)")
        axes[1].set_ylabel("Power as a part of HR's")
        power = np.concatenate([hr["hr"], *(rows["sr"] for rows in measured.values())])
        ratios = np.concatenate([[1.0], *(rows["sr"] / rows["hr"] for rows in measured.values())])
        for axis, values in zip(axes, (power, ratios), strict=True):
            logarithmic(axis.yaxis, values[values > 0])
        legend_above(figure, axes[0])
    return figure
