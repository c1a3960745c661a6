"""Literature values beside measured ones: which belong to a test set, and whether the protocols agree."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rssr.config.literature import load
from rssr.plan.test_set import TestSet

Protocol = Mapping[str, Any]


def compare(stated: Protocol, measured: Protocol) -> tuple[str, str]:
    """Whether two protocols agree: "yes", "no" or "not known", and why.

    Args:
        stated: what is stated of the literature value, None where it is not.
        measured: the same keys, and no unknown ones.
    """
    differing = [
        f"{key} {value} there, {measured[key]} here"
        for key, value in stated.items()
        if value is not None and value != measured[key]
    ]
    silent = [key for key in measured if stated.get(key) is None]
    if differing:
        return "no", ", ".join(differing)
    return ("not known", f"{' and '.join(silent)} not stated") if silent else ("yes", "")


def for_test_set(path: Path, test: TestSet, images: int) -> list[dict[str, str]]:
    """The values for one quality table: `model`, `metric`, `value`, `citation`, `agrees` and `why`.

    Args:
        path: the file of literature values.
        test: the test set of the table.
        images: how many images of it were measured.
    """
    rows = []
    for value in load(path):
        if value.dataset == test.module:
            agrees, why = compare(value.protocol, test.protocol | {"images": images})
            printed = value.model_dump(include={"model", "metric", "value", "citation"})
            rows.append(printed | {"agrees": agrees, "why": why})
    return rows
