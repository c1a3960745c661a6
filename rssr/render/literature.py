"""Literature values beside measured ones: which belong to a test set, and whether the protocols agree."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from rssr.config.literature import load
from rssr.metrics.registry import METRICS
from rssr.plan.test_set import TestSet

Protocol = Mapping[str, Any]
Values = Sequence[Mapping[str, Any]]


def compare(stated: Protocol, measured: Protocol) -> tuple[str, str]:
    """Whether two protocols agree: "yes", "no" or "not known", and why.

    Args:
        stated: the protocol of the literature value; None for what is not stated.
        measured: the protocol of this run, with the same keys, all of them known.
    """
    differing = [
        f"{key} {value} there, {measured[key]} here"
        for key, value in stated.items()
        if value is not None and value != measured[key]
    ]
    silent = [key for key in measured if stated.get(key) is None]
    if differing:
        return "no", "; ".join(differing)
    return ("not known", f"{' and '.join(silent)} not stated") if silent else ("yes", "")


def for_test_set(path: Path, test: TestSet, images: int) -> list[dict[str, Any]]:
    """The values for one quality table: `label`, `model`, `metric`, `value`, `citation`, `agrees` and `why`.

    Args:
        path: the file of literature values.
        test: the test set of the table.
        images: number of measured images.
    """
    rows = []
    for value in load(path):
        if value.is_of(test.module, test.scale):
            agrees, why = compare(value.protocol, test.protocol | {"images": images})
            printed = value.model_dump(include={"label", "model", "metric", "value", "citation"})
            rows.append(printed | {"agrees": agrees, "why": why})
    return rows


def rows(values: Values, models: Collection[str], metrics: Collection[str]) -> list[dict[str, str]]:
    """The unmeasured rows of a quality table, one per method: its `label`, and its value for each metric.

    Args:
        values: see for_test_set().
        models: the models that have a row in the table.
        metrics: the metrics that have a column in the table.
    """
    found: dict[str, dict[str, str]] = {}
    for value in values:
        if value["metric"] in metrics:
            said = "in the literature" if value["model"] in models else "in the literature, not measured here"
            row = found.setdefault(value["label"], {"label": f"{value['label']} ({said})"})
            row[value["metric"]] = value["value"]
    return list(found.values())


def notes(values: Values, metrics: Collection[str]) -> list[str]:
    """Source and protocol of the values of these metrics, in one note per method, source and protocol."""
    found: dict[tuple[str, ...], list[str]] = {}
    for value in values:
        if value["metric"] in metrics:
            key = tuple(value[part] for part in ("label", "citation", "agrees", "why"))
            found.setdefault(key, []).append(METRICS[value["metric"]].name)
    return [
        f"{label} in the literature, {', '.join(names)}: {citation}. Protocols agree: {agrees}{why and f' ({why})'}."
        for (label, citation, agrees, why), names in found.items()
    ]
