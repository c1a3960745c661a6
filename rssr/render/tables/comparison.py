"""Which methods can be told apart on a test set: the table of pairs, ranks, and a one-sentence summary."""

import itertools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from rssr.metrics.registry import METRICS, MetricCard
from rssr.metrics.statistics import all_pairs, holm, p_value, paired, ranks, smallest_p
from rssr.plan.test_set import TestSet
from rssr.render.tables.scored import (
    Replicates,
    by_seed,
    complete,
    computed,
    images_of,
    protocols,
    spread,
    undefined,
    with_interval,
)
from rssr.render.tables.table import Column, Table
from rssr.render.titles import title
from rssr.render.words import counted, joined

_MATRIX = 12  # methods up to which all pairs are shown
_DIFFERENCE = Column("difference", "Mean difference", 4, signed=True)
_P = Column("p_holm", "p (Holm)", 4, smallest=True)


def significance(
    scores: Mapping[str, pd.DataFrame],
    models: Mapping[str, Mapping],
    test: TestSet,
    settings: Mapping[str, Any],
    replicates: Replicates = MappingProxyType({}),
) -> Table:
    """Methods against each other on the same images, for every metric.

    Up to twelve methods are shown as a matrix of all pairs, of which the CSV has one row each. With `reference` in the
    settings each method is compared with that one; beyond twelve, with the best. A note flags differences smaller than
    the spread over replicates.

    Args:
        scores: model -> its scores, one row per image, the same images in the same order.
        models: model -> `label`.
        test: the test set.
        settings: `statistics` of the configuration.
        replicates: model -> the scores of each of its replicates, see scores.read_replicates().
    """
    frame, given = next(iter(scores.values())), settings["reference"] in scores
    as_matrix = not given and len(scores) <= _MATRIX
    rows, notes = _compared(scores, models, settings, replicates, as_matrix)
    keys = ("model", "label", "against", "metric", "difference", "difference_low", "difference_high", "p", "p_holm")
    pairs = pd.DataFrame(rows, columns=[*keys, "won_percent", "spread"])
    varied = any(len(of) > 1 for of in by_seed(scores, replicates, computed(scores)[0]).values())
    difference = with_interval("mean difference", pairs, frame["unit"].nunique(), settings, varied)
    difference = f"on the same {images_of(frame)}: {difference}"
    p = (
        "two-sided p by flipping the signs of whole sources (exact up to 16 of them), with Holm's correction over "
        f"{'the rows' if given else 'all pairs'} of a metric"
    )
    won = "share of images on which the method is better, equal images being half won"
    numbers, columns = pairs, [Column("against", "Against", None), _DIFFERENCE, _P]
    if as_matrix:
        numbers, columns = _matrix(rows, scores, models)
        said = f"Below the diagonal, the row's method minus the column's {difference}. Above it, {p}."
    else:
        columns.append(Column("won_percent", "Images won (%)", 1))
        said = f"A method minus another {difference}; {p}; {won}."
        if pairs["spread"].notna().any():
            columns.append(Column("spread", "Spread of replicates", 4))
            said += " Spread of replicates: range of their means, the larger of both methods'."
    metrics, count = computed(scores), len(scores) - 1 if given else len(scores) * (len(scores) - 1) // 2
    if few := _too_few(frame["unit"], count, settings):
        notes.insert(0, f"No two methods can be told apart with {few}")
    shown = pairs["difference_low"].notna().any()
    seeds = _seeds(by_seed(scores, replicates, metrics[0]), models, count, settings, shown)
    caption = f"{test.title}. {said}{_limits(frame['unit'], count, shown)}{seeds} {protocols(metrics)}"
    of_metric = Column("metric", "Metric", None)
    return Table(
        numbers, columns, title("significance", test.subject), caption, notes + undefined(scores, models), of_metric,
        pairs=pairs,
    )  # fmt: skip


def _compared(
    scores: Mapping[str, pd.DataFrame],
    models: Mapping[str, Mapping],
    settings: Mapping[str, Any],
    replicates: Replicates,
    every: bool,
) -> tuple[list[dict[str, Any]], list[str]]:
    """One row per metric and pair of methods, and notes; the arguments are those of significance()."""
    rows, notes, units = [], [], next(iter(scores.values()))["unit"]
    for metric in computed(scores):
        card, values = METRICS[metric], by_seed(scores, replicates, metric)
        p = _p_of_pairs(values, units, settings)
        for one, other in _pairs(values, settings["reference"], card.better, every):
            found = paired(values[one], values[other], card.better, settings, units)
            names = {"model": one, "label": models[one]["label"], "other": other, "against": models[other]["label"]}
            found |= {"p_holm": p[one, other], "won_percent": 100 * found.pop("won")}
            apart = [spread(replicates.get(name, {}), metric) for name in (one, other)]
            found["spread"] = np.nan if np.isnan(apart).all() else np.nanmax(apart)
            if abs(found["difference"]) < found["spread"]:
                pair = f"{names['label']} and {names['against']}, {card.name}"
                notes.append(f"{pair}: the difference is smaller than the spread of replicates")
            rows.append(names | {"metric": card.label} | found)
    return rows, notes


def _matrix(
    rows: Sequence[Mapping[str, Any]], scores: Mapping[str, pd.DataFrame], models: Mapping[str, Mapping]
) -> tuple[pd.DataFrame, list[Column]]:
    """A row per metric and method, a column per method: below the diagonal the differences, above it p."""
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for metric in computed(scores):
        label = METRICS[metric].label
        for name in complete(scores, metric):
            cells[label, name] = {"model": name, "label": models[name]["label"], "metric": label}
    for row in rows:
        low, high = (_DIFFERENCE.text(row[f"difference_{end}"]) for end in ("low", "high"))
        within = "" if np.isnan(row["difference_low"]) else f" [{low},\u00a0{high}]"
        cells[row["metric"], row["model"]][f"against/{row['other']}"] = _DIFFERENCE.text(row["difference"]) + within
        cells[row["metric"], row["other"]][f"against/{row['model']}"] = f"p\u00a0{_P.text(row['p_holm'])}"
    columns = [Column(f"against/{name}", models[name]["label"], None, width=18) for name in scores]
    keys = ("model", "label", "metric", *(column.key for column in columns))
    return pd.DataFrame(list(cells.values()), columns=keys), columns


def standing(
    scores: Mapping[str, pd.DataFrame],
    models: Mapping[str, Mapping],
    settings: Mapping[str, Any],
    replicates: Replicates = MappingProxyType({}),
) -> tuple[str, list[float], str]:
    """Who is best by the first metric, and how sure that is.

    Args:
        scores: see significance().
        models: model -> `label`.
        settings: `statistics` of the configuration.
        replicates: see significance().

    Returns:
        The metric, the rank of each model, equal for those that cannot be told apart, and a sentence to quote. The
        ranks are not a number where the sources are too few, and the sentence is empty where fewer than two methods
        have all scores.
    """
    metric, units = computed(scores)[0], next(iter(scores.values()))["unit"]
    card, values = METRICS[metric], by_seed(scores, replicates, metric)
    nothing = [np.nan] * len(scores)
    if len(values) < 2:
        return metric, nothing, ""
    names, count = list(values), len(values) * (len(values) - 1) // 2
    order = sorted(names, key=lambda name: values[name].mean(), reverse=card.better == "higher")
    first, second = order[:2]
    best, next_best = models[first]["label"], models[second]["label"]
    words = _lead(values[first], values[second], card, settings, units)
    equal = [models[name]["label"] for name in order if values[name].mean() == values[first].mean()]
    together = f"{joined(equal)} have the best mean" if len(equal) > 1 else ""
    seeds = _seeds(values, models, count, settings, not together and "interval" in words)
    alpha = 1 - settings["confidence"]
    if few := _too_few(units, count, settings):
        return metric, nothing, (
            f"By {card.name}, {together or f'{best} has the best mean, ahead of {next_best} by {words}'}; methods "
            f"cannot be ranked with {few}.{seeds}"
        )  # fmt: skip
    p = all_pairs(list(values.values()), units, settings)
    found = dict(zip(names, ranks(list(values.values()), card.better, p, settings["confidence"]), strict=True))
    tied = [models[name]["label"] for name in order if found[name] == 1]
    if len(tied) == 1:
        said = f"{best} is first, ahead of {next_best} by {words}"
    else:
        said = f"{joined(tied)} share the first rank; {together or f'{best} leads {next_best} by {words}'}"
    corrected = f"p below {alpha:.2g} {_after_holm(count)} tells two methods apart.{seeds}"
    return (
        metric,
        [found.get(name, np.nan) for name in scores],
        f"By {card.name} on {counted(units.nunique(), 'source')}, {said}; {corrected}",
    )


def _lead(one: np.ndarray, other: np.ndarray, card: MetricCard, settings: Mapping[str, Any], units: pd.Series) -> str:
    """By how much the mean of one method is better, with its interval, if any."""
    lead = paired(one, other, card.better, settings, units)
    ends = [lead[key] for key in ("difference_low", "difference_high")]
    digits, unit = card.digits + 1, f" {card.unit}" if card.unit else ""
    words = f"{abs(lead['difference']):.{digits}f}{unit}"
    if not np.isfinite(ends).all():
        return words
    ends = sorted(end * np.sign(lead["difference"] or 1) for end in ends)
    return f"{words} ({100 * settings['confidence']:g} % interval {ends[0]:.{digits}f} to {ends[1]:.{digits}f})"


def _too_few(units: pd.Series, count: int, settings: Mapping[str, Any]) -> str:
    """That no p of so many pairs can fall below the level with these sources; empty if it can."""
    alpha = 1 - settings["confidence"]
    if smallest_p(units, count) < alpha:
        return ""
    return f"{counted(units.nunique(), 'source')}, with which no p falls below {alpha:.2g} {_after_holm(count)}"


def _limits(units: pd.Series, count: int, interval_shown: bool) -> str:
    """What intervals and p of a comparison cannot say, for a caption."""
    said = ""
    if interval_shown:
        said = (
            " Each interval stands by itself, not corrected for their number as p is, and may go beyond what a metric "
            "can reach."
        )
    if count and (smallest := smallest_p(units)):
        corrected = f"{min(1, smallest_p(units, count)):.3g} {_after_holm(count)}"
        sources = counted(units.nunique(), "source")
        said += f" With {sources} no p is below {smallest:.3g}, times the number of comparisons: {corrected}."
    return said


def _after_holm(count: int) -> str:
    return f"after Holm's correction over {counted(count, 'pair')}"


def _seeds(
    values: Mapping[str, np.ndarray],
    models: Mapping[str, Mapping],
    count: int,
    settings: Mapping[str, Any],
    interval_shown: bool,
) -> str:
    """Whether differences were tested against the spread between training seeds; `values` as by_seed() has them.

    Says also where the smallest p of that test, after Holm's correction over `count` pairs, is not below the level.
    Empty if no method has weights.
    """
    varied = [f"{models[name]['label']} ({len(of)})" for name, of in values.items() if len(of) > 1]
    if not varied:
        weightless = all(models[name].get("weightless") for name in values)
        return "" if weightless else " Training seeds were not varied: differences hold for these weights."
    said = (
        f" A difference must also exceed the spread between the training seeds of {', '.join(varied)}, by a "
        f"hierarchical bootstrap-t over seeds and sources{', which also gives its interval' if interval_shown else ''}"
    )
    if count / (settings["resamples"] + 1) >= 1 - settings["confidence"]:
        said += f"; {settings['resamples']} resamples are too few for it to tell methods apart after Holm's correction"
    return f"{said}."


def _pairs(values: Mapping[str, np.ndarray], reference: str | None, better: str, every: bool) -> list[tuple[str, str]]:
    if every:
        return [(later, earlier) for earlier, later in itertools.combinations(values, 2)]
    if reference not in values:
        order = sorted(values, key=lambda name: values[name].mean(), reverse=better == "higher")
        reference = order[0] if order else None
    return [(name, reference) for name in values if name != reference]


def _p_of_pairs(values: Mapping[str, np.ndarray], units: Sequence[Any], settings: Mapping[str, Any]) -> dict:
    """Both orders of two models -> p, corrected over all pairs, or only over pairs with the reference."""
    names, reference = list(values), settings["reference"]
    if reference in values:
        others = [name for name in names if name != reference]
        found = holm([p_value(values[name], values[reference], units, settings) for name in others])
        return {(name, reference): p for name, p in zip(others, found, strict=True)}
    p = all_pairs(list(values.values()), units, settings)
    return {(names[i], names[j]): p[i, j] for i, j in np.ndindex(p.shape)}
