"""What papers print of a method on a data set: each value with its source and the protocol behind it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.datasets.registry import MODULES
from rssr.metrics.registry import METRICS

FILE = ROOT / "config" / "literature.yaml"
Protocol = Mapping[str, Any]


class Value(BaseModel):
    """One published number."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: Literal[MODULES] = Field(description="module of datasets/")
    model: str = Field(description="name of the entry in `models` that is the same method")
    metric: Literal[tuple(METRICS)] = Field(description="what it is a value of")
    value: str = Field(pattern=r"^\d+(\.\d+)?$", description="with the digits that are printed")
    source: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        min_length=10, description="where it is printed; nothing is entered without"
    )
    protocol: dict[Literal["scale", "degradation", "crop", "images", "split"], int | str | None] = Field(
        description="what was stated of the measurement; null where it was not"
    )


def load(path: Path = FILE) -> list[Value]:
    """Read the file of published values; UserError names the entry that is wrong."""
    values: dict[tuple[str, ...], Value] = {}
    for number, entry in enumerate(yaml.safe_load(path.read_text(encoding="utf-8")) or (), 1):
        try:
            value = Value.model_validate(entry)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise UserError(f"{path}: entry {number}: '{key}': {first['msg'].lower()}") from None
        of = (value.dataset, value.model, value.metric)
        if of in values:
            raise UserError(f"{path}: entry {number}: {', '.join(of)} has a value already: leave one of the two")
        values[of] = value
    return list(values.values())


def compare(published: Protocol, measured: Protocol) -> tuple[str, str]:
    """Whether two protocols agree: "yes", "no" or "not known", and why.

    Args:
        published: what is stated of the published value, None where it is not.
        measured: the same keys, and no unknown ones.
    """
    differing = [
        f"{key} {stated} there, {measured[key]} here"
        for key, stated in published.items()
        if stated is not None and stated != measured[key]
    ]
    silent = [key for key in measured if published.get(key) is None]
    if differing:
        return "no", ", ".join(differing)
    return ("not known", f"{' and '.join(silent)} not published") if silent else ("yes", "")


def for_table(path: Path, dataset: str, measured: Protocol) -> list[dict[str, str]]:
    """The values for one quality table: `model`, `metric`, `value`, `source`, `agrees` and `why`.

    Args:
        path: the file of published values.
        dataset: module of datasets/.
        measured: how the table's own values are measured.
    """
    rows = []
    for value in load(path):
        if value.dataset == dataset:
            agrees, why = compare(value.protocol, measured)
            rows.append(
                value.model_dump(include={"model", "metric", "value", "source"}) | {"agrees": agrees, "why": why}
            )
    return rows
