"""Tables: means and intervals by closed form, marks of the best, four renderings of one source."""

import html
import itertools
import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from objects import a_test_set

from rssr.datasets import rsscn7
from rssr.metrics.protocol import BASE, CHOICES
from rssr.plan.artifacts import TABLES, Artifact, artifact_at
from rssr.render.scores import absent, read_replicates, read_scores
from rssr.render.tables.comparison import significance
from rssr.render.tables.cost import ablation, complexity
from rssr.render.tables.protocol import audit, literature_against_measured
from rssr.render.tables.quality import classes, quality, side_by_side
from rssr.render.tables.scored import not_computed, undefined
from rssr.render.tables.table import Column, Table, ranks
from rssr.render.tables.training import training

SETTINGS = {"resamples": 2000, "confidence": 0.95, "seed": 0, "reference": None}
AGAINST_A = SETTINGS | {"reference": "a"}


def models(*names, **notes):
    return {name: {"label": name.upper(), "notes": notes.get(name, [])} for name in names}


def scores(**psnr):
    """Scores as read_scores() gives them, each image a unit of its own."""
    return {
        name: pd.DataFrame({"image": range(len(of)), "unit": range(len(of)), "psnr_y": of, "lpips": np.nan})
        for name, of in psnr.items()
    }


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


def cells(made):
    """(tag, attributes, inner HTML) of every cell of every row of a table's body."""
    body = re.search("<tbody>(.*)</tbody>", made.html(), re.DOTALL)[1]
    rows = re.findall("<tr.*?>(.*?)</tr>", body)
    return [[(m[1], m[2], m[3]) for m in re.finditer("<(t[dh])(.*?)>(.*?)</t[dh]>", row)] for row in rows]


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


def written_scores(folder, replicates):
    """A file of scores, with images whose names could be taken for numbers; replicate -> PSNR of its images."""
    rows = [
        {"image": image, "source": image, "replicate": replicate, "psnr_y": value, "lpips": None}
        for replicate, values in replicates.items()
        for image, value in zip(("007", "nan"), values, strict=True)
    ]
    pd.DataFrame(rows).to_csv(folder / "scores.csv", index=False)
    return folder / "scores.csv"


def test_scores_are_means_over_replicates(tmp_path):
    path = written_scores(tmp_path, {"seed0": [30.0, 32.0], "seed1": [31.0, 32.5]})
    frame = read_scores(path)
    assert frame.columns.tolist() == ["image", "unit", "psnr_y", "lpips"]
    assert frame["image"].tolist() == ["007", "nan"] and frame["psnr_y"].tolist() == [30.5, 32.25]
    assert frame["lpips"].isna().all()
    parts = read_replicates(path)
    assert {name: part["psnr_y"].tolist() for name, part in parts.items()} == {
        "seed0": [30.0, 32.0],
        "seed1": [31.0, 32.5],
    }
    made = quality({"a": frame}, models("a"), a_test_set(), SETTINGS, {"a": parts})
    assert made.numbers["psnr_y"][0] == 31.375 and made.numbers["psnr_y_spread"][0] == 0.75
    assert "Δ0.750" in made.markdown() and r"$\Delta$0.750" in made.latex("t")
    assert "<small>Δ0.750</small>" in made.html()
    assert "Δ: range of the means of 2 replicates; the mean is over them." in made.markdown()
    missing = read_scores(written_scores(tmp_path, {"seed0": [30.0, 32.0], "seed1": [None, 32.5]}))["psnr_y"]
    assert np.isnan(missing[0]) and missing[1] == 32.25, "no mean over those that happen to be there"


def test_one_replicate_changes_nothing(tmp_path):
    path = written_scores(tmp_path, {"0": [30.0, 32.0]})
    frame = read_scores(path)
    assert frame["image"].tolist() == ["007", "nan"] and frame["psnr_y"].tolist() == [30.0, 32.0]
    assert read_replicates(path) == {}
    given = quality({"a": frame}, models("a"), a_test_set(), SETTINGS, {"a": {}})
    plain = quality({"a": frame}, models("a"), a_test_set(), SETTINGS)
    assert given.markdown() == plain.markdown() and given.html() == plain.html()
    pd.testing.assert_frame_equal(given.numbers, plain.numbers)


def quality_numbers(**psnr):
    return pd.DataFrame({"model": list(psnr), "label": [n.upper() for n in psnr], "images": 7, "psnr_y": psnr.values()})


def named(name, degradation="bicubic", scale=4):
    conditions = f"x{scale}, LR by {degradation}"
    labels = {"label": name.upper(), "name": f"{name.upper()}, {degradation}"}
    return a_test_set(name, scale, degradation, conditions=conditions, **labels)


def by_test_set(tests, numbers):
    return {test.identity: frame for test, frame in zip(tests, numbers, strict=True)}


NO_NOTES = models("a", "b", "c")


def test_quality_by_class():
    images = ["p_1", "q_1", "p_2", "q_2"]
    scores = {
        "a": pd.DataFrame({"image": images, "unit": images, "psnr_y": [30.0, 20.0, 32.0, 24.0]}),
        "b": pd.DataFrame({"image": images, "unit": images, "psnr_y": [29.0, 21.0, 31.0, 25.0]}),
    }
    test = a_test_set(label="A set", classes="([pq])_")
    made = classes(scores, NO_NOTES, test, SETTINGS)
    assert made.title == "Quality by class: A set, x4, bicubic"
    assert made.numbers[["class", "model", "images", "psnr_y"]].values.tolist() == [
        *(["p", "a", 2, 31], ["p", "b", 2, 30]),
        *(["q", "a", 2, 22], ["q", "b", 2, 23]),
    ]
    text = made.markdown()
    assert "**31.00** |" in text and "**23.00**" in text and "<u>22.00</u>" in text
    assert f"{test.title}, by class. Mean over the images of a class" in text and "peak 255" in text


def test_every_image_of_rsscn7_has_its_class():
    for sources in rsscn7.DATA_SET.splits.values():
        found = pd.Series(sources).str.replace("/", "_").str.extract(rsscn7.DATA_SET.classes, expand=False)
        assert (found == [source.partition("/")[0] for source in sources]).all()


def test_all_test_sets_side_by_side():
    numbers = [quality_numbers(a=30.0, b=31.0), quality_numbers(a=20.0, b=np.nan)]
    tests = [named("s"), named("t")]
    made = side_by_side(by_test_set(tests, numbers), tests, NO_NOTES)
    backwards = dict(reversed(by_test_set(tests, numbers).items()))
    assert side_by_side(backwards, tests, NO_NOTES).markdown() == made.markdown(), "found by what they are"
    assert made.numbers[["s/psnr_y", "t/psnr_y"]].to_numpy().tolist()[0] == [30, 20]
    text = made.markdown()
    assert "All test sets, x4, LR by bicubic." in text and "S (7 images)<br>PSNR-Y (dB) ↑" in text
    assert "| 20.00 |" in re.sub(" +", " ", text) and "| – |" in re.sub(" +", " ", text)
    tests = [named("s"), named("s", "hard", 2)]
    several = side_by_side(by_test_set(tests, numbers), tests, NO_NOTES)
    assert several.numbers["conditions"].tolist() == ["x4 bicubic"] * 2 + ["x2 hard"] * 2
    assert "- x2 hard: x2, LR by hard." in several.markdown()


def test_ablation_is_the_difference_from_the_full_network():
    profiles = {"b": profile([2.0] * 3), "a": profile([1.0] * 3)}
    qualities = by_test_set([named("s")], [quality_numbers(a=30.0, b=30.5, c=40.0)])
    made = ablation(profiles, NO_NOTES, qualities, [named("s")], ["psnr_y"])
    assert made.title == "Ablation: B, x4"
    assert made.numbers["model"].tolist() == ["b", "a"]
    assert made.numbers["s/x4-bicubic/psnr_y_difference"].tolist() == [0, -0.5]
    text = made.markdown()
    assert "Ablation of B" in text and "difference from B." in text and "-0.50" in text and "**1.0**" in text
    assert "C" not in made.numbers["label"].tolist()


def test_names_with_underscores_do_not_meet_in_an_ablation():
    """Data set `neon` at `hard_bicubic` beside `neon_hard` at `bicubic`: a column each, with its own numbers."""
    profiles = {"b": profile([2.0] * 3), "a": profile([1.0] * 3)}
    tests = [named("neon", "hard_bicubic"), named("neon_hard")]
    qualities = by_test_set(tests, [quality_numbers(a=10.0, b=11.0), quality_numbers(a=50.0, b=51.0)])
    numbers = ablation(profiles, NO_NOTES, qualities, tests, ["psnr_y"]).numbers
    assert numbers["neon/x4-hard_bicubic/psnr_y"].tolist() == [11, 10]
    assert numbers["neon_hard/x4-bicubic/psnr_y"].tolist() == [51, 50]


def literature_table():
    value = {"label": "Net A", "model": "a", "metric": "psnr_y", "value": "30.5", "citation": "a paper, page 3"}
    values = [
        value | {"agrees": "no", "why": "crop 0 there, 4 here"},
        value | {"label": "Net Z", "model": None, "agrees": "yes", "why": ""},
    ]
    test = named("s")
    qualities = {test.identity: quality_numbers(a=30.25)}
    return literature_against_measured(qualities, [test], {test.identity: values}, NO_NOTES)


def test_literature_values_of_models_that_are_run_or_not():
    made = literature_table()
    assert made.title == "Literature values"
    assert made.numbers["difference"][0] == -0.25 and np.isnan(made.numbers["difference"][1])
    rows = [re.sub(" +", " ", line) for line in made.markdown().splitlines()]
    assert "| S, bicubic | A | PSNR-Y (dB) | 30.5 | 30.2 | -0.2 | no: crop 0 there, 4 here | [1] |" in rows
    assert "| | Net Z | PSNR-Y (dB) | 30.5 | – | – | yes | [1] |" in rows
    assert "- [1]: a paper, page 3." in rows


def test_the_audit_moves_one_choice_at_a_time():
    rows = [dict(zip(CHOICES, combination, strict=True)) for combination in itertools.product(*CHOICES.values())]
    moved = [sum(row[choice] != option for choice, option in BASE.items()) for row in rows]
    measured = pd.DataFrame(rows).assign(psnr=[30 + count for count in moved], ssim=[0.9 - 0.01 * c for c in moved])
    value = {"label": "Net A", "model": "a", "citation": "a paper", "agrees": "no", "why": ""}
    printed = [value | {"metric": "psnr_y", "value": "30.00"}, value | {"metric": "ssim_y", "value": "0.9000"}]
    printed.append(printed[0] | {"label": "Net Z", "model": None})  # says nothing of these
    made = audit({"a": measured}, NO_NOTES, a_test_set(label="A set"), 7, printed)
    assert made.title == "Audit of the protocol: A set, x4"
    assert made.caption.startswith("A set, x4, 7 images: the same weights under other protocols.")
    assert len(made.numbers) == 1 + sum(len(options) - 1 for options in CHOICES.values())
    assert made.numbers["protocol"][0] == "stated protocol" and made.numbers["psnr_moved"].tolist()[1:] == [1.0] * (
        len(made.numbers) - 1
    )
    assert made.notes[:2] == [
        "PSNR-Y (dB) 30.00 is printed for Net A (a paper).",
        "SSIM-Y 0.9000 is printed for Net A (a paper).",
    ]
    stated = f"A comes nearest to that under: {', '.join(BASE[choice] for choice in CHOICES)} (30.00 dB, 0.9000); "
    assert made.notes[2].startswith(stated) and len(made.notes) == 3


def test_training_table():
    run = {
        **{"recipe": {"iterations": None, "batch": 4, "patch": 24, "precision": "no", "loss": "l1"}, "iterations": 50},
        **{"dataset": "s", "seconds": 10.0, "device": "cpu", "final_loss": 0.25},
        **{"machine": {"processor": "A chip", "gpu": None}, "sha256": "1"},
    }
    loaded = {"loaded_from": ["one", "two"], "sha256": "2", "training": run}
    unknown = {"loaded_from": "file", "sha256": "3", "training": "not stated"}
    of = [("a", "s", run), ("b", "s", loaded), ("b", "t", loaded), ("c", "s", unknown)]
    records = [(Artifact("weights", "json", d, scale=4, model=m, replicate="0"), record) for m, d, record in of]
    made = training(records, NO_NOTES, {"s": "Set"})
    assert made.numbers["model"].tolist() == ["a", "b", "c"], "the same weights for a second data set are no row"
    first = made.numbers.iloc[0]
    assert first[["trained_on", "iterations", "images_per_s", "device"]].tolist() == ["Set", 50, 20, "A chip"]
    text = made.markdown()
    assert "- B: loaded from one or two; the row is from the record of its training" in text
    assert "- C: loaded from file; no record of its training" in text
    assert [cell.strip() for cell in text.splitlines()[6].split("|")[2:-1]] == ["–"] * 12


def test_quality_table():
    test = a_test_set(label="A set", conditions="x4, LR by bicubic")
    of = scores(a=[30.0, 32.0, 30.0, 32.0, 31.0], b=[29.0, 31.0, 29.0, 31.0, 30.0])
    made = quality(of, models("a", "b", a=["somebody's"]), test, SETTINGS)
    assert made.title == "Quality: A set, x4, bicubic"
    assert made.numbers["psnr_y"].tolist() == [31, 30]
    text = made.markdown()
    assert "A set, x4, LR by bicubic. Mean over 5 images" in text
    assert "peak 255" in text and "- A: somebody's" in text
    assert re.search(r"\*\*31\.00\*\* \[29\.\d\d, 32\.\d\d\]", text) and "<u>30.00</u> [28" in text
    assert "- By PSNR-Y, A has the best mean, ahead of B by 1.000 dB" in text and "Rank" not in text, "too few sources"
    assert "Δ" not in text and "psnr_y_spread" not in made.numbers
    assert "literature" not in text
    assert "LPIPS" not in text and "lpips" not in made.numbers, "nothing has a value, so it is no column"
    of["b"].loc[0, "lpips"] = 0.25
    assert [row[-1][2] for row in cells(quality(of, NO_NOTES, test, SETTINGS))] == ["–", "–"], "something has one"


def test_a_metric_without_scores_is_named_with_what_to_do(tmp_path):
    for name, found in (("a", {}), ("b", {"lpips": "there is no network: bring the file"})):
        (tmp_path / f"{name}.json").write_text(json.dumps({"absent": found}))
    notes = not_computed(absent(sorted(tmp_path.iterdir())))
    assert notes == ["LPIPS: not computed, because there is no network: bring the file"]


def of_seeds(*means):
    return {
        f"seed{number}": pd.DataFrame({"image": ["x", "y"], "psnr_y": [mean - 1, mean + 1]})
        for number, mean in enumerate(means)
    }


def test_quality_table_shows_how_far_replicates_are_apart():
    of = scores(a=[30.0, 32.0], b=[30.0, 32.0])
    made = quality(of, NO_NOTES, a_test_set(), SETTINGS, {"a": {}, "b": of_seeds(31.0, 31.0625, 30.9375)})
    assert np.isnan(made.numbers["psnr_y_spread"][0]) and made.numbers["psnr_y_spread"][1] == 0.125
    text = made.markdown()
    assert text.count("Δ0.125") == 1 and "of the means of 3 replicates" in text
    assert r"$\Delta$0.125" in made.latex("t")


def test_literature_values_stand_below_a_rule():
    of = scores(a=[30.0, 32.0], b=[30.0, 32.0])
    value = {"label": "A", "model": "a", "metric": "psnr_y", "value": "99.125", "citation": "a paper"}
    values = [
        value | {"agrees": "no", "why": "crop 0 there, 4 here"},
        value | {"label": "Net <Z>", "model": None, "agrees": "yes", "why": ""},
        value | {"metric": "lpips", "agrees": "yes", "why": ""},
    ]
    made, plain = (quality(of, NO_NOTES, a_test_set(), SETTINGS, literature=given) for given in (values, []))
    pd.testing.assert_frame_equal(made.numbers, plain.numbers)  # and so the CSV, and what reads it
    lines = [re.sub("[ -]+", " ", line) for line in made.markdown().splitlines()]
    rows = [line for line in lines if line.startswith("| ")][1:]
    assert [row.startswith(f"| {name} | **31.00**") for row, name in zip(rows[:2], "AB", strict=True)] == [True] * 2
    assert rows[2:] == [
        "| | |",
        "| A (in the literature) | 99.125 |",
        r"| Net \<Z> (in the literature, not measured here) | 99.125 |",
    ]
    assert "- A in the literature, PSNR-Y: a paper. Protocols agree: no (crop 0 there, 4 here)." in made.markdown()
    assert "LPIPS" not in made.markdown() and "literature" not in plain.markdown()
    assert re.search(r"\\midrule\nA \(in the literature\) & 99.125 .*\n.*99.125 .*\n\\bottomrule", made.latex("t"))
    below = re.search('<tbody class="below">\n(.*)\n</tbody>', made.html(), re.DOTALL)[1]
    assert '<th scope="row">Net &lt;Z&gt; (in the literature, not measured here)</th>' in below
    assert below.count('<td class="number">99.125</td>') == 2 and "data-value" not in below
    assert made.html().replace(f'\n</tbody>\n<tbody class="below">\n{below}', "").count("99.125") == 0


def test_significance_table():
    rng = np.random.default_rng(0)
    base = rng.normal(30, 2, 60)
    columns = {"unit": range(60), "psnr_y": base, "ssim_y": base / 40, "lpips": [np.nan] * 60}
    better = columns | {"psnr_y": base + rng.normal(0.5, 0.1, 60)}
    of = {"a": pd.DataFrame(columns), "better": pd.DataFrame(better), "same": pd.DataFrame(columns)}
    rows = models(*of)
    test = a_test_set(label="A set")
    made = significance(of, rows, test, AGAINST_A)
    assert made.title == "Significance: A set, x4, bicubic" and made.caption.startswith(f"{test.title}. ")
    found = made.numbers.set_index(["model", "metric"])
    assert len(found) == 4, "two methods by two metrics; a metric without scores has no row"
    assert "LPIPS" not in made.markdown()
    won = found.loc[("better", "PSNR-Y (dB)")]
    assert won["difference_low"] < won["difference"] < won["difference_high"] and won["won_percent"] == 100
    assert won["p_holm"] == pytest.approx(2 * won["p"]) and won["against"] == "A"
    assert "| < 0.0001 |" in re.sub(" +", " ", made.markdown())
    assert '<td class="number" data-value="0.0000">&lt; 0.0001</td>' in made.html() and "$<$ 0.0001" in made.latex("t")
    assert found.loc[("same", "SSIM-Y"), ["difference", "p_holm", "won_percent"]].tolist() == [0, 1, 50]
    assert "on the same 60 images" in made.markdown()
    assert significance({"a": of["a"]}, models("a"), test, AGAINST_A).markdown()


def test_a_difference_below_the_spread_of_seeds_is_said():
    means = {"a": 31.0, "close": 31.125, "far": 32.0, "single": 31.25}
    of = scores(**{name: [mean - 1, mean + 1] for name, mean in means.items()})
    replicates = {"a": of_seeds(30.875, 31.125), "close": of_seeds(31.0, 31.125, 31.25), "far": of_seeds(31.75, 32.25)}
    made = significance(of, models(*of), a_test_set(), AGAINST_A, replicates | {"single": {}})
    assert made.numbers["spread"].tolist() == [0.25, 0.5, 0.25]
    few = "2 sources, with which no p falls below 0.05 after Holm's correction over 3 pairs"
    assert made.notes == [
        f"No two methods can be told apart with {few}",
        "CLOSE and A, PSNR-Y: the difference is smaller than the spread of replicates",
    ]
    assert "Spread of replicates" in made.markdown()
    assert "pread" not in significance(of, models(*of), a_test_set(), AGAINST_A).markdown()


def test_spread_of_seeds_is_in_every_table_of_means():
    frame = pd.DataFrame({"image": ["p/x", "q/y"], "unit": ["p/x", "q/y"], "psnr_y": [30.0, 32.0]})
    parts = {"seed1": frame.assign(psnr_y=[29.875, 32.0]), "seed2": frame.assign(psnr_y=[30.125, 32.0])}
    test = a_test_set(classes=r"^(\w)/")
    by_class = classes({"a": frame}, NO_NOTES, test, SETTINGS, {"a": parts})
    assert by_class.numbers["psnr_y_spread"].tolist() == [0.25, 0] and "of 2 replicates" in by_class.caption
    numbers = quality({"a": frame}, NO_NOTES, test, SETTINGS, {"a": parts}).numbers
    beside = side_by_side({test.identity: numbers}, [test], NO_NOTES)
    assert "Δ0.125" in beside.markdown() and "Δ: range over replicates." in beside.caption


def profile(samples, **changes):
    latency = {"samples_ms": samples, "peak_memory_mib": 12.5, "images_per_s": 1.0, "megapixels_per_s": 0.1}
    latency |= {"device": "CPU (x)", "device_type": "cpu", "threads": 2, "backend": "PyTorch eager"}
    facts = {"parameters": 1500, "macs": {"total": 4_331_520}, "input_shape": [1, 3, 16, 16]}
    machine = {"machine": {"processor": "A chip"}, "libraries": {"torch": "2.14.1"}}
    return facts | machine | {"latency": latency | {"precision": "float32"} | changes}


def test_complexity_table():
    profiles = {"a": profile([1.0, 2.0, 1.1]), "b": profile([3.0, 3.0, 3.0]), "c": profile([4.0, 4.0, 4.0], threads=1)}
    rows = models("a", "b", "c")
    assert "In the literature" not in complexity(profiles, rows, "a").markdown()
    rows["a"]["literature"] = {"parameters_m": "0.0", "citation": "a paper", "without": ["table"]}
    made = complexity(profiles, rows, "a")
    assert made.title == "Complexity: x4"
    text = made.markdown()
    assert "In the literature (M)" in text and "| 0.0 |" in " ".join(text.split())
    assert "A: parameters as stated in a paper" in text
    assert "1x3x16x16, float32, on A chip, 2 threads, PyTorch 2.14.1" in text
    assert "0.004" in text and "**1.1** [1.0, 1.9]" in text and "<u>3.0</u>" in text
    assert "C was measured at" in text and "1 threads" in text and "not comparable" in text
    assert "not steady" not in text
    assert made.numbers["times_as_fast"].tolist() == [1, pytest.approx(1.1 / 3), pytest.approx(1.1 / 4)]
    profiles["a"] |= {"parameters": 0}
    assert "Times as fast" not in complexity(profiles, rows, "a").markdown(), "an interpolation is no measure"
    disturbed = complexity({"a": profile([1.0, 1.0, 9.0])}, rows, "a").markdown()
    assert "A: its calls were not steady (1.0 to 8.2 ms)" in disturbed


@pytest.mark.parametrize(
    ("scores", "said"), [([30.0, 32.0, np.inf], "; that of the others is 31.00"), ([np.inf] * 3, "")]
)
def test_an_infinite_mean_is_said_so(scores, said):
    frame = pd.DataFrame({"image": list("abc"), "psnr_y": scores})
    count = sum(map(np.isinf, scores))
    assert undefined({"net": frame}, {"net": {"label": "Net"}}) == [
        f"Net, PSNR-Y (dB): infinite for {count} of 3 images, where SR and HR are equal, so the mean is too{said}"
    ]
    assert undefined({"net": frame.assign(psnr_y=1.0)}, {"net": {"label": "Net"}}) == []
