"""Which choices decide the winner: the aggregation of the scores, and the measuring protocol."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from rssr.metrics.registry import METRICS
from rssr.metrics.statistics import aggregations, rank_correlation
from rssr.plan.test_set import TestSet
from rssr.render.protocols import one_choice_at_a_time
from rssr.render.tables.scored import complete, computed, images_of, undefined
from rssr.render.tables.table import Column, Table
from rssr.render.titles import title

_AUDITED = {"psnr": "PSNR (dB), audit", "ssim": "SSIM, audit"}  # the choices name the colour


def aggregation(
    scores: Mapping[str, pd.DataFrame],
    models: Mapping[str, Mapping],
    test: TestSet,
    repeated: Mapping[str, float] = MappingProxyType({}),
    audits: Mapping[str, pd.DataFrame] = MappingProxyType({}),
) -> Table:
    """The best method by every aggregation of the scores, and under every protocol that differs in one choice.

    Args:
        scores: model -> its scores, one row per image, the same images in the same order.
        models: model -> `label`.
        test: the test set.
        repeated: image -> share of its pixels that an earlier one has too, see scores.repeated().
        audits: model -> what an audit measured; without two models there is no order to change.
    """
    frame, rows, notes = next(iter(scores.values())), [], undefined(scores, models)
    groups = {"classes": frame["image"].str.extract(test.classes, expand=False)} if test.classes else {}
    if frame["unit"].nunique() < len(frame):
        groups["sources"] = frame["unit"]
    shares = [repeated.get(image, 0.0) for image in frame["image"]]
    for metric in computed(scores):
        card = METRICS[metric]
        found = {
            name: aggregations(values, groups, shares, card.unit == "dB")
            for name, values in complete(scores, metric).items()
        }
        rows += _choices(card.label, pd.DataFrame(found), models, card.better, notes)
    if len(audits) > 1:
        moved = {name: one_choice_at_a_time(measured) for name, measured in audits.items()}
        for metric, label in _AUDITED.items():
            values = {name: _by_protocol(measured)[metric] for name, measured in moved.items()}
            rows += _choices(label, pd.DataFrame(values), models, "higher", notes)
    columns = [
        Column("best", "Best method", None),
        Column("score", "Score", 4),
        Column("lead", "Lead over the next", 4),
        Column("rho", "Spearman's rho", 3),
        Column("changed", "Winner changes", None),
    ]
    ways = ["trimmed means leave out that share of the images at each end"]
    if groups:
        ways.append(f"over {' or '.join(groups)}, each of them counts as one image")
    if any(METRICS[metric].unit == "dB" for metric in computed(scores)):
        ways.append("PSNR of the mean MSE averages squared errors over the images")
    caption = (
        f"{test.title}. One number of the scores of {images_of(frame)}, made in several ways: {'; '.join(ways)}"
        f"{_once(shares)}. Rho and the winner are compared with the first row of a metric. The CSV has the score of "
        "every method."
    )
    if len(audits) > 1:
        caption += " Audit: the audited methods under protocols that differ from the stated one in one choice."
    keys = ("metric", "label", *(column.key for column in columns), *(f"score/{name}" for name in scores))
    numbers = pd.DataFrame(rows, columns=keys)
    of_metric = Column("metric", "Metric", None)
    return Table(
        numbers, columns, title("aggregation", test.subject), caption, notes, group=of_metric, names="Aggregation"
    )


def _choices(
    metric: str, values: pd.DataFrame, models: Mapping[str, Mapping], better: str, notes: list[str]
) -> list[dict[str, Any]]:
    """The rows of a metric, one per row of `values`, whose columns are methods; a note says what changes the winner."""
    rows, stated = [], None
    for choice, of in values.iterrows():
        order = of.sort_values(ascending=better == "lower")
        winners = [name for name in values if of[name] == order.iloc[0]]
        stated = stated or (of, winners)
        rows.append(
            {
                "metric": metric,
                "label": choice,
                "best": " and ".join(models[name]["label"] for name in winners),
                "score": order.iloc[0],
                "lead": _lead(order.to_numpy()),
                "rho": rank_correlation(of, stated[0]),
                "changed": "no" if winners == stated[1] else "yes",
            }
            | {f"score/{name}": value for name, value in of.items()}
        )
    if len(values.columns) > 1:
        changing = [f"{row['label']} ({row['best']})" for row in rows if row["changed"] == "yes"]
        said = f"the winner changes by {', '.join(changing)}" if changing else "no choice changes the winner"
        verb = "is" if len(stated[1]) == 1 else "are"
        notes.append(f"{metric}: {rows[0]['best']} {verb} best by {rows[0]['label']}; {said}")
    return rows


def _lead(ordered: np.ndarray) -> float:
    if len(ordered) < 2:
        return np.nan
    return 0.0 if ordered[0] == ordered[1] else abs(ordered[0] - ordered[1])


def _by_protocol(moved: pd.DataFrame) -> pd.DataFrame:
    return moved.set_index((moved["choice"] + " " + moved["option"]).str.strip())


def _once(shares: list[float]) -> str:
    """What the caption says of overlapping tiles."""
    if not any(shares):
        return ""
    return (
        "; each pixel once weights a tile by the share of its pixels that no earlier tile has "
        f"({100 * np.mean(shares):.2g} % of the scored pixels are in one too)"
    )
