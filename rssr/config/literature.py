"""Literature values: values reported for a method on a data set, each with its citation and its protocol."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.config.reader import read
from rssr.datasets.registry import MODULES
from rssr.metrics.registry import METRICS

FILE = ROOT / "config" / "literature.yaml"


class Value(BaseModel):
    """One value from the literature."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: Literal[MODULES] = Field(description="module of datasets/")
    label: str = Field(min_length=1, description="name of the method")
    model: str | None = Field(None, description="name of the entry in `models` for the same method, if any")
    metric: Literal[tuple(METRICS)] = Field(description="metric of the value")
    value: str = Field(pattern=r"^\d+(\.\d+)?$", description="with the digits of the publication")
    citation: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        min_length=10, description="publication that states it"
    )
    protocol: dict[Literal["scale", "degradation", "rounding", "crop", "images", "split"], int | str | None] = Field(
        description="the stated protocol; null for what is not stated"
    )

    def is_of(self, module: str, scale: int) -> bool:
        """Whether it is a value of a data set, by its module, at a scale."""
        return self.dataset == module and self.protocol.get("scale") in (None, scale)


def load(path: Path = FILE) -> list[Value]:
    """Read the file of literature values; UserError names the entry that is wrong."""
    values: dict[tuple[str, ...], Value] = {}
    if not isinstance(entries := read(path) or [], list):
        raise UserError(f"{path} is no list of entries", "write each as an item, as in config/literature.yaml")
    for number, entry in enumerate(entries, 1):
        try:
            value = Value.model_validate(entry)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise UserError(f"{path}: entry {number}: '{key}': {first['msg'].lower()}") from None
        of = (value.dataset, value.label, value.metric, str(value.protocol.get("scale")))
        if of in values:
            raise UserError(f"{path}: entry {number}: {', '.join(of[:3])} is given twice: keep one of the two")
        values[of] = value
    return list(values.values())
