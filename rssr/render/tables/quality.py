"""Tables of quality: the methods' scores on a test set, by class, on all test sets, and against a reference method."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from rssr.metrics.registry import METRICS
from rssr.metrics.statistics import holm, mean_interval, paired
from rssr.plan.test_set import TestSet
from rssr.render.literature import notes as notes_on_literature
from rssr.render.literature import rows as rows_of_literature
from rssr.render.tables.table import ARROWS, Column, Table, model_notes
from rssr.render.titles import title

Replicates = Mapping[str, Sequence[pd.DataFrame]]


def quality(
    scores: Mapping[str, pd.DataFrame],
    models: Mapping[str, Mapping],
    test: TestSet,
    settings: Mapping[str, Any],
    replicates: Replicates = MappingProxyType({}),
    literature: Sequence[Mapping[str, Any]] = (),
) -> Table:
    """The quality table of one test set.

    Args:
        scores: model -> its scores, one row per image.
        models: model -> `label` and `notes`, a list.
        test: the test set.
        settings: see mean_interval().
        replicates: model -> the scores of each of its replicates, see scores.read_replicates().
        literature: what papers print of this test set, see literature.for_test_set().
    """
    numbers = _means(scores, models, settings, replicates)
    metrics = metrics_of(numbers)
    caption = (
        f"{test.title}. Mean over {numbers['images'][0]} images and its {_interval(settings)}; best bold, second "
        f"underlined. {protocols(metrics)}{_over_replicates(replicates)}"
    )
    below = rows_of_literature(literature, models, metrics)
    if below:
        caption += " Below the rule: what others print, under the protocols below; it is never marked."
    return Table(
        numbers,
        list(map(metric_column, metrics)),
        title("quality", test.subject),
        caption,
        model_notes(models) + _undefined(scores, models) + notes_on_literature(literature, metrics),
        below=below,
    )


def classes(
    scores: Mapping[str, pd.DataFrame],
    models: Mapping[str, Mapping],
    test: TestSet,
    settings: Mapping[str, Any],
    replicates: Replicates = MappingProxyType({}),
) -> Table:
    """The quality table of one test set, class by class.

    Args:
        scores: model -> its scores, one row per image, the same images in the same order.
        models: model -> `label` and `notes`, a list.
        test: the test set.
        settings: see mean_interval().
        replicates: see quality().
    """
    images = next(iter(scores.values()))["image"].str.extract(test.classes, expand=False).to_numpy()
    parts = []
    for name in dict.fromkeys(images):
        inside = {model: frame[images == name] for model, frame in scores.items()}
        apart = {model: [frame[images == name] for frame in frames] for model, frames in replicates.items()}
        parts.append(_means(inside, models, settings, apart).assign(**{"class": name}))
    numbers = pd.concat(parts, ignore_index=True)
    metrics = metrics_of(numbers)
    caption = (
        f"{test.title}, by class. Mean over the images of a class and its {_interval(settings)}; best of a class bold, "
        f"second underlined. {protocols(metrics)}{_over_replicates(replicates)}"
    )
    columns = [Column("images", "Images", 0), *map(metric_column, metrics)]
    of_class = Column("class", "Class", None)
    return Table(numbers, columns, title("classes", test.subject), caption, model_notes(models), group=of_class)


def side_by_side(
    qualities: Mapping[tuple, pd.DataFrame], tests: Sequence[TestSet], models: Mapping[str, Mapping]
) -> Table:
    """The means on all test sets side by side, scale by scale and degradation by degradation.

    Args:
        qualities: what a test set is (dataset, scale, degradation) -> numbers of its quality table.
        tests: the test sets, in the order of the columns.
        models: model -> `label` and `notes`, a list.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    columns: dict[str, Column] = {}
    conditions: dict[str, str] = {}
    for test in tests:
        numbers = qualities[test.identity]
        group = f"x{test.scale} {test.degradation}"
        conditions[group] = test.conditions
        over = f"{test.label} ({numbers['images'][0]} images)"
        keys = {metric: f"{test.dataset}/{metric}" for metric in metrics_of(numbers)}
        columns |= {key: metric_column(metric, key, over) for metric, key in keys.items()}
        for row in numbers.to_dict("records"):
            named = {"conditions": group, "model": row["model"], "label": models[row["model"]]["label"]}
            means = {key: row[metric] for metric, key in keys.items()}
            spreads = {f"{key}_spread": row.get(f"{metric}_spread", np.nan) for metric, key in keys.items()}
            means |= {key: spread for key, spread in spreads.items() if pd.notna(spread)}
            rows[group, row["model"]] = rows.get((group, row["model"]), named) | means
    numbers = pd.DataFrame(list(rows.values()))
    metrics = list(dict.fromkeys(metric for frame in qualities.values() for metric in metrics_of(frame)))
    several = len(conditions) > 1
    caption = (
        f"All test sets{'' if several else f', {next(iter(conditions.values()))}'}. Mean over the images; best bold, "
        f"second underlined{' in each group of rows' if several else ''}. {protocols(metrics)} Intervals are in the "
        f"table of each test set.{' Δ: range over replicates.' if numbers.filter(like='_spread').size else ''}"
    )
    notes = [f"{group}: {words}." for group, words in conditions.items()] if several else []
    return Table(
        numbers,
        list(columns.values()),
        title("side_by_side"),
        caption,
        notes + model_notes(models),
        group=Column("conditions", "Scale, LR", None) if several else None,
    )


def conditions_of(tests: Iterable[TestSet]) -> list[str]:
    """Notes on how test sets were upscaled, those of the same conditions in one, by their names."""
    names: dict[str, list[str]] = {}
    for test in tests:
        names.setdefault(test.conditions, []).append(test.name)
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
    return " ".join(f"{METRICS[metric].name}: {METRICS[metric].protocol}." for metric in metrics)


def not_computed(absent: Mapping[str, str]) -> list[str]:
    """Notes on metrics that are no column, since nothing has a value; metric -> why, and what to do."""
    return [f"{METRICS[metric].label}: not computed, because {reason}" for metric, reason in absent.items()]


def _computed(scores: Mapping[str, pd.DataFrame]) -> list[str]:
    """The metrics that at least one image of one model has a value of: a column of dashes says nothing."""
    return [name for name in METRICS if any(name in frame and frame[name].notna().any() for frame in scores.values())]


def _means(
    scores: Mapping[str, pd.DataFrame],
    models: Mapping[str, Mapping],
    settings: Mapping[str, Any],
    replicates: Replicates,
) -> pd.DataFrame:
    """One row per model: `model`, `label`, `images`, and of each metric the mean and the ends of its interval.

    Where a model has replicates, also how far their means are apart.
    """
    rows, metrics = [], _computed(scores)
    for name, frame in scores.items():
        row: dict[str, Any] = {"model": name, "label": models[name]["label"], "images": len(frame)}
        for metric in metrics:
            numbers = mean_interval(pd.to_numeric(frame[metric]).to_numpy(float), settings)
            row |= dict(zip((metric, f"{metric}_low", f"{metric}_high"), numbers, strict=True))
            if any(replicates.values()):
                row[f"{metric}_spread"] = _spread(replicates.get(name, []), metric)
        rows.append(row)
    return pd.DataFrame(rows)


def _spread(replicates: Sequence[pd.DataFrame], metric: str) -> float:
    """The range of the replicates' means; not a number where there is one replicate only."""
    return float(np.ptp([frame[metric].mean(skipna=False) for frame in replicates])) if replicates else np.nan


def _over_replicates(replicates: Replicates) -> str:
    """What a caption says of them; nothing where no model has several."""
    counts = sorted({len(frames) for frames in replicates.values() if frames})
    return (
        f" Δ: range of the means of {' or '.join(map(str, counts))} replicates; the mean is over them."
        if counts
        else ""
    )


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


def significance(
    scores: Mapping[str, pd.DataFrame],
    models: Mapping[str, Mapping],
    test: TestSet,
    settings: Mapping[str, Any],
    reference: str,
    replicates: Replicates = MappingProxyType({}),
) -> Table:
    """Every method against a reference method, image by image, for every metric.

    Where methods have replicates, a difference that is smaller than their means lie apart is named.

    Args:
        scores: model -> its scores, one row per image, the same images in the same order.
        models: model -> `label`.
        test: the test set.
        settings: see statistics.mean_interval().
        reference: the model that the others are compared with.
        replicates: see quality().
    """
    rows, metrics, notes = [], _computed(scores), _undefined(scores, models)
    for metric in metrics:
        compared = pd.to_numeric(scores[reference][metric]).to_numpy(float)
        for name, frame in scores.items():
            values = pd.to_numeric(frame[metric]).to_numpy(float)
            if name == reference or np.isnan([values, compared]).any():
                continue
            found = paired(values, compared, METRICS[metric].better, settings)
            label = {"model": name, "label": models[name]["label"], "metric": METRICS[metric].label}
            apart = [_spread(replicates.get(model, []), metric) for model in (name, reference)]
            label["spread"] = np.nan if np.isnan(apart).all() else np.nanmax(apart)
            if abs(found["difference"]) < label["spread"]:
                notes.append(
                    f"{label['label']}, {label['metric']}: the difference is smaller than the spread of replicates"
                )
            rows.append(label | found | {"won_percent": 100 * found.pop("won")})
    keys = ("model", "label", "metric", "difference", "difference_low", "difference_high", "p", "won_percent", "spread")
    numbers = pd.DataFrame(rows, columns=keys)
    numbers["p_holm"] = holm(numbers["p"].tolist())
    columns = [
        Column("difference", "Mean difference", 4, signed=True),
        Column("p_holm", "p (Holm)", 3, smallest=True),
        Column("won_percent", "Images won (%)", 1),
    ]
    if numbers["spread"].notna().any():
        columns.append(Column("spread", "Spread of replicates", 4))
    caption = (
        f"{test.title}. Each method minus {models[reference]['label']} on the same {len(scores[reference])} images: "
        f"mean difference and its {_interval(settings)}; p of Wilcoxon's signed-rank test, two-sided, Holm's "
        "correction over all rows; share of images on which the method is better, an equal image being half won. "
        f"{protocols(metrics)}"
    )
    if numbers["spread"].notna().any():
        caption += " Spread of replicates: range of their means, the larger of both methods'."
    of_metric = Column("metric", "Metric", None)
    return Table(numbers, columns, title("significance", test.subject), caption, notes, group=of_metric)
