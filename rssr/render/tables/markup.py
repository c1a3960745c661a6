"""How tables mark and escape texts in Markdown and LaTeX."""

import re
import textwrap
from collections.abc import Iterable

import pandas as pd

MARKUP = {
    "markdown": {1: "**{}**", 2: "<u>{}</u>"},
    "latex": {1: r"\textbf{{{}}}", 2: r"\underline{{{}}}"},
}
_ESCAPED = {
    "markdown": str.maketrans({character: rf"\{character}" for character in "\\|*`~$"}),
    "latex": str.maketrans(
        {character: rf"\{character}" for character in "%_&#${}"}
        | {character: f"${character}$" for character in "<>|"}
        | {"[": "{[}"}  # which would be an argument of the \\ before it
        | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
        | {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "–": "--", "Δ": r"$\Delta$", "/": r"/\allowbreak{}"}
    ),
}
_LINK_OR_STRESS = re.compile(r"(?<!\w)(?=_)|(?=_(?!\w))|(?=&#?\w+;)")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")  # Markdown would take it for HTML; "< 0.001" stays as it is
_BLOCK = re.compile(r"^(\d*)(?=[#>+\-.)\[])")  # what begins a heading, a quotation, a list or a reference


def stacked(text: str, width: int, form: str = "[t]{@{}l@{}}") -> str:
    """LaTeX's text in lines of at most `width` characters, words being kept whole."""
    lines = [escape(line, "latex") for line in textwrap.wrap(text, width, break_long_words=False) or [""]]
    return rf"\begin{{tabular}}{form}" + r" \\ ".join(lines) + r"\end{tabular}" if len(lines) > 1 else lines[0]


def latex_row(cells: Iterable[str]) -> str:
    """A row of a LaTeX table."""
    return " & ".join(cells) + r" \\"


def escape(text: str, kind: str) -> str:
    """A text as "markdown" or "latex" shows it as it is, inside of a line."""
    text = text.translate(_ESCAPED[kind])
    if kind == "markdown":
        text = _TAG.sub(r"\\<", re.sub(r"\](?=\()", r"\]", _LINK_OR_STRESS.sub(r"\\", text)))
    return text


def paragraph(text: str) -> str:
    """A text as Markdown shows it as it is, where a line begins, such as in a list."""
    return _BLOCK.sub(r"\1\\", escape(text, "markdown"))


def harmless(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows whose texts a spreadsheet shows instead of taking a first "=", "+", "-" or "@" for that of a formula."""

    def shown(cell: object) -> object:
        formula = isinstance(cell, str) and re.match(r"[=+\-@](?![\d.]*$)", cell)
        return f"'{cell}" if formula else cell

    return rows.assign(**rows.select_dtypes(exclude="number").map(shown))
