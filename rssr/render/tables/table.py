"""A table: one data frame of numbers, rendered as CSV, Markdown, LaTeX and HTML."""

import html
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pandas as pd

from rssr.base.files import replacing
from rssr.render.tables.markup import MARKUP, escape, harmless, latex_row, paragraph, stacked

ARROWS = {"higher": "↑", "lower": "↓"}


@dataclass
class Column:
    """A column of a table.

    Attributes:
        key: column of the data frame; its columns `key_low` and `key_high` are an interval, `key_spread` follows Δ.
        label: its title, with the unit.
        digits: decimals; None to show a text as it is.
        better: "higher" or "lower" to mark the best and the second, None to mark nothing.
        over: a title above this column and its neighbours of the same one, such as the data set.
        signed: whether positive numbers have a plus.
        smallest: whether a number that would be shown as zero is shown as below the last digit.
        width: characters after which LaTeX breaks the line of a text.
    """

    key: str
    label: str
    digits: int | None
    better: str | None = None
    over: str = ""
    signed: bool = False
    smallest: bool = False
    width: int = 40

    def text(self, value: float) -> str:
        """A number as it is shown."""
        if self.smallest and value < 0.5 * 10**-self.digits:
            return f"< {10**-self.digits:.{self.digits}f}"
        return f"{value:{'+' if self.signed else ''}.{self.digits}f}"


@dataclass
class Table:
    """A table before it is rendered: numbers in full precision, and how to show them.

    Attributes:
        numbers: one row per method, with a column `label`, and `model` if rows belong to models.
        columns: the columns to show.
        title: a few words, see render.titles.
        caption: what is shown, with the protocol.
        notes: remarks below the table.
        group: the column, shown first, whose equal values make groups of rows; marks are given within a group.
        below: rows below a rule that are not measured here: column key -> text. They are never ranked, and are not in
            the numbers, and so not in the CSV.
        names: the title of the column `label`.
        pairs: one row per pair of methods, for the CSV of a table that shows a matrix of them.
    """

    numbers: pd.DataFrame
    columns: Sequence[Column]
    title: str
    caption: str
    notes: list[str] = field(default_factory=list)
    group: Column | None = None
    below: Sequence[Mapping[str, str]] = ()
    names: str = "Method"
    pairs: pd.DataFrame | None = None

    def write(self, stem: Path) -> None:
        """Write stem.csv (numbers in full precision), stem.md, stem.tex and stem.html (as shown)."""
        with replacing(stem.with_suffix(".csv")) as path:
            rows = self.numbers if self.pairs is None else self.pairs
            harmless(rows).to_csv(path, index=False, lineterminator="\n")
        for suffix, text in ((".md", self.markdown()), (".tex", self.latex(stem.name)), (".html", self.html())):
            with replacing(stem.with_suffix(suffix)) as path:
                path.write_text(text, encoding="utf-8")

    def markdown(self) -> str:
        """The table with caption and notes, for GitHub and the README."""
        titles = [(column.over, column.label) for column in self._shown()]
        titles = ["<br>".join(escape(text, "markdown") for text in both if text) for both in titles]
        rule = [tuple("---" for _ in titles)] if self.below else []
        shown = pd.DataFrame([*self._rows("markdown"), *rule, *self._below("markdown")], columns=titles)
        alignment = ["left" if column.digits is None else "right" for column in self._shown()]
        body = shown.to_markdown(index=False, disable_numparse=True, colalign=alignment)
        notes = "".join(f"\n- {paragraph(note)}" for note in self.notes)
        return f"{paragraph(self.caption)}\n\n{body}\n" + (f"{notes}\n" if notes else "")

    def latex(self, name: str) -> str:
        """The table as a float, shrunk to the width of the line; needs the packages booktabs and graphicx."""
        shown, rows = self._shown(), self._rows("latex")
        lines = [r"\toprule", *self._titles_above(shown)]
        sides = ["l" if column.digits is None else "r" for column in shown]
        titles = [
            stacked(column.label, 10, f"[b]{{@{{}}{side}@{{}}}}") for column, side in zip(shown, sides, strict=True)
        ]
        lines += [latex_row(titles), r"\midrule"]
        for number, row in enumerate(rows):
            if self.group and number and row[0]:
                lines.append(r"\midrule")
            lines.append(latex_row(row))
        lines += [r"\midrule", *map(latex_row, self._below("latex"))] if self.below else []
        lines.append(r"\bottomrule")
        float_ = "table*" if any(column.over for column in shown) else "table"  # across both columns of a page
        return "\n".join(
            [
                rf"\begin{{{float_}}}[t]",
                r"\centering",
                rf"\caption{{{escape(self.caption, 'latex')}}}",
                rf"\label{{tab:{name}}}",
                r"\par\medskip\setlength{\tabcolsep}{4pt}",
                r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
                rf"\begin{{tabular}}{{{''.join(sides)}}}",
                *lines,
                r"\end{tabular}}",
                *(rf"\par\smallskip{{\footnotesize\raggedright {escape(note, 'latex')}\par}}" for note in self.notes),
                rf"\end{{{float_}}}",
                "",
            ]
        )

    def html(self) -> str:
        """The table as a fragment of a page: `<table>`, and caption and notes in a `<figcaption>` after it.

        Numbers are `data-value` of their cells, for sorting; a row of a model says so by `data-model`.
        """
        shown = self._shown()
        titles = "".join(
            f'<th scope="col"{_number_class(column)}><button type="button">'
            f"{html.escape(chr(10).join(filter(None, (column.over, column.label))))}</button></th>"
            for column in shown
        )
        tags = ['th scope="row"', *["td"] * (len(shown) - 1)]
        cells = [self._html_cells(column, tag) for column, tag in zip(shown, tags, strict=True)]
        models = self.numbers.get("model", pd.Series("", self.numbers.index)).fillna("")
        rows = [
            f"<tr{_model_attribute(model)}>{''.join(row)}</tr>"
            for model, row in zip(models, zip(*cells, strict=True), strict=True)
        ]
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        caption = f"<p>{html.escape(self.caption)}</p>" + (f"<ul>{notes}</ul>" if notes else "")
        body = "\n".join(rows)
        if self.below:
            body += f'\n</tbody>\n<tbody class="below">\n{self._html_below(tags)}'
        return (
            f'<div class="scroll" role="region" tabindex="0" aria-label="{html.escape(self.title)}">\n'
            f'<table class="sortable">\n<thead><tr>{titles}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>\n'
            f"<figcaption>{caption}</figcaption>\n"
        )

    def _html_cells(self, column: Column, tag: str) -> list[str]:
        """The cells of a column: data, or the headers of their rows."""
        end = tag.split()[0]
        if column.digits is None:
            texts = ["–" if pd.isna(text) else html.escape(str(text)) for text in self.numbers[column.key]]
            return [f"<{tag}>{text}</{end}>" for text in texts]
        values = pd.to_numeric(self.numbers[column.key])
        marks = {1: "best", 2: "second"}
        found = []
        for i, (value, rank) in enumerate(zip(values, self._ranks(values, column), strict=True)):
            if pd.isna(value):
                found.append(f'<{tag} class="number">–</{end}>')
                continue
            text = html.escape(column.text(value))
            text = f'<span class="{marks[rank]}">{text}</span>' if rank in marks else text
            if ends := self._interval(column, i):
                text += f" <small>[{', '.join(map(column.text, ends))}]</small>"
            if pd.notna(spread := self.numbers.get(f"{column.key}_spread", {}).get(i)):
                text += f" <small>Δ{spread:.{column.digits + 1}f}</small>"
            number = f"{value:.{column.digits}f}".replace("inf", "Infinity")  # as JavaScript reads it
            found.append(f'<{tag} class="number" data-value="{number}">{text}{self._bar(column, i)}</{end}>')
        return found

    def _below(self, kind: str) -> list[tuple[str, ...]]:
        show = partial(stacked, width=40) if kind == "latex" else partial(escape, kind=kind)
        return [tuple(show(row.get(column.key, "–")) for column in self._shown()) for row in self.below]

    def _html_below(self, tags: Sequence[str]) -> str:
        rows = []
        for row in self.below:
            shown = zip(self._shown(), tags, strict=True)
            cells = (f"<{t}{_number_class(c)}>{html.escape(row.get(c.key, '–'))}</{t.split()[0]}>" for c, t in shown)
            rows.append(f"<tr>{''.join(cells)}</tr>")
        return "\n".join(rows)

    def _interval(self, column: Column, row: int) -> tuple[float, float] | None:
        """The ends of a cell's interval; None without one."""
        if f"{column.key}_low" not in self.numbers:
            return None
        ends = tuple(self.numbers[f"{column.key}_{end}"].iloc[row] for end in ("low", "high"))
        return None if any(map(math.isnan, ends)) else ends

    def _bar(self, column: Column, row: int) -> str:
        """The drawn interval of a cell, as parts of the span of its column's intervals; empty without one."""
        own = self._interval(column, row)
        if own is None:
            return ""
        low, high = self.numbers[f"{column.key}_low"].min(), self.numbers[f"{column.key}_high"].max()
        ends = (*own, self.numbers[column.key].iloc[row])
        if low == high or not all(map(math.isfinite, (low, high, *ends))):
            return ""
        places = dict(zip(("low", "high", "at"), percent(ends, low, high), strict=True))
        style = "; ".join(f"--{name}: {place}%" for name, place in places.items())
        return f'<span class="interval" aria-hidden="true" style="{style}"></span>'

    def _shown(self) -> list[Column]:
        return [*([self.group] if self.group else []), Column("label", self.names, None), *self.columns]

    def _rows(self, kind: str) -> list[tuple[str, ...]]:
        cells = [self._cells(column, kind) for column in self._shown()]
        if self.group:  # named once
            names = cells[0]
            cells[0] = [name if i == 0 or name != names[i - 1] else "" for i, name in enumerate(names)]
        return list(zip(*cells, strict=True))

    def _cells(self, column: Column, kind: str) -> list[str]:
        dash = escape("–", kind)
        if column.digits is None:
            texts = [None if pd.isna(text) else str(text) for text in self.numbers[column.key]]
            show = partial(stacked, width=column.width) if kind == "latex" else partial(escape, kind=kind)
            return [dash if text is None else show(text) for text in texts]
        values = pd.to_numeric(self.numbers[column.key])
        cells = []
        for i, (value, rank) in enumerate(zip(values, self._ranks(values, column), strict=True)):
            if pd.isna(value):
                cells.append(dash)
                continue
            text = MARKUP[kind].get(rank, "{}").format(escape(column.text(value), kind))
            if ends := self._interval(column, i):
                text += f" [{', '.join(map(column.text, ends))}]"
            if pd.notna(spread := self.numbers.get(f"{column.key}_spread", {}).get(i)):
                text += escape(f" Δ{spread:.{column.digits + 1}f}", kind)
            cells.append(text)
        return cells

    def _ranks(self, values: pd.Series, column: Column) -> list[int]:
        if self.group is None:
            return ranks(values, column.digits, column.better)
        found = pd.Series(0, values.index)
        for _, part in values.groupby(self.numbers[self.group.key]):
            found[part.index] = ranks(part, column.digits, column.better)
        return found.tolist()

    @staticmethod
    def _titles_above(shown: Sequence[Column]) -> list[str]:
        if not any(column.over for column in shown):
            return []
        cells, rules, end = [], [], 0
        for title, columns in itertools.groupby(shown, lambda column: column.over):
            count = len(list(columns))
            start, end = end + 1, end + count
            cells.append(rf"\multicolumn{{{count}}}{{c}}{{{escape(title, 'latex')}}}")
            rules += [rf"\cmidrule(lr){{{start}-{end}}}"] if title else []
        return [latex_row(cells), "".join(rules)]


def ranks(values: pd.Series, digits: int, better: str | None) -> list[int]:
    """Rank of each value as printed, from 1; ties share the first, and after two of them the third follows; 0: none."""
    printed = values.round(digits)
    if better is None or printed.notna().sum() < 2:
        return [0] * len(values)
    return printed.rank(method="min", ascending=better == "lower").fillna(0).astype(int).tolist()


def percent(values: Iterable[float], low: float, high: float) -> tuple[float, ...]:
    """Where values lie between two others, in percent of the way."""
    return tuple(round(100 * float((value - low) / (high - low)), 1) for value in values)


def _number_class(column: Column) -> str:
    return "" if column.digits is None else ' class="number"'


def _model_attribute(model: str) -> str:
    return f' data-model="{html.escape(model)}"' if model else ""
