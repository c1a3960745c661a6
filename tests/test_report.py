"""The report: what it says of a small run, and of the whole workflow's."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fake_report import COMMAND, MODELS, NAMES, SETS, SIDE, draw, read_run, scores_of, write_record, write_test_set
from objects import a_test_set

from rssr.base.files import read_image, sha256, write_image
from rssr.metrics.statistics import paired
from rssr.plan.artifacts import Artifact
from rssr.render.report import page
from rssr.render.report.images import write_copy, write_webp
from rssr.render.report.page import write_report
from rssr.render.report.results import Run
from rssr.render.titles import title, title_of


def digests(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def test_images_without_losses_are_the_scored_pixels(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 40, 3), np.uint8)
    write_image(tmp_path / "a.png", pixels)
    assert write_webp(tmp_path / "a.png", tmp_path / "a.webp", lossless=True) == np.inf
    assert (read_image(tmp_path / "a.webp") == pixels).all()
    kept = write_webp(tmp_path / "a.png", tmp_path / "b.webp", lossless=False)
    error = np.mean((read_image(tmp_path / "b.webp").astype(float) - pixels) ** 2)
    assert kept == pytest.approx(10 * np.log10(255**2 / error))


def test_methods_stand_by_their_mean_and_are_compared_image_by_image(fake):
    run = read_run(fake)
    rows = run.standings(run.sets[0])
    assert [row["model"] for row in rows] == ["better", "bicubic", "other"]
    assert rows[0]["mean"] == pytest.approx(scores_of("better", "bicubic").mean())
    # 0.5 and 0.01 more on each of 60 images: 0.5 + 0.01 * 29.5
    assert rows[1]["difference"] == pytest.approx(-0.795)
    expected = paired(
        scores_of("bicubic", "bicubic"),
        scores_of("better", "bicubic"),
        "higher",
        {"resamples": 200, "confidence": 0.95, "seed": 0},
    )
    assert rows[1]["difference_low"] == pytest.approx(expected["difference_low"])
    assert rows[1]["won"] == 0
    zero, low, middle, high = rows[2]["drawn"]
    assert (zero, low) == (100, 0) and low < middle < high < zero


def test_every_number_has_the_command_that_makes_it(fake):
    run = read_run(fake)
    tables = {(table.artifact.kind, table.artifact.degradation): table for table in run.tables()}
    quality = run.commands(tables["quality", "bicubic"])
    assert quality.keys() == MODELS.keys() and quality["better"] == COMMAND
    cost = run.commands(tables["complexity", None])
    assert cost["bicubic"].startswith("snakemake results/profile/x4/bicubic.json --force --cores all")
    assert run.command() == "snakemake --cores all --configfile 'my own.yaml'"


def test_titles_and_captions_name_what_a_figure_is_of(fake):
    run = read_run(fake)
    (figure,) = run.figures("win_rate")
    assert figure.artifact == Artifact("win_rate", "png", "tiny", scale=4, degradation="hard")
    assert figure.title == "Win rate: Tiny & small, x4, hard" and run.caption(figure) == "Wins on Tiny & small."
    assert figure.file("pdf") == "files/figures/tiny/x4-hard/win_rate.pdf"
    (complexity,) = run.tables("complexity")
    assert (complexity.title, complexity.rows) == ("Complexity: x4", 3)
    assert (run.set_of(figure), run.set_of(complexity)) == ("tiny/x4-hard", None)


def test_titles_say_what_a_table_or_figure_is_of():
    def titled(kind, **of):
        return title_of(Artifact(kind, **of), SETS, MODELS)

    assert titled("architecture", model="better", scale=2) == "Architecture: Better, x2"
    assert titled("feature_maps", **vars_of(SETS[1]), model="better") == (
        "Feature maps: Better, Tiny & small, x4, hard"
    )
    assert titled("audit_map", dataset="tiny", scale=4, model="better") == (
        "Audit of the protocol: Better, Tiny & small, x4"
    )
    assert titled("training_curves", dataset="other_set", scale=4) == "Training curves: other_set, x4"
    assert titled("mlstm_growth") == "mLSTM growth"


def vars_of(test) -> dict:
    return {"dataset": test.dataset, "scale": test.scale, "degradation": test.degradation}


def test_sets_and_degradations_whose_names_meet_are_kept_apart(tmp_path, monkeypatch):
    """Data set `neon` with degradation `hard_bicubic`, beside `neon_hard` with `bicubic`."""
    tests = [
        a_test_set(dataset, 4, degradation, label=dataset, conditions=f"x4, LR by {degradation}")
        for dataset, degradation in (("neon", "hard_bicubic"), ("neon_hard", "bicubic"))
    ]
    files = []
    for number, test in enumerate(tests):
        for kind in ("quality", "win_rate"):
            of = title_of(test.artifact(kind), tests, MODELS)
            assert of == title(kind, test.subject) and of.endswith(f": {test.dataset}, x4, {test.degradation}")
        write_test_set(tmp_path, test, {"bicubic": np.array([20.0 + number])}, ["a"])
        draw(tmp_path, test.artifact("win_rate"))
        of_set = [test.artifact("scores", suffix, "bicubic").path for suffix in ("csv", "json")]
        files += [*of_set, *test.artifact("quality").renderings, *test.artifact("win_rate").renderings]
    write_record(tmp_path)
    record = json.loads((tmp_path / "results/provenance.json").read_text())
    assert set(record["files"]) == set(files)
    monkeypatch.chdir(tmp_path)
    run = Run(record, tests, tmp_path)
    write_report(run, Path("report"))
    assert [run.set_of(table) for table in run.tables()] == [test.key for test in tests]
    assert [run.standings(found)[0]["mean"] for found in run.sets] == [20, 21]
    page = Path("report/index.html").read_text()
    for number, test in enumerate(tests):
        part = page.split(f'<div data-set="{test.key}">')[1].split("</section>")[0].split("<div data-set=")[0]
        assert f"Quality: {test.subject}" in part and f'data-value="{20 + number}.00"' in part
        assert f"files/tables/{test.key}/quality.csv" in part
        assert tests[1 - number].subject not in part and tests[1 - number].key not in part
        (figure,) = [text for text in page.split("<figure") if text.startswith(f' class="card" data-set="{test.key}"')]
        assert f"Win rate: {test.subject}" in figure and f"files/figures/{test.key}/win_rate.png" in figure
    shown = json.loads(Path("report/files/data.js").read_text().removeprefix("const TEST_SETS = ").rstrip(";\n"))
    folders = [{source["folder"] for source in found["sources"]} for found in shown]
    assert [found["key"] for found in shown] == [test.key for test in tests] and not folders[0] & folders[1]


def test_the_same_run_gives_the_same_bytes(fake, rendered):
    write_report(read_run(fake), Path("again"))
    assert digests(Path("again")) == digests(rendered / "results/report")


def test_a_report_that_fails_leaves_the_one_before(fake):
    before = digests(Path("results/report"))
    Path(f"results/sr/tiny/x4-hard/other/0/{NAMES[-1]}.png").unlink()
    with pytest.raises(Exception, match=NAMES[-1]):
        write_report(read_run(fake), Path("results/report"))
    assert digests(Path("results/report")) == before


def test_it_is_small_and_has_what_it_shows(rendered):
    files = rendered / "results/report/files"
    images = list((files / "images").rglob("*.webp"))
    assert len(images) == 8 * (1 + 2 * len(MODELS))  # HR once, for both degradations
    assert len(list((files / "images").rglob("*.png"))) == 8 * 2
    for name in ("tables", "figures"):
        assert digests(files / name) == digests(rendered / "results" / name)
    others = [path for path in files.rglob("*") if path.relative_to(files).parts[0] not in ("tables", "figures")]
    total = sum(path.stat().st_size for path in others)
    assert total < 80_000 + 3 * SIDE * SIDE * len(images)  # page, scripts, LR; of noise a byte a value


def test_tables_are_on_the_page_as_they_were_rendered(rendered):
    page = (rendered / "results/report/index.html").read_text(encoding="utf-8")
    tables = sorted((rendered / "results/tables").rglob("*.html"))
    assert len(tables) == len(SETS) + 1
    assert all(page.count(path.read_text(encoding="utf-8")) == 1 for path in tables)


@pytest.mark.parametrize(
    ("lossless", "room", "expected"), [(None, 1e9, True), (None, 1e3, False), (True, 1e3, True), (False, 1e9, False)]
)
def test_images_are_lossless_where_they_are_few_or_as_configured(fake, monkeypatch, lossless, room, expected):
    monkeypatch.setattr("rssr.render.report.page.LOSSLESS_BYTES", room)
    write_record(fake, lossless=lossless)
    write_report(read_run(fake), Path("results/report"))
    assert ("these are the pixels that were scored" in Path("results/report/index.html").read_text()) == expected
    image = sorted(Path("results/report/files/images/tiny/HR-x4").iterdir())[0]
    scored = read_image(Path("results/data/tiny/test/HR-x4", f"{image.stem}.png"))
    assert (read_image(image) == scored).all() == expected


def test_the_run_of_the_whole_workflow_has_its_report(finished, browser):
    record = json.loads((finished / "results/provenance.json").read_text())
    page = browser.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((finished / "results/report/index.html").as_uri())
    text = (finished / "results/report/index.html").read_text(encoding="utf-8")
    links = set(page.locator("a[href^='files/']").evaluate_all("all => all.map((link) => link.getAttribute('href'))"))
    for name in record["files"]:
        if name.startswith(("results/tables/", "results/figures/")) and not name.endswith((".md", ".html")):
            assert name.replace("results/", "files/") in links
        if name.startswith("results/tables/") and name.endswith(".html"):
            assert (finished / name).read_text(encoding="utf-8") in text, "a table is on the page as it was rendered"
    assert all((finished / "results/report" / link).is_file() for link in links)
    assert complaints == []
    page.close()


@pytest.mark.parametrize(("width", "suffix"), [(16_383, ".webp"), (16_384, ".png")])
def test_a_picture_wider_than_webp_allows_is_shown_as_png(tmp_path, width, suffix):
    pixels = np.random.default_rng(0).integers(0, 256, (2, width, 3), dtype=np.uint8)
    write_image(tmp_path / "a.png", pixels)
    found = SimpleNamespace(names=["a"], folder=lambda image: tmp_path)
    assert page._suffix(found, [0]) == suffix
    assert write_copy(tmp_path / "a.png", tmp_path / f"shown/a{suffix}", lossless=True) == np.inf
    assert np.array_equal(read_image(tmp_path / f"shown/a{suffix}"), pixels)


def test_infinite_scores_reach_the_page_and_missing_ones_are_none():
    assert [page._number(value) for value in (np.inf, np.nan, 30.1234567)] == [np.inf, None, 30.123457]
    assert json.dumps(np.inf) == "Infinity"  # as JavaScript reads it
