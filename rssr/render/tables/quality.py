"""Tables of quality: the methods' scores on a test set, by class, and on all test sets."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from rssr.metrics.registry import METRICS
from rssr.metrics.statistics import interval
from rssr.plan.test_set import TestSet
from rssr.render.literature import notes as notes_on_literature
from rssr.render.literature import rows as rows_of_literature
from rssr.render.tables.comparison import standing
from rssr.render.tables.notes import boxes_in_figures, model_notes
from rssr.render.tables.scored import (
    Replicates,
    computed,
    images_of,
    metric_column,
    metrics_of,
    over_replicates,
    protocols,
    spread,
    undefined,
    with_interval,
)
from rssr.render.tables.table import Column, Table
from rssr.render.titles import title
from rssr.render.words import counted


def quality(
    scores: Mapping[str, pd.DataFrame],
    models: Mapping[str, Mapping],
    test: TestSet,
    settings: Mapping[str, Any],
    replicates: Replicates = MappingProxyType({}),
    literature: Sequence[Mapping[str, Any]] = (),
    repeated: float = 0.0,
) -> Table:
    """The quality table of one test set.

    Args:
        scores: model -> its scores, one row per image.
        models: model -> `label` and `notes`, a list.
        test: the test set.
        settings: `statistics` of the configuration.
        replicates: model -> the scores of each of its replicates, see scores.read_replicates().
        literature: values reported for this test set, see literature.for_test_set().
        repeated: share of the scored pixels that an earlier tile has too.
    """
    numbers = _means(scores, models, settings, replicates)
    metrics = metrics_of(numbers)
    mean = f"Mean over {images_of(next(iter(scores.values())))}"
    caption = (
        f"{test.title}. {with_interval(mean, numbers, numbers['sources'].max(), settings)}; best bold, second "
        f"underlined. {protocols(metrics)}{over_replicates(replicates)}"
    )
    if repeated:
        caption += f" Tiles overlap: {100 * repeated:.2g} % of the scored pixels lie in an earlier tile too."
    columns = list(map(metric_column, metrics))
    decides, numbers["rank"], said = standing(scores, models, settings, replicates)
    if numbers["rank"].notna().any():
        columns.insert(0, Column("rank", f"Rank ({METRICS[decides].name})", 0))
        caption += " Methods that cannot be told apart share a rank."
    images = next(iter(scores.values()))["image"]
    names = {"Data set": test.name, "Names of images": "".join(map(str, images))}
    below = rows_of_literature(literature, models, metrics)
    if below:
        caption += " Below the rule: values from the literature, with protocols noted below; they are not ranked."
    return Table(
        numbers,
        columns,
        title("quality", test.subject),
        caption,
        [*([said] if said else []), *model_notes(models), *boxes_in_figures(names), *undefined(scores, models)]
        + notes_on_literature(literature, metrics),
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
        settings: `statistics` of the configuration.
        replicates: see quality().

    Raises:
        UserError: for a data set without classes.
    """
    test.check_classes()
    images = next(iter(scores.values()))["image"].str.extract(test.classes, expand=False).to_numpy()
    parts = []
    for name in dict.fromkeys(images):
        inside = {model: frame[images == name] for model, frame in scores.items()}
        apart = {
            model: {replicate: frame[images == name] for replicate, frame in frames.items()}
            for model, frames in replicates.items()
        }
        parts.append(_means(inside, models, settings, apart).assign(**{"class": name}))
    numbers = pd.concat(parts, ignore_index=True)
    metrics = metrics_of(numbers)
    mean = with_interval("Mean over the images of a class", numbers, numbers["sources"].max(), settings)
    caption = (
        f"{test.title}, by class. {mean}; best of a class bold, second underlined. "
        f"{protocols(metrics)}{over_replicates(replicates)}"
    )
    columns = [Column("images", "Images", 0), *map(metric_column, metrics)]
    of_class = Column("class", "Class", None)
    return Table(numbers, columns, title("classes", test.subject), caption, model_notes(models), group=of_class)


def side_by_side(
    qualities: Mapping[tuple, pd.DataFrame], tests: Sequence[TestSet], models: Mapping[str, Mapping]
) -> Table:
    """The means on all test sets side by side, scale by scale and degradation by degradation.

    Args:
        qualities: (dataset, scale, degradation) of a test set -> the numbers of its quality table.
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
        over = f"{test.label} ({counted(numbers['images'][0], 'image')})"
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
    spread_said = " Δ: range over replicates." if any(f"{key}_spread" in numbers for key in columns) else ""
    caption = (
        f"All test sets{'' if several else f', {next(iter(conditions.values()))}'}. Mean over the images; best bold, "
        f"second underlined{' in each group of rows' if several else ''}. {protocols(metrics)} Intervals are in the "
        f"table of each test set.{spread_said}"
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


def _means(
    scores: Mapping[str, pd.DataFrame],
    models: Mapping[str, Mapping],
    settings: Mapping[str, Any],
    replicates: Replicates,
) -> pd.DataFrame:
    """One row per model: `model`, `label`, `images`, and for each metric the mean and the bounds of its interval.

    If a model has replicates, also the range of their means.
    """
    rows, metrics = [], computed(scores)
    for name, frame in scores.items():
        row: dict[str, Any] = {"model": name, "label": models[name]["label"], "images": len(frame)}
        row["sources"] = frame["unit"].nunique()
        for metric in metrics:
            values = pd.to_numeric(frame[metric]).to_numpy(float)
            row[metric] = values.mean()
            row[f"{metric}_low"], row[f"{metric}_high"] = interval(
                values, frame["unit"], settings["confidence"], settings["resamples"], settings["seed"]
            )
            if any(replicates.values()):
                row[f"{metric}_spread"] = spread(replicates.get(name, {}), metric)
        rows.append(row)
    return pd.DataFrame(rows)
