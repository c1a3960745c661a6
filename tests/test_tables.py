"""Tables: means and intervals by closed form, marks of the best, four renderings of one source."""

import html
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from table_parts import cells, literature_table

from rssr.plan.artifacts import TABLES, artifact_at
from rssr.render.tables.table import Column, Table, ranks


def test_ranks_are_of_the_printed_numbers():
    values = pd.Series([28.701, 28.699, 28.5, np.nan])
    assert ranks(values, 2, "higher") == [1, 1, 3, 0]
    assert ranks(values, 3, "higher") == [1, 2, 3, 0]
    assert ranks(values, 2, "lower") == [2, 2, 1, 0]
    assert ranks(values, 2, None) == [0] * 4
    assert ranks(values[:1], 2, "higher") == [0]


def table():
    numbers = pd.DataFrame({"label": ["A_1", "B", "C"], "psnr": [28.7, 27.0, 26.0], "low": [np.nan] * 3})
    return Table(
        numbers,
        [Column("psnr", "PSNR (dB) ↑", 2, "higher"), Column("low", "LPIPS ↓", 4, "lower")],
        "A title",
        "100 % & more.",
        ["A note."],
    )


def test_four_renderings_of_one_source(tmp_path):
    table().write(tmp_path / "t")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t.csv"), table().numbers)
    markdown = (tmp_path / "t.md").read_text()
    assert "100 % & more." in markdown and "- A note." in markdown
    assert markdown.count("**28.70**") == 1 and "<u>27.00</u>" in markdown and markdown.count("–") == 3
    latex = (tmp_path / "t.tex").read_text()
    for part in (
        r"\toprule",
        r"A\_1",
        r"\textbf{28.70}",
        r"\underline{27.00}",
        r"100 \% \& more.",
        r"$\uparrow$",
        "--",
    ):
        assert part in latex
    page = (tmp_path / "t.html").read_text()
    assert "<p>100 % &amp; more.</p>" in page and "<li>A note.</li>" in page and 'aria-label="A title"' in page
    assert page.count('<span class="best">28.70</span>') == 1 and '<span class="second">27.00</span>' in page
    assert page.count('<td class="number">–</td>') == 3


def test_marks_are_given_within_a_group_and_it_is_named_once():
    numbers = pd.DataFrame({"part": ["x", "x", "y", "y"], "label": list("ABAB"), "v": [1.0, 2.0, 4.0, 3.0]})
    made = Table(numbers, [Column("v", "V", 0, "higher")], "T", "C", group=Column("part", "Part", None))
    rows = [line.split("|")[1:4] for line in made.markdown().splitlines()[4:]]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["x", "A", "<u>1</u>"],
        ["", "B", "**2**"],
        ["y", "A", "**4**"],
        ["", "B", "<u>3</u>"],
    ]
    assert made.latex("t").count(r"\midrule") == 2
    rows = [[text for _, _, text in row] for row in cells(made)]
    assert [row[0] for row in rows] == ["x", "x", "y", "y"], "on a page rows are sorted, so all have the group's name"
    assert [row[2] for row in rows] == [
        f'<span class="{mark}">{value}</span>'
        for mark, value in (("second", 1), ("best", 2), ("best", 4), ("second", 3))
    ]


def test_titles_above_and_signs():
    numbers = pd.DataFrame({"label": ["A"], "a": [0.5], "b": [-0.5]})
    columns = [Column("a", "Moved", 1, over="S_1", signed=True), Column("b", "Moved", 1, over="S_1", signed=True)]
    made = Table(numbers, columns, "T", "C")
    assert made.html().count(">S_1\nMoved<") == 2 and ">+0.5<" in made.html() and ">-0.5<" in made.html()
    assert made.markdown().count("S_1<br>Moved") == 2 and "+0.5" in made.markdown() and "-0.5" in made.markdown()
    assert r"\multicolumn{1}{c}{} & \multicolumn{2}{c}{S\_1} \\" in made.latex("t")
    assert r"\cmidrule(lr){2-3}" in made.latex("t")


def compiled(folder, stems):
    """What pdflatex prints of a document with tables of a folder, one page each."""
    pages = "".join(rf"\input{{{stem}}}\clearpage " for stem in stems)
    packages = r"\documentclass{article}\usepackage{booktabs,graphicx}"
    (folder / "document.tex").write_text(rf"{packages}\begin{{document}}{pages}\end{{document}}")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document.tex"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    assert result.returncode == 0, result.stdout[-2000:]
    return result.stdout


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no TeX engine on this machine")
def test_latex_compiles_whatever_a_label_has_in_it(tmp_path):
    made = table()
    made.numbers["label"] = [r"a_b & c% #1 {x} $ ~ ^ \d", "Δ ↑ ↓ – °", "< 0.1 | > 2"]
    made.columns = [*made.columns, Column("label", "A long title of a column", None, over="Over %")] * 6
    made.write(tmp_path / "wide")
    assert "Overfull" not in compiled(tmp_path, ["wide"])


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no TeX engine on this machine")
def test_every_table_of_a_run_compiles_and_fits_the_page(finished, tmp_path):
    found = [path.relative_to(finished) for path in (finished / "results/tables").rglob("*.tex")]
    assert {artifact_at(path).kind for path in found} == TABLES.keys() - {"literature"}
    stems = [f"t{index}" for index in range(len(found))]
    for stem, path in zip(stems, found, strict=True):
        shutil.copy2(finished / path, tmp_path / f"{stem}.tex")
    literature_table().write(tmp_path / "literature")
    assert "Overfull" not in compiled(tmp_path, [*stems, "literature"])


ODD = ["6 ARRBs", "nan", "<b>|x", '="1"&2']


def odd_table():
    numbers = pd.DataFrame({"model": list("abcd"), "label": ODD, "x": [24.0, 23.5, np.nan, np.inf], "text": ODD[::-1]})
    numbers["x_low"], numbers["x_high"] = [23.0, -1.5, np.nan, np.inf], [25.0, 24.25, np.nan, np.inf]
    numbers["p"] = [0.0001, 0.5, 0.25, np.nan]
    columns = [Column("x", "X <dB> ↑", 2, "higher"), Column("text", "T", None), Column("p", "p", 3, smallest=True)]
    return Table(numbers, columns, 'A "title"', "<i>Caption</i>", ["1 < 2 & more"])


def test_only_numbers_are_numbers_on_the_page():
    """A text is a text, though it begins with a digit or is called as what is no number."""
    rows = cells(odd_table())
    assert [[tag for tag, _, _ in row] for row in rows] == [["th", "td", "td", "td"]] * 4
    for row, label, text in zip(rows, ODD, reversed(ODD), strict=True):
        assert row[0] == ("th", ' scope="row"', html.escape(label))
        assert row[2] == ("td", "", html.escape(text))
    number = [row[1][1] for row in rows]
    assert number == [
        *(' class="number" data-value="24.00"', ' class="number" data-value="23.50"'),
        *(' class="number"', ' class="number" data-value="Infinity"'),
    ]
    assert [row[3][2] for row in rows] == ["&lt; 0.001", "0.500", "0.250", "–"]
    assert [row[3][1] for row in rows][3] == ' class="number"'
    headers = re.findall('<th scope="col"(.*?)><button type="button">(.*?)</button></th>', odd_table().html())
    of_number = ' class="number"'
    assert headers == [("", "Method"), (of_number, "X &lt;dB&gt; ↑"), ("", "T"), (of_number, "p")]


def test_a_page_holds_no_markup_of_a_table():
    page = odd_table().html()
    assert "<b>" not in page and "<i>" not in page
    assert 'aria-label="A &quot;title&quot;"' in page
    assert "<figcaption><p>&lt;i&gt;Caption&lt;/i&gt;</p><ul><li>1 &lt; 2 &amp; more</li></ul></figcaption>" in page
    assert re.findall('<tr data-model="(.*?)">', page) == list("abcd")
    made = odd_table()
    made.numbers["model"] = ['"><b>', None, "c", "d"]
    assert '<tr data-model="&quot;&gt;&lt;b&gt;">' in made.html() and "<tr><th" in made.html()
    assert "<tr>" in Table(made.numbers.drop(columns="model"), made.columns, "T", "C").html()


def test_ranks_and_intervals_on_the_page():
    made = odd_table()
    made.numbers = made.numbers[:2]
    one, other = (row[1][2] for row in cells(made))
    bar = '<span class="interval" aria-hidden="true" style="--low: {}%; --high: {}%; --at: {}%"></span>'
    # Of the span from -1.5 to 25.
    assert one == '<span class="best">24.00</span> <small>[23.00, 25.00]</small>' + bar.format(92.5, 100.0, 96.2)
    second = '<span class="second">23.50</span> <small>[-1.50, 24.25]</small>'
    assert other == second + bar.format(0.0, 97.2, 94.3)
    assert "interval" not in odd_table().html(), "no span is drawn where an end is infinite"
