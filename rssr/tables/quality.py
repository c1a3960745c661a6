"""Tables of quality: the methods' scores on a test set, and how they compare with a reference method."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rssr.metrics.registry import METRICS
from rssr.metrics.statistics import holm, mean_interval, paired
from rssr.tables.table import ARROWS, Column, Table, model_notes


def quality(
    scores: Mapping[str, pd.DataFrame],
    models: Mapping[str, Mapping],
    title: str,
    settings: Mapping[str, Any],
    draws: Mapping[str, Mapping[str, list[float]]] | None = None,
    published: Sequence[Mapping[str, str]] = (),
) -> Table:
    """The quality table of one test set.

    Args:
        scores: model -> its scores, a row an image.
        models: model -> `label` and `notes`, a list.
        title: what was upscaled, for the caption.
        settings: see mean_interval().
        draws: model -> metric -> the mean over the images for every seed of a network that draws random numbers.
        published: what papers print of these models on this test set, see published.for_table().
    """
    draws = {name: found for name, found in (draws or {}).items() if found}
    metrics = [name for name in METRICS if name in next(iter(scores.values()))]
    rows = []
    for name, frame in scores.items():
        row: dict[str, Any] = {"model": name, "label": models[name]["label"], "images": len(frame)}
        for metric in metrics:
            numbers = mean_interval(pd.to_numeric(frame[metric]).to_numpy(float), settings)
            row |= dict(zip((metric, f"{metric}_low", f"{metric}_high"), numbers, strict=True))
            if draws:
                row[f"{metric}_spread"] = np.ptp(draws[name][metric]) if metric in draws.get(name, {}) else np.nan
        rows.append(row)
    numbers = pd.DataFrame(rows)
    columns = []
    for m in metrics:
        columns.append(
            Column(m, f"{METRICS[m].label} {ARROWS[METRICS[m].better]}", METRICS[m].digits, METRICS[m].better)
        )
        columns += _beside(numbers, m, published)
    level = f"{100 * settings['confidence']:g} %"
    caption = (
        f"{title}. Mean over {rows[0]['images']} images and its {level} interval (percentile bootstrap over images, "
        f"{settings['resamples']} resamples, seed {settings['seed']}); best bold, second underlined. "
        + ". ".join(f"{METRICS[m].label.split(' (')[0]}: {METRICS[m].protocol}" for m in metrics)
        + "."
    )
    if draws:
        seeds = len(next(iter(next(iter(draws.values())).values())))
        caption += f" Δ: the network draws random numbers, and its means over {seeds} seeds lie so far apart."
    notes = [
        f"{models[value['model']]['label']}, {METRICS[value['metric']].label}: {value['value']} published "
        f"({value['source']}). Protocols agree: {value['agrees']}{f' ({why})' if (why := value['why']) else ''}."
        for value in published
        if value["model"] in models and value["metric"] in metrics
    ]
    return Table(numbers, columns, caption, model_notes(models) + notes)


def _beside(numbers: pd.DataFrame, metric: str, published: Sequence[Mapping[str, str]]) -> list[Column]:
    """Add what papers print of a metric to the numbers: the value, measured minus that, whether the protocols agree."""
    found = {value["model"]: value for value in published if value["metric"] == metric}
    if not set(found) & set(numbers["model"]):
        return []
    keys = [f"{metric}_{key}" for key in ("published", "difference", "agrees")]
    values = [found.get(model, {}) for model in numbers["model"]]
    numbers[keys[0]] = [value.get("value") for value in values]
    numbers[keys[1]] = numbers[metric] - pd.to_numeric(numbers[keys[0]])
    numbers[keys[2]] = [value.get("agrees") for value in values]
    label = METRICS[metric].label.split(" (")[0]
    return [
        Column(keys[0], f"{label} published", None),
        Column(keys[1], f"{label} measured - published", METRICS[metric].digits),
        Column(keys[2], f"{label}: protocols agree", None),
    ]


def significance(
    scores: Mapping[str, pd.DataFrame],
    models: Mapping[str, Mapping],
    title: str,
    settings: Mapping[str, Any],
    reference: str,
) -> Table:
    """Every method against a reference method, image by image, for every metric.

    Args:
        scores: model -> its scores, a row an image, the same images in the same order.
        models: model -> `label`.
        title: what was upscaled, for the caption.
        settings: see statistics.mean_interval().
        reference: the model that the others are compared with.
    """
    rows = []
    for metric in (name for name in METRICS if name in scores[reference]):
        compared = pd.to_numeric(scores[reference][metric]).to_numpy(float)
        for name, frame in scores.items():
            values = pd.to_numeric(frame[metric]).to_numpy(float)
            if name == reference or np.isnan([values, compared]).any():
                continue
            found = paired(values, compared, METRICS[metric].better, settings)
            label = {"model": name, "label": models[name]["label"], "metric": METRICS[metric].label}
            rows.append(label | found | {"won_percent": 100 * found.pop("won")})
    keys = ("model", "label", "metric", "difference", "difference_low", "difference_high", "p", "won_percent")
    numbers = pd.DataFrame(rows, columns=keys)
    numbers["p_holm"] = holm(numbers["p"].tolist())
    numbers["p_shown"] = [f"{p:.3f}" if p >= 0.0005 else "< 0.001" for p in numbers["p_holm"]]
    columns = [
        Column("metric", "Metric", None),
        Column("difference", "Mean difference", 4),
        Column("p_shown", "p (Holm)", None),
        Column("won_percent", "Images won (%)", 1),
    ]
    caption = (
        f"{title}. Each method minus {models[reference]['label']} on the same {len(scores[reference])} images: mean "
        f"difference and its {100 * settings['confidence']:g} % interval (percentile bootstrap over images, "
        f"{settings['resamples']} resamples, seed {settings['seed']}); p of Wilcoxon's signed-rank test, two-sided, "
        "Holm's correction over all rows; share of images on which the method is better."
    )
    return Table(numbers, columns, caption)
