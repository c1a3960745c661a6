"""Tables as they are shown: read from the Markdown that the tables' rules wrote."""

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rssr.base.errors import UserError
from rssr.base.files import read_csv

_NUMBER = r"[+-]?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|inf)"
_SHOWN = re.compile(
    rf"(?P<text>(?:[<>] )?(?P<number>{_NUMBER})(?: [^\[Δ]*)?)"
    rf"(?P<interval> \[(?P<low>{_NUMBER}), (?P<high>{_NUMBER})\])?(?P<spread> Δ\S+)?"
)


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: what it says, without its interval.
        value: the number that it is sorted by, None where it says no number.
        interval: low and high as they are printed, empty without one.
        rank: 1 for the best of the column, 2 for the second, else 0.
        spread: what stands after Δ, with it.
    """

    text: str
    value: float | None = None
    interval: tuple[str, ...] = ()
    rank: int = 0
    spread: str = ""


@dataclass(frozen=True)
class Written:
    """A table as its rule wrote it.

    Attributes:
        stem: name of its files.
        caption: what is shown, with the protocol.
        columns: titles, in lines.
        rows: a list of cells for each row.
        keys: the method of each row by its name in the configuration; empty where a row is none.
        notes: remarks below it.
    """

    stem: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    keys: Sequence[str]
    notes: Sequence[str]

    def numeric(self, column: int) -> bool:
        """Whether a column is one of numbers, or of dashes for numbers."""
        return all(row[column].value is not None or row[column].text == "–" for row in self.rows)

    def interval(self, row: int, column: int) -> tuple[float, ...] | None:
        """Low end, value and high end of a cell in percent of its column's span; None where nothing is to draw."""
        cells = [cells[column] for cells in self.rows if cells[column].interval]
        ends = [float(end) for cell in cells for end in (*cell.interval, cell.value)]
        cell, low, high = self.rows[row][column], min(ends, default=0), max(ends, default=0)
        if not cell.interval or not math.isfinite(high - low) or low == high:
            return None
        return percent((float(cell.interval[0]), cell.value, float(cell.interval[1])), low, high)


def percent(values: Iterable[float], low: float, high: float) -> tuple[float, ...]:
    """Where values lie between two others, in percent of the way."""
    return tuple(round(100 * (value - low) / (high - low), 1) for value in values)


def read_table(path: Path) -> Written:
    """Read results/tables/NAME.md, and NAME.csv beside it for the methods' names in the configuration."""
    lines = path.read_text(encoding="utf-8").splitlines()
    grid = [line for line in lines if line.startswith("|")]
    if len(grid) < 2:
        raise UserError(f"{path} has no table in it", "delete it and run again")
    start = lines.index(grid[0])
    header, _, *body = [[part.strip() for part in re.split(r"(?<!\\)\|", line)[1:-1]] for line in grid]
    for above, row in itertools.pairwise(body):
        row[0] = row[0] or above[0]  # a group is named once
    keys = [row.get("model", "") for row in read_csv(path.with_suffix(".csv"))]
    return Written(
        stem=path.stem,
        caption=" ".join(line for line in lines[:start] if line),
        columns=[title.replace("<br>", "\n") for title in header],
        rows=[[_cell(part.replace(r"\|", "|")) for part in row] for row in body],
        keys=keys if len(keys) == len(body) else [""] * len(body),
        notes=[line.removeprefix("- ") for line in lines[start + len(grid) :] if line],
    )


def _cell(markdown: str) -> Cell:
    """A cell from its Markdown, such as "**24.00** [23.14, 24.81]"; a text that starts with no number stays whole."""
    rank = 1 if markdown.startswith("**") else 2 if markdown.startswith("<u>") else 0
    found = _SHOWN.fullmatch(re.sub(r"\*\*|</?u>", "", markdown) if rank else markdown)
    if not found:
        return Cell(markdown)
    return Cell(
        text=found["text"],
        value=float(found["number"]),
        interval=(found["low"], found["high"]) if found["interval"] else (),
        rank=rank,
        spread=(found["spread"] or "").strip(),
    )
