"""Tables of quality: the methods' scores on a test set, by class, on all test sets, and against a reference method."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rssr.metrics.registry import METRICS
from rssr.metrics.statistics import holm, mean_interval, paired
from rssr.render.tables.table import ARROWS, Column, Table, model_notes


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
    numbers = _means(scores, models, settings)
    metrics = metrics_of(numbers)
    columns = []
    for metric in metrics:
        if draws:
            seeds = [draws.get(name, {}).get(metric) for name in scores]
            numbers[f"{metric}_spread"] = [np.nan if means is None else np.ptp(means) for means in seeds]
        columns += [metric_column(metric), *_beside(numbers, metric, published)]
    caption = (
        f"{title}. Mean over {numbers['images'][0]} images and its {_interval(settings)}; best bold, second "
        f"underlined. {protocols(metrics)}"
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
    return Table(numbers, columns, caption, model_notes(models) + _undefined(scores, models) + notes)


def classes(
    scores: Mapping[str, pd.DataFrame],
    models: Mapping[str, Mapping],
    title: str,
    settings: Mapping[str, Any],
    pattern: str,
) -> Table:
    """The quality table of one test set, class by class.

    Args:
        scores: model -> its scores, a row an image, the same images in the same order.
        models: model -> `label` and `notes`, a list.
        title: what was upscaled, for the caption.
        settings: see mean_interval().
        pattern: regular expression whose group is the class in an image's name, see datasets.card.DataSet.
    """
    images = next(iter(scores.values()))["image"].str.extract(pattern, expand=False).to_numpy()
    parts = []
    for name in dict.fromkeys(images):
        inside = {model: frame[images == name] for model, frame in scores.items()}
        parts.append(_means(inside, models, settings).assign(**{"class": name}))
    numbers = pd.concat(parts, ignore_index=True)
    metrics = metrics_of(numbers)
    caption = (
        f"{title}, by class. Mean over the images of a class and its {_interval(settings)}; best of a class bold, "
        f"second underlined. {protocols(metrics)}"
    )
    columns = [Column("images", "Images", 0), *map(metric_column, metrics)]
    return Table(numbers, columns, caption, model_notes(models), group=Column("class", "Class", None))


def side_by_side(
    qualities: Sequence[pd.DataFrame], sets: Sequence[Mapping[str, Any]], models: Mapping[str, Mapping]
) -> Table:
    """The means on all test sets side by side, scale by scale and degradation by degradation.

    Args:
        qualities: numbers of the quality table of each test set.
        sets: of each, in the same order: `dataset`, `label`, `scale`, `degradation` and `conditions`, in words.
        models: model -> `notes`, a list.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    columns: dict[str, Column] = {}
    conditions: dict[str, str] = {}
    for shown, numbers in zip(sets, qualities, strict=True):
        group = f"x{shown['scale']} {shown['degradation']}"
        conditions[group] = shown["conditions"]
        over = f"{shown['label']} ({numbers['images'][0]} images)"
        keys = {metric: f"{shown['dataset']}_{metric}" for metric in metrics_of(numbers)}
        columns |= {key: metric_column(metric, key, over) for metric, key in keys.items()}
        for row in numbers.to_dict("records"):
            named = {"conditions": group, "model": row["model"], "label": row["label"]}
            means = {key: row[metric] for metric, key in keys.items()}
            rows[group, row["model"]] = rows.get((group, row["model"]), named) | means
    numbers = pd.DataFrame(list(rows.values()))
    metrics = list(dict.fromkeys(metric for frame in qualities for metric in metrics_of(frame)))
    several = len(conditions) > 1
    caption = (
        f"All test sets{'' if several else f', {next(iter(conditions.values()))}'}. Mean over the images; best bold, "
        f"second underlined{' in each group of rows' if several else ''}. {protocols(metrics)} Intervals are in the "
        "table of each test set."
    )
    notes = (
        conditions_of({"name": group, "conditions": words} for group, words in conditions.items()) if several else []
    )
    missing = [metric for metric in metrics if all(frame[metric].isna().all() for frame in qualities)]
    return Table(
        numbers,
        list(columns.values()),
        caption,
        notes + model_notes(models) + not_computed(dict.fromkeys(missing, "")),
        group=Column("conditions", "Scale, LR", None) if several else None,
    )


def conditions_of(sets: Iterable[Mapping[str, Any]]) -> list[str]:
    """Notes on how test sets were upscaled, those of the same `conditions` in one, by their `name`."""
    names: dict[str, list[str]] = {}
    for shown in sets:
        names.setdefault(shown["conditions"], []).append(shown["name"])
    return [f"{'; '.join(of_these)}: {words}." for words, of_these in names.items()]


def metrics_of(numbers: pd.DataFrame) -> list[str]:
    """The metrics that are columns of a data frame, in the order of the registry."""
    return [name for name in METRICS if name in numbers]


def metric_column(metric: str, key: str | None = None, over: str = "") -> Column:
    """The column of a metric's means, in the data frame's column `key`, which is named as the metric by default."""
    card = METRICS[metric]
    return Column(key or metric, f"{card.label} {ARROWS[card.better]}", card.digits, card.better, over)


def protocols(metrics: Iterable[str]) -> str:
    """What exactly the metrics are, a sentence each, for a caption."""
    return " ".join(f"{METRICS[metric].label.split(' (')[0]}: {METRICS[metric].protocol}." for metric in metrics)


def not_computed(absent: Mapping[str, str]) -> list[str]:
    """Notes on metrics without a value; metric -> why, empty where it is not known."""
    return [
        f"{METRICS[metric].label}: not computed{f', because {reason}' if reason else ''}; "
        f"results/metrics/{metric}.json says what to do"
        for metric, reason in absent.items()
    ]


def _means(
    scores: Mapping[str, pd.DataFrame], models: Mapping[str, Mapping], settings: Mapping[str, Any]
) -> pd.DataFrame:
    """A row a model: `model`, `label`, `images`, and of each metric the mean and the ends of its interval."""
    rows = []
    for name, frame in scores.items():
        row: dict[str, Any] = {"model": name, "label": models[name]["label"], "images": len(frame)}
        for metric in metrics_of(frame):
            numbers = mean_interval(pd.to_numeric(frame[metric]).to_numpy(float), settings)
            row |= dict(zip((metric, f"{metric}_low", f"{metric}_high"), numbers, strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def _undefined(scores: Mapping[str, pd.DataFrame], models: Mapping[str, Mapping]) -> list[str]:
    """Notes on means that do not exist, because the metric has no value for some of the images."""
    return [
        f"{models[name]['label']}, {METRICS[metric].label}: not a number for {count} of {len(frame)} images, such as "
        "black ones, so there is no mean"
        for name, frame in scores.items()
        for metric in metrics_of(frame)
        if 0 < (count := int(frame[metric].isna().sum())) < len(frame)
    ]


def _interval(settings: Mapping[str, Any]) -> str:
    return (
        f"{100 * settings['confidence']:g} % interval (percentile bootstrap over images, {settings['resamples']} "
        f"resamples, seed {settings['seed']})"
    )


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
        Column(keys[1], f"{label} measured - published", METRICS[metric].digits, signed=True),
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
    for metric in metrics_of(scores[reference]):
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
        Column("difference", "Mean difference", 4, signed=True),
        Column("p_shown", "p (Holm)", None),
        Column("won_percent", "Images won (%)", 1),
    ]
    caption = (
        f"{title}. Each method minus {models[reference]['label']} on the same {len(scores[reference])} images: mean "
        f"difference and its {_interval(settings)}; p of Wilcoxon's signed-rank test, two-sided, Holm's correction "
        "over all rows; share of images on which the method is better, an equal image being half won. "
        f"{protocols(metrics_of(scores[reference]))}"
    )
    return Table(numbers, columns, caption, _undefined(scores, models), group=Column("metric", "Metric", None))
