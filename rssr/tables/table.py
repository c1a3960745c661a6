"""A table: one data frame of numbers, rendered as CSV, Markdown and LaTeX."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from rssr.files import replacing

ARROWS = {"higher": "↑", "lower": "↓"}
_MARKUP = {
    "markdown": {1: "**{}**", 2: "<u>{}</u>"},
    "latex": {1: r"\textbf{{{}}}", 2: r"\underline{{{}}}"},
}
_DASH = {"markdown": "–", "latex": "--"}
_SPREAD = {"markdown": "Δ", "latex": r"$\Delta$"}


@dataclass
class Column:
    """A column of a table.

    Attributes:
        key: column of the data frame; `key_low` and `key_high` beside it are an interval, `key_spread` is after Δ.
        label: its title, with the unit.
        digits: decimals; None to show a text as it is.
        better: "higher" or "lower" to mark the best and the second, None to mark nothing.
    """

    key: str
    label: str
    digits: int | None
    better: str | None = None


@dataclass
class Table:
    """A table before it is rendered: numbers in full precision, and how to show them.

    Attributes:
        numbers: a row a method, with a column `label`.
        columns: the columns to show.
        caption: what is shown, with the protocol.
        notes: remarks below the table.
    """

    numbers: pd.DataFrame
    columns: Sequence[Column]
    caption: str
    notes: list[str] = field(default_factory=list)

    def write(self, stem: Path) -> None:
        """Write stem.csv (numbers in full precision), stem.md and stem.tex (as shown)."""
        with replacing(stem.with_suffix(".csv")) as path:
            self.numbers.to_csv(path, index=False, lineterminator="\n")
        for suffix, text in ((".md", self.markdown()), (".tex", self.latex(stem.name))):
            with replacing(stem.with_suffix(suffix)) as path:
                path.write_text(text, encoding="utf-8")

    def markdown(self) -> str:
        """The table with caption and notes, for GitHub and the README."""
        shown = self._shown("markdown")
        body = shown.to_markdown(index=False, disable_numparse=True, colalign=["left"] + ["right"] * len(self.columns))
        notes = "".join(f"\n- {note}" for note in self.notes)
        return f"{self.caption}\n\n{body}\n" + (f"{notes}\n" if notes else "")

    def latex(self, name: str) -> str:
        """The table as a float with booktabs rules; notes below it."""
        shown = self._shown("latex")
        shown.columns = [_escape(column) for column in shown.columns]
        body = shown.to_latex(
            index=False, escape=False, column_format="l" + "r" * len(self.columns), caption=_escape(self.caption),
            label=f"tab:{name}", position="t",
        )  # fmt: skip
        notes = "".join(f"\\par\\footnotesize {_escape(note)}\n" for note in self.notes)
        return body.replace("\\end{table}", f"{notes}\\end{{table}}")

    def _shown(self, kind: str) -> pd.DataFrame:
        labels = [_escape(label) if kind == "latex" else label for label in self.numbers["label"]]
        cells = {"Method": labels} | {column.label: self._cells(column, kind) for column in self.columns}
        return pd.DataFrame(cells)

    def _cells(self, column: Column, kind: str) -> list[str]:
        if column.digits is None:
            return [_DASH[kind] if pd.isna(text) else str(text) for text in self.numbers[column.key]]
        values = pd.to_numeric(self.numbers[column.key])
        rank = ranks(values, column.digits, column.better)
        cells = []
        for i, value in enumerate(values):
            if pd.isna(value):
                cells.append(_DASH[kind])
                continue
            text = _MARKUP[kind].get(rank[i], "{}").format(f"{value:.{column.digits}f}")
            if f"{column.key}_low" in self.numbers:
                low, high = (self.numbers[f"{column.key}_{end}"].iloc[i] for end in ("low", "high"))
                text += f" [{low:.{column.digits}f}, {high:.{column.digits}f}]"
            if pd.notna(spread := self.numbers.get(f"{column.key}_spread", {}).get(i)):
                text += f" {_SPREAD[kind]}{spread:.{column.digits + 1}f}"
            cells.append(text)
        return cells


def ranks(values: pd.Series, digits: int, better: str | None) -> list[int]:
    """Rank of each value among the distinct ones as printed, from 1; ties share a rank, 0 where nothing is ranked."""
    printed = values.round(digits)
    if better is None or printed.notna().sum() < 2:
        return [0] * len(values)
    return printed.rank(method="dense", ascending=better == "lower").fillna(0).astype(int).tolist()


def model_notes(models: Mapping[str, Mapping]) -> list[str]:
    """What is remarked of the models, a line each."""
    return [f"{model['label']}: {'; '.join(model['notes'])}" for model in models.values() if model["notes"]]


def _escape(text: str) -> str:
    for plain, escaped in (("%", r"\%"), ("_", r"\_"), ("&", r"\&"), ("#", r"\#")):
        text = text.replace(plain, escaped)
    return text.replace("↑", r"$\uparrow$").replace("↓", r"$\downarrow$").replace("–", "--").replace("Δ", r"$\Delta$")
