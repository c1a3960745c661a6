"""Which methods can be told apart on a test set: the table of pairs, ranks, and a one-sentence summary."""

import itertools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from rssr.metrics.registry import METRICS
from rssr.metrics.statistics import all_pairs, holm, paired, ranks, smallest_p
from rssr.plan.test_set import TestSet
from rssr.render.tables.scored import (
    Replicates,
    complete,
    computed,
    images_of,
    interval_in_words,
    protocols,
    spread,
    undefined,
)
from rssr.render.tables.table import Column, Table
from rssr.render.titles import title

_ALL = 6  # methods up to which every pair is a row of the table


def significance(
    scores: Mapping[str, pd.DataFrame],
    models: Mapping[str, Mapping],
    test: TestSet,
    settings: Mapping[str, Any],
    replicates: Replicates = MappingProxyType({}),
) -> Table:
    """Methods against each other on the same images, for every metric.

    With `reference` in the settings each method is compared with that one; otherwise up to six methods are compared in
    all pairs; beyond six, each is compared with the best. A note flags differences smaller than the spread over
    replicates.

    Args:
        scores: model -> its scores, one row per image, the same images in the same order.
        models: model -> `label`.
        test: the test set.
        settings: `statistics` of the configuration.
        replicates: model -> the scores of each of its replicates, see scores.read_replicates().
    """
    frame, metrics, rows, notes = next(iter(scores.values())), computed(scores), [], undefined(scores, models)
    for metric in metrics:
        values = complete(scores, metric)
        p = _p_of_pairs(values, settings["reference"], frame["unit"])
        for one, other in _pairs(values, settings["reference"], METRICS[metric].better):
            found = paired(values[one], values[other], METRICS[metric].better, settings, frame["unit"])
            names = {"model": one, "label": models[one]["label"], "against": models[other]["label"]}
            found |= {"p_holm": p[one, other], "won_percent": 100 * found.pop("won")}
            apart = [spread(replicates.get(name, []), metric) for name in (one, other)]
            found["spread"] = np.nan if np.isnan(apart).all() else np.nanmax(apart)
            if abs(found["difference"]) < found["spread"]:
                pair = f"{names['label']} and {names['against']}, {METRICS[metric].name}"
                notes.append(f"{pair}: the difference is smaller than the spread of replicates")
            rows.append(names | {"metric": METRICS[metric].label} | found)
    keys = ("model", "label", "against", "metric", "difference", "difference_low", "difference_high", "p", "p_holm")
    columns = [
        Column("against", "Against", None),
        Column("difference", "Mean difference", 4, signed=True),
        Column("p_holm", "p (Holm)", 4, smallest=True),
        Column("won_percent", "Images won (%)", 1),
    ]
    over = "the rows" if settings["reference"] in scores else "all pairs"
    caption = (
        f"{test.title}. A method minus another on the same {images_of(frame)}: mean difference and its "
        f"{interval_in_words(settings)}; two-sided p by flipping the signs of whole sources (exact up to 16 of them), "
        f"with Holm's correction over {over} of a metric; share of images on which the method is better, equal images "
        f"being half won. {protocols(metrics)}"
    )
    numbers = pd.DataFrame(rows, columns=[*keys, "won_percent", "spread"])
    if numbers["spread"].notna().any():
        columns.append(Column("spread", "Spread of replicates", 4))
        caption += " Spread of replicates: range of their means, the larger of both methods'."
    of_metric = Column("metric", "Metric", None)
    return Table(numbers, columns, title("significance", test.subject), caption, notes, group=of_metric)


def standing(
    scores: Mapping[str, pd.DataFrame], models: Mapping[str, Mapping], settings: Mapping[str, Any]
) -> tuple[str, list[float], str]:
    """Who is best by the first metric, and how sure that is.

    Args:
        scores: see significance().
        models: model -> `label`.
        settings: `statistics` of the configuration.

    Returns:
        The metric, the rank of each model, equal for those that cannot be told apart, and a sentence to quote. The
        ranks are not a number where the sources are too few, and the sentence is empty where fewer than two methods
        have all scores.
    """
    metric, units = computed(scores)[0], next(iter(scores.values()))["unit"]
    card, values = METRICS[metric], complete(scores, metric)
    nothing = [np.nan] * len(scores)
    if len(values) < 2:
        return metric, nothing, ""
    matrix, names = np.array(list(values.values())), list(values)
    order = sorted(names, key=lambda name: values[name].mean(), reverse=card.better == "higher")
    first, second = order[:2]
    lead = paired(values[first], values[second], card.better, settings, units)
    best, next_best = models[first]["label"], models[second]["label"]
    ends = [lead[key] for key in ("difference_low", "difference_high")]
    digits, unit = card.digits + 1, f" {card.unit}" if card.unit else ""
    words, smallest = f"{abs(lead['difference']):.{digits}f}{unit}", ""
    if np.isfinite(ends).all():
        smallest = (
            f" Differences below about {(ends[1] - ends[0]) / 2:.{digits}f}{unit} cannot be resolved with so few."
        )
        ends = sorted(end * np.sign(lead["difference"] or 1) for end in ends)
        words += f" ({100 * settings['confidence']:g} % interval {ends[0]:.{digits}f} to {ends[1]:.{digits}f})"
    over, count = f"{units.nunique()} sources", len(names) * (len(names) - 1) // 2
    alpha = 1 - settings["confidence"]
    if smallest_p(units, count) >= alpha:
        return metric, nothing, (
            f"By {card.name}, {best} has the best mean, ahead of {next_best} by {words}; methods cannot be ranked with "
            f"{over}, with which no p falls below {alpha:.2g} after Holm's correction over {count} pairs.{smallest}"
        )  # fmt: skip
    p = all_pairs(matrix, units)
    found = dict(zip(names, ranks(matrix, card.better, p, settings["confidence"]), strict=True))
    tied = [models[name]["label"] for name in order if found[name] == 1]
    if len(tied) == 1:
        said = f"{best} is first, ahead of {next_best} by {words}"
    else:
        said = f"{', '.join(tied[:-1])} and {tied[-1]} share the first rank; {best} leads {next_best} by {words}"
    corrected = f"p below {alpha:.2g} after Holm's correction over {count} pairs tells two methods apart"
    return metric, [found.get(name, np.nan) for name in scores], f"By {card.name} on {over}, {said}; {corrected}."


def _pairs(values: Mapping[str, np.ndarray], reference: str | None, better: str) -> list[tuple[str, str]]:
    if reference is None and len(values) <= _ALL:
        return [(later, earlier) for earlier, later in itertools.combinations(values, 2)]
    if reference not in values:
        order = sorted(values, key=lambda name: values[name].mean(), reverse=better == "higher")
        reference = order[0] if order else None
    return [(name, reference) for name in values if name != reference]


def _p_of_pairs(values: Mapping[str, np.ndarray], reference: str | None, units: Sequence[Any]) -> dict:
    """Both orders of two models -> p, corrected over all pairs, or only over pairs with the reference."""
    names = list(values)
    if reference in values:
        others = [name for name in names if name != reference]
        matrix = [all_pairs(np.array([values[name], values[reference]]), units)[0, 1] for name in others]
        return {(name, reference): p for name, p in zip(others, holm(matrix), strict=True)}
    p = all_pairs(np.array(list(values.values())), units) if names else np.ones((0, 0))
    return {(names[i], names[j]): p[i, j] for i, j in np.ndindex(p.shape)}
