"""Names and labels never break what they stand in: tables in four forms, spreadsheets, figures, the configuration."""

import csv
import html
import io
import re
import warnings
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from objects import a_test_set

from rssr.base.errors import UserError
from rssr.base.files import write_image
from rssr.config import validate
from rssr.datasets.folder import data_set
from rssr.render.figures import fonts, style
from rssr.render.scores import read_numbers
from rssr.render.tables.notes import model_notes
from rssr.render.tables.quality import quality
from rssr.render.tables.table import Column, Table

LABELS = [
    *("Mine (A|B)", "50 % {x} #1 & co_", "_net_ and *net* ~~old~~", "$x^2$", r"a\|b \textbf{c}", "[HAT](javascript:x)"),
    *(
        "<b>bold</b><script>",
        "&lt;T&gt;",
        "nan",
        "007",
        "1e5",
        "-",
        "None",
        "`code`",
        "双三次",
        '‘quoted’ "twice"',
        "a/b\\c",
    ),
    *("=cmd|' /C calc'!A0", "+1+1", "-net", "@SUM(A1)", "![i](x)", "#", "--", "{label}", "{}", "%s", "x" * 300),
    *("# Ours", "> Ours", "1. Ours", "2) Ours", "+ Ours", "- Ours", "[ ] Ours", "[Ours]: x", "*Ours*", "_EDSR_ ~~x~~"),
]


def table(label):
    numbers = pd.DataFrame({"model": ["nan", "007"], "label": [label, "Other"], "psnr_y": [30.123, 29.0]})
    numbers[f"{label}/b"] = [1.0, 2.0]
    columns = [Column("psnr_y", "PSNR ↑", 2, "higher", over=label), Column(f"{label}/b", "B", 1)]
    return Table(numbers, columns, f"Quality: {label}", f"{label}, x4.", [f"{label}: a note"])


@pytest.mark.parametrize("label", LABELS)
def test_a_label_is_shown_as_it_is_in_every_form(label, tmp_path):
    table(label).write(tmp_path / "quality")
    rendered = MarkdownIt("gfm-like", {"linkify": False}).render((tmp_path / "quality.md").read_text())
    for page in (rendered, (tmp_path / "quality.html").read_text()):
        rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S) for row in page.split("<tr")[1:]]
        assert [len(row) for row in rows] == [3, 3, 3]
        assert html.unescape(re.sub(r"<[^>]+>", "", rows[1][0])) == label
        assert label in html.unescape(re.sub(r"<br\s*/?>|<button[^>]*>|</button>", " ", rows[0][1])).replace("\n", " ")
        shown = [html.unescape(re.sub("<[^>]+>", "", line)) for line in re.findall("<(?:p|li)>(.*?)</(?:p|li)>", page)]
        assert shown == [f"{label}, x4.", f"{label}: a note"]
        assert "<script" not in page and "<b>" not in page and "<img" not in page and "href" not in page
    latex = (tmp_path / "quality.tex").read_text()
    assert latex.count("{") - latex.count(r"\{") - latex.count(r"\textbackslash{}") >= 0
    row = next(line for line in latex.splitlines() if "30.12" in line)
    assert len(re.findall(r"(?<!\\)&", row)) == 2 and not re.search(r"(?<!\\)[%#]", row)
    rows = list(csv.reader(io.StringIO((tmp_path / "quality.csv").read_text())))
    cell = rows[1][1]
    assert cell.removeprefix("'") == label and (cell[0] not in "=+-@" or cell == "-")
    numbers = read_numbers(tmp_path / "quality.csv")
    assert numbers["model"].tolist() == ["nan", "007"] and numbers["psnr_y"].tolist() == [30.123, 29.0]


def test_two_data_sets_cannot_share_a_label():
    content = models("Net")
    content["datasets"]["other"] = content["datasets"]["mine"]
    with pytest.raises(UserError, match="datasets.mine and datasets.other have one label, 'Mine': change one of them"):
        validate(content, "c.yaml")


@pytest.mark.parametrize(
    "url", ["net.pth", "file:///etc/hostname", [], "https://", "https://[::1/x", ["https://a.example/x", "ftp://b/x"]]
)
def test_an_address_is_on_the_web(url):
    content = models("Net")
    content["models"]["m0"] = {"label": "N", "arch": "basicsr:EDSR", "weights": {"url": url, "sha256": "0" * 64}}
    with pytest.raises(UserError, match="`url` is an address such as https://.*; a file on this machine is a `path`"):
        validate(content, "c.yaml")


def test_an_error_names_the_key_and_no_branch_of_its_type():
    content = models("Net")
    content["models"]["m0"] = {"label": "N", "arch": "basicsr:EDSR", "weights": {"url": 3, "sha256": "0" * 64}}
    with pytest.raises(UserError, match="'models.m0.weights.url' is a text, but YAML reads 3: put it in quotes"):
        validate(content, "c.yaml")


def models(*labels):
    return {
        "datasets": {"mine": {"label": "Mine", "images": "x", "split": {"test": "*"}}},
        "models": {f"m{i}": {"label": label, "arch": "bicubic"} for i, label in enumerate(labels)},
    }


@pytest.mark.parametrize("labels", [("Net", "Net"), ("Net", " Net "), ("a b", "a\n b"), ("é", "e\u0301")])
def test_two_models_cannot_share_a_label(labels):
    with pytest.raises(UserError, match=r"models.m0 and models.m1 have one label, '.*': change one of them"):
        validate(models(*labels), "c.yaml")
    assert validate(models("Net", "net"), "c.yaml").models["m1"].label == "net"


@pytest.mark.parametrize("label", ["", "  ", "\n", "a\x00b", "a\x1b[31m", "\udce9"])
def test_a_label_that_cannot_be_shown_is_refused_with_the_rule(label):
    with pytest.raises(UserError, match=r"'models.m0.label': .*(shown on one line|unicode)"):
        validate(models(label), "c.yaml")


def test_image_names_are_no_formulas(tmp_path):
    for name in ("=cmd", "@x", "-1", "+1", "sub=1"):
        write_image(tmp_path / f"{name}.png", plt.np.zeros((8, 8, 3), plt.np.uint8))
    assert sorted(data_set(str(tmp_path), {"test": "*"}).splits["test"]) == ["_+1", "_-1", "_=cmd", "_@x", "sub=1"]


def test_without_a_font_figures_are_drawn_and_notes_name_labels_data_set_and_images(tmp_path, monkeypatch):
    monkeypatch.setattr(fonts, "_others", list)  # a machine without any font but matplotlib's own
    figure, axis = plt.subplots()
    axis.set_title("双三次")
    with pytest.warns(UserWarning, match="missing from font"):
        style.save(figure, tmp_path / "figure")
    assert (tmp_path / "figure.png").exists()
    frame = pd.DataFrame({"image": ["图一", "b"], "unit": ["x", "y"], "psnr_y": [30.0, 31.0]})
    settings = {"resamples": 100, "confidence": 0.95, "seed": 0, "reference": None}
    models = {"net": {"label": "双三次", "notes": []}}
    found = quality({"net": frame}, models, a_test_set(label="中", name="中"), settings).notes
    for what, lacking in (("双三次", "三双次"), ("Data set", "中"), ("Names of images", "一图")):
        assert any(note.startswith(f"{what}: figures show boxes for {lacking}, which no font") for note in found), found


def test_a_font_that_was_installed_since_matplotlib_listed_them_is_found(monkeypatch):
    monkeypatch.setattr(fonts.fontManager, "ttflist", [f for f in fonts.fontManager.ttflist if f.name != "STIXGeneral"])
    path = next(Path(mpl.get_data_path()).glob("fonts/ttf/STIXGeneral.ttf"))
    monkeypatch.setattr(fonts, "findSystemFonts", lambda: [str(path), "no-font.ttf"])
    assert "STIXGeneral" in fonts._others.__wrapped__()


def test_letters_that_no_font_has_are_said_below_tables_and_others_are_drawn(tmp_path, monkeypatch):
    """A font of matplotlib's own stands for one that a machine has installed: DejaVu lacks one of its letters."""
    families, missing = fonts.cover("abc 双三次 x")
    notes = model_notes({"net": {"label": "双三次", "notes": []}})
    assert bool(missing) == any("figures show boxes for" in note and missing in note for note in notes)
    assert families[0] == "DejaVu Sans" and fonts.cover("abcé ↑")[1] == ""
    only = next(c for c in map(chr, range(0xE000, 0xF8FF)) if fonts.cover(c)[1] == "" and len(fonts.cover(c)[0]) == 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a missing glyph
        figure, axis = plt.subplots()
        axis.set_title(f"a{only}b")
        axis.set_yticks([0], [only])
        style.save(figure, tmp_path / "figure")
    assert (tmp_path / "figure.pdf").exists()
