"""Shards: ranges of the images of a large test set, each upscaled, scored and audited by jobs of its own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rssr.plan.artifacts import SHARDS, artifacts_at, shard_name, shard_numbers

Row = TypeVar("Row")


@dataclass(frozen=True)
class Shard:
    """One of several ranges, of nearly equal length, that the images of a manifest are split into.

    Attributes:
        number: which of them, counted from 1.
        count: how many there are.
    """

    number: int
    count: int

    @classmethod
    def named(cls, name: str) -> "Shard":
        """The shard of a name such as "2-of-5"."""
        return cls(*shard_numbers(name))

    @property
    def name(self) -> str:
        """Its name, such as "2-of-5": a folder, and a value of the wildcard `shard`."""
        return shard_name(self.number, self.count)

    def of(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Its part of the rows of a manifest; all shards together have each row once, in order."""
        first, end = (number * len(rows) // self.count for number in (self.number - 1, self.number))
        return rows[first:end]


WHOLE = Shard(1, 1)


def shards_for(images: int, size: int) -> list[Shard]:
    """Shards of about `size` of as many images; none if one would do."""
    count = -(-images // size)
    return [Shard(number, count) for number in range(1, count + 1)] if count > 1 else []


def shards_among(paths: Iterable[str], kind: str) -> list[str]:
    """The results of shards of a kind among some files, in order."""
    found = [artifact for artifact in artifacts_at(p for p in paths if p.startswith(SHARDS)) if artifact.kind == kind]
    return [artifact.path for artifact in sorted(found, key=lambda artifact: shard_numbers(artifact.shard))]
