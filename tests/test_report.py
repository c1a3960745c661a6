"""The report: what it says of a small run, and how its page behaves in a browser."""

import io
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from objects import a_test_set
from PIL import Image
from playwright.sync_api import sync_playwright

from rssr.base.files import read_image, sha256, write_csv, write_image, write_json
from rssr.metrics.statistics import paired
from rssr.plan.artifacts import Artifact
from rssr.render.report import page
from rssr.render.report.images import write_copy, write_webp
from rssr.render.report.page import write_report
from rssr.render.report.results import Run
from rssr.render.tables.table import Column, Table
from rssr.render.titles import title, title_of

MODELS = {"bicubic": "Bicubic", "better": "Better", "other": "<script>alert(1)</script> | other"}
NAMES = [f"a{kind}_{index:02}" for kind in ("Field", "Wood") for index in range(30)]
SETS = [
    a_test_set("tiny", 4, name, label="Tiny & small", conditions=f"x4, LR by {name}, 8 bit")
    for name in ("bicubic", "hard")
]
COMMAND = "snakemake results/scores/tiny/x4-bicubic/better.csv --force --cores all --configfile 'my own.yaml'"
SIDE = 48
MADE = {
    "code": "1a2b3c",
    "libraries": {"torch": "2.0"},
    "machine": {"processor": "A, 2 cores", "gpu": None, "system": "L"},
}


def scores_of(model: str, degradation: str) -> np.ndarray:
    """PSNR of each image: `better` is ahead of `bicubic` by 0.01 dB more on every image than on the one before."""
    psnr = 24 + np.random.default_rng(len(degradation)).normal(0, 2, len(NAMES))
    return psnr + {"bicubic": 0, "better": 0.5, "other": -1}[model] + (model == "better") * 0.01 * np.arange(len(NAMES))


def write_test_set(folder: Path, test, psnr: dict[str, np.ndarray], names: list[str]) -> None:
    """The images, scores and table of quality of a test set; model -> its PSNR of every image."""
    random = np.random.default_rng(len(test.dataset))
    for name in names:
        hr = random.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
        write_image(folder / test.artifact("hr").folder / f"{name}.png", hr)
        write_image(folder / test.artifact("lr").folder / f"{name}.png", np.ascontiguousarray(hr[::4, ::4]))
        for model in psnr:
            write_image(folder / f"results/sr/{test.key}/{model}/0/{name}.png", hr // 2)
    rows = []
    for model, values in psnr.items():
        write_csv(
            folder / f"results/sr/{test.key}/{model}/manifest.csv", [{"image": n, "replicate": "0"} for n in names]
        )
        stem = written(folder / f"results/scores/{test.key}/{model}")
        scores = {"image": names, "source": names, "replicate": 0, "psnr_y": values, "lpips": np.nan}
        pd.DataFrame(scores).to_csv(f"{stem}.csv", index=False)
        facts = {"crop": 4, "metrics": {"psnr_y": "PSNR on Y"}, "absent": {"lpips": "there is no network"}}
        write_json(Path(f"{stem}.json"), facts | MADE)
        interval = {"psnr": values.mean(), "psnr_low": values.mean() - 1, "psnr_high": values.mean() + 1}
        rows.append({"model": model, "label": MODELS[model], **interval, "no": np.nan})
    columns = [Column("psnr", "PSNR-Y (dB) ↑", 2, "higher"), Column("no", "LPIPS ↓", 4, "lower")]
    of = title("quality", test.subject), f"{test.title}. Everything.", ["A remark."]
    Table(pd.DataFrame(rows), columns, *of).write(written(folder / f"results/tables/{test.key}/quality"))


def draw(folder: Path, figure: Artifact) -> None:
    for path in figure.renderings:
        Image.new("RGB", (300, 150), "white").save(written(folder / path))


def write_fake_run(folder: Path) -> None:
    """The files of a run that the report reads, in a folder."""
    for test in SETS:
        write_test_set(folder, test, {model: scores_of(model, test.degradation) for model in MODELS}, NAMES)
    for model in MODELS:
        write_json(folder / f"results/profile/x4/{model}.json", {"macs": {"not_counted": {"aten::add": 3}}} | MADE)
    costs = pd.DataFrame({"model": list(MODELS), "label": list(MODELS.values()), "latency_ms": [1.0, 20.0, 3.0]})
    costs["params_m"] = [0, 0.38, 0.4]
    costs = costs.assign(latency_ms_low=costs["latency_ms"] - 0.5, latency_ms_high=costs["latency_ms"] + 0.5)
    latency = Column("latency_ms", "Latency (ms) ↓", 1, "lower")
    table = Table(costs, [latency], title("complexity", "x4"), "Cost of a call.")
    table.write(written(folder / "results/tables/x4/complexity"))
    for figure in (SETS[1].artifact("distributions"), SETS[1].artifact("win_rate"), Artifact("mlstm_growth")):
        draw(folder, figure)
    (folder / "win_rate.rst").write_text("Wins on {{ snakemake.wildcards.dataset }}.\n")
    write_record(folder)


def written(path: Path) -> Path:
    """A path with a folder around it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write_record(folder: Path, **report) -> None:
    """results/provenance.json of what is in results/."""
    configuration = {
        "datasets": {"tiny": {"label": "Tiny & small", "images": "images", "split": {"test": "*.png"}}},
        "degradations": {"bicubic": [{"reduce": "bicubic"}], "hard": [{"reduce": "nearest"}]},
        "models": {name: {"label": label, "arch": "bicubic", "note": f"{name}!"} for name, label in MODELS.items()},
        "metrics": {"psnr_y": {}, "lpips": {"required": False}},
        "statistics": {"resamples": 200},
        "report": {"images": 8} | report,
    }
    kept = ("tables", "figures", "scores", "profile")
    found = sorted(path for name in kept for path in (folder / "results" / name).rglob("*") if path.is_file())
    files = {str(path.relative_to(folder)): sha256(path) for path in found}
    machine = {"processor": "A, 2 cores", "gpu": None, "system": "Linux"}
    record = {"configuration": configuration, "files": files, "code": "1a2b3c", "libraries": {"torch": "2.0"}}
    write_json(folder / "results/provenance.json", record | {"machine": machine})


def read_run(folder: Path) -> Run:
    record = json.loads((folder / "results/provenance.json").read_text())
    return Run(record, SETS, folder, ["--configfile", "my own.yaml"])


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Path:
    """A folder with a fake run and its report; not to be changed."""
    folder = tmp_path_factory.mktemp("fake")
    write_fake_run(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_report(read_run(folder), Path("results/report"))
    return folder


@pytest.fixture
def fake(rendered, tmp_path, monkeypatch) -> Path:
    """A copy of the fake run, from which the test runs."""
    shutil.copytree(rendered, tmp_path / "fake")
    monkeypatch.chdir(tmp_path / "fake")
    return tmp_path / "fake"


def digests(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


# What it says.


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
    assert figure.title == "Win rate: Tiny & small, x4, hard" and run.caption(figure) == "Wins on tiny."
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


# How it behaves in a browser.


@pytest.fixture(scope="module")
def browser():
    names = ("chromium", "chromium-browser", "google-chrome")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        pytest.skip(f"none of {', '.join(names)} is installed")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, rendered):
    """A function that opens the report; in the end nothing was complained of and nothing was asked for outside it."""
    folder, complaints, contexts = rendered / "results/report", [], []

    def open_page(width: int = 1024, theme: str = "light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
        inside = (folder.as_uri(), "data:")
        page.on(
            "request", lambda request: request.url.startswith(inside) or complaints.append(f"outside: {request.url}")
        )
        page.goto((folder / "index.html").as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def column(page, table: str, index: int) -> list[str]:
    cells = page.locator(f"{table} tbody tr:visible > :nth-child({index})")
    return [text.strip() for text in cells.all_inner_texts()]


LEADERBOARD = "#results [data-set='tiny/x4-bicubic'] table"


def test_first_screen_says_who_leads_and_by_how_much(opened):
    page = opened()
    top = page.locator(".standing:visible")
    assert page.locator("h1").inner_text() == "3 methods on 60 images of Tiny & small"
    assert top.locator(".who").inner_text() == "Better"
    assert f"{scores_of('better', 'bicubic').mean():.2f} dB PSNR-Y" in top.inner_text()
    assert "Better is first, ahead of Bicubic by 0.795 dB" in top.inner_text()
    assert "Its cost: 0.380 M parameters, 20.0 ms" in top.inner_text()
    assert "Bicubic\n0.000 M parameters, 1.0 ms" in top.locator("tbody").inner_text()


def test_the_page_goes_from_the_answer_to_the_details(opened):
    page = opened()
    sections = page.locator("section[id]").evaluate_all("all => all.map((section) => section.id)")
    assert sections == [
        *("top", "results", "cost", "figures", "compare", "images", "tables", "further", "protocol", "provenance")
    ]
    page.select_option("#set", "tiny/x4-hard")
    titles = page.locator("figure img:visible").evaluate_all("all => all.map((image) => image.alt)")
    assert titles == ["Distributions: Tiny & small, x4, hard", "Win rate: Tiny & small, x4, hard", "mLSTM growth"]


def test_labels_are_text_whatever_is_in_them(opened):
    page = opened()
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    assert MODELS["other"] in page.locator(LEADERBOARD).inner_text()
    assert MODELS["other"] in page.locator("#image-table thead").inner_text()
    page.select_option("#left", "other")
    assert page.locator("#left-tag").inner_text() == MODELS["other"]


def test_tables_are_sorted_and_filtered(opened):
    page = opened()
    assert column(page, LEADERBOARD, 1) == list(MODELS.values())
    title = page.locator(f"{LEADERBOARD} thead th").nth(1)
    for direction, expected in (
        ("descending", ["Better", "Bicubic", MODELS["other"]]),
        ("ascending", [MODELS["other"], "Bicubic", "Better"]),
    ):
        title.get_by_role("button").click()
        assert title.get_attribute("aria-sort") == direction
        assert column(page, LEADERBOARD, 1) == expected
    title.get_by_role("button").click()
    assert title.get_attribute("aria-sort") is None
    assert column(page, LEADERBOARD, 1) == list(MODELS.values())
    page.locator("#image-filter").fill("WOOD")
    assert len(column(page, "#image-table", 1)) == 30
    assert all(name.startswith("aWood") for name in column(page, "#image-table", 1))


def test_intervals_are_drawn_in_the_leaderboards_alone(opened):
    page = opened()
    assert page.locator(f"{LEADERBOARD} .interval:visible").count() == len(MODELS)
    assert page.locator("#results figure.bars").count() == len(SETS)
    assert page.locator("#cost .interval").count() == len(MODELS)
    assert page.locator("#cost .interval:visible").count() == 0
    assert page.locator(".standing:visible .interval:visible").count() == len(MODELS) - 1


def test_images_are_sorted_by_the_difference_of_two_methods(opened):
    page = opened()
    assert column(page, "#image-table", 1) == NAMES[:9:-1]  # 50 of 60, the largest difference first
    assert column(page, "#image-table", 2)[0] == "+1.09"
    page.get_by_role("button", name="Show all").click()
    assert column(page, "#image-table", 1) == NAMES[::-1]
    page.locator("#image-table thead button").nth(1).click()
    assert column(page, "#image-table", 1) == NAMES
    page.locator("#image-table thead button").nth(1).click()
    for expected in (NAMES, NAMES[::-1], NAMES[::-1]):
        page.locator("#image-table thead button").first.click()
        assert column(page, "#image-table", 1) == expected
    page.locator("#image-table thead button").nth(1).click()
    page.select_option("#subtrahend", "other")
    assert column(page, "#image-table", 2)[0] == "+1.50"
    page.locator("#image-table tbody tr.opens").first.click()
    assert page.locator("#left").input_value() == "other"
    assert page.locator("#right").input_value() == "better"
    assert (
        page.locator("#image").input_value()
        == page.locator("#image-table tbody tr.opens").first.inner_text().split()[0]
    )


def test_divider_follows_the_pointer_and_the_keys(opened):
    page = opened()
    slider = page.get_by_role("slider")
    value = lambda: int(slider.get_attribute("aria-valuenow"))  # noqa: E731
    assert value() == 50
    slider.scroll_into_view_if_needed()
    box, stage = slider.bounding_box(), page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(stage["x"] + stage["width"] / 4, box["y"] + 20)
    page.mouse.up()
    assert value() == 25
    clip = page.evaluate("getComputedStyle(document.querySelector('.clip')).clipPath")
    assert clip == "inset(0px 0px 0px 25%)"
    slider.focus()
    for key, expected in (
        ("ArrowRight", 27),
        ("ArrowLeft", 25),
        ("PageUp", 35),
        ("End", 100),
        ("ArrowUp", 100),
        ("Home", 0),
    ):
        page.keyboard.press(key)
        assert value() == expected
    assert slider.get_attribute("aria-valuetext") == "0 % Bicubic, 100 % Better"


def test_zoom_and_pan_are_the_same_for_every_method(opened):
    page = opened()

    def transforms() -> set[str]:
        # Of images of different sizes: in parts of their own.
        script = """[...document.querySelectorAll('#stage img, #difference img, #contact img')].map((image) => {
          const {a, e, f} = new DOMMatrix(getComputedStyle(image).transform);
          return [a, e / image.offsetWidth, f / image.offsetHeight].map((x) => x.toFixed(2)).join(' ');
        })"""
        found = page.evaluate(script)
        assert len(found) == 2 + 2 + len(MODELS) + 2
        return set(found)

    assert transforms() == {"1.00 0.00 0.00"}
    page.get_by_role("slider").focus()
    page.keyboard.press("+")
    assert transforms() == {"1.50 -0.25 -0.25"}  # about the middle
    page.keyboard.press("Shift+ArrowRight")
    assert transforms() == {"1.50 -0.35 -0.25"}
    page.locator("#stage").scroll_into_view_if_needed()
    stage = page.locator("#stage").bounding_box()
    x, y = stage["x"] + stage["width"] * 0.8, stage["y"] + stage["height"] * 0.5
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + stage["width"] * 0.1, y + stage["height"] * 0.2)
    page.mouse.up()
    assert transforms() == {"1.50 -0.25 -0.05"}
    assert page.get_by_role("slider").get_attribute("aria-valuenow") == "50"  # the image was dragged, not the divider
    for _ in range(12):
        page.locator("#zoom-in").click()
    assert page.locator("#zoom").inner_text() == "32.0 ×"
    page.locator("#fit").click()
    assert transforms() == {"1.00 0.00 0.00"}


def test_any_pair_can_be_compared(opened):
    page = opened()
    page.select_option("#left", "LR")
    page.select_option("#right", "HR")
    shown = [page.locator(f"#{side}-image").evaluate("image => image.src") for side in ("left", "right")]
    assert "/tiny/x4-bicubic/LR/" in shown[0] and shown[0].endswith(".png") and "/tiny/HR-x4/" in shown[1]
    page.get_by_label("Swap left and right").click()
    assert page.locator("#left-tag").inner_text() == "HR"
    page.locator("#contact button").nth(2).click()
    assert page.locator("#right-tag").inner_text() == "Better"
    page.select_option("#set", "tiny/x4-hard")
    assert page.locator("#left-image").evaluate("image => image.src").find("/tiny/x4-hard/bicubic/") > 0
    assert page.locator(".standing:visible h2").inner_text() == SETS[1].title
    assert page.locator("#figures figure:visible").count() == 1
    page.select_option("#set", "tiny/x4-bicubic")
    assert page.locator("#figures figure:visible").count() == 0


def test_the_difference_of_both_sides_is_drawn(opened, rendered):
    page = opened()
    frame = page.locator("#difference .frame")

    def drawn() -> float:
        page.wait_for_function("[...document.querySelectorAll('#difference img')].every((image) => image.complete)")
        pixels = np.asarray(Image.open(io.BytesIO(frame.screenshot())).convert("RGB"), float)
        return float(pixels[9:-9, 9:-9].mean())  # without the round corners

    assert drawn() == 0  # every method has the same images
    page.select_option("#right", "HR")
    page.select_option("#gain", "1")
    name = page.locator("#image").input_value()
    hr = read_image(rendered / f"results/data/tiny/test/HR-x4/{name}.png").astype(float)
    expected = (hr - hr // 2).mean()
    assert drawn() == pytest.approx(expected, abs=3)
    page.select_option("#gain", "4")
    assert drawn() > 2.5 * expected


def test_an_address_opens_the_same_view(opened):
    page = opened()
    assert "#" not in page.url
    page.select_option("#set", "tiny/x4-hard")
    for choice, value in (("image", NAMES[0]), ("left", "HR"), ("right", "other"), ("gain", "16")):
        page.select_option(f"#{choice}", value)
    page.locator("#zoom-in").click()
    page.get_by_role("slider").focus()
    page.keyboard.press("PageUp")
    page.wait_for_function("location.hash.includes('divider=60')")

    def state(of) -> list:
        values = of.locator("#set, #viewer select").evaluate_all("all => all.map((choice) => choice.value)")
        transform = of.locator("#left-image").evaluate("image => getComputedStyle(image).transform")
        return [values, transform, of.get_by_role("slider").get_attribute("aria-valuenow")]

    again = opened()
    again.goto(page.url)
    again.wait_for_function("document.getElementById('left').value === 'HR'")
    assert state(again) == state(page)
    again.reload()
    assert state(again) == state(page)
    again.evaluate("location.hash = 'set=nothing&image=nothing&left=LR&zoom=x'")
    again.wait_for_function("document.getElementById('left').value === 'LR'")
    assert again.locator("#image").input_value() and again.locator("#set").input_value() == "tiny/x4-hard"


def test_what_is_cut_has_a_hint(opened):
    page = opened(390)
    page.locator("details").evaluate_all("all => all.forEach((details) => (details.open = true))")
    cut = page.evaluate("""[...document.querySelectorAll('main *, nav *')].filter((element) => {
        const pictured = element.closest('#stage, .frame, .clip, select, input');
        const style = getComputedStyle(element);
        return !pictured && style.overflowX !== 'visible' && element.scrollWidth > element.clientWidth + 1;
      }).map((element) => [element, getComputedStyle(element)])
      .map(([element, style]) => [element.className, style.overflowX, style.backgroundImage])
    """)
    assert len(cut) > 3 and all({"sections", "scroll"} & set(name.split()) for name, *_ in cut)
    assert all(overflow == "auto" and hint.count("linear-gradient") == 4 for _, overflow, hint in cut)


@pytest.mark.parametrize("clipboard", [True, False])
def test_a_command_is_copied(opened, clipboard):
    page = opened()
    page.evaluate(
        "(works) => Object.defineProperty(navigator, 'clipboard', {value: {writeText: async (text) => {"
        "  if (!works) throw new Error('not allowed'); window.copied = text; }}})",
        clipboard,
    )
    page.evaluate("document.addEventListener('copy', () => { window.copied = document.activeElement.value; })")
    page.locator(f"{LEADERBOARD} tbody tr").nth(1).get_by_role("button").click()
    page.wait_for_function("window.copied !== undefined")
    assert page.evaluate("window.copied") == COMMAND
    assert page.locator("#toast").inner_text() == f"Copied: {COMMAND}"


def test_theme_is_switched_and_remembered(opened):
    page = opened(theme="dark")
    paper = lambda: page.evaluate("getComputedStyle(document.body).backgroundColor")  # noqa: E731
    dark, switch = paper(), page.locator("#theme")
    assert switch.inner_text() == "Light colours"
    switch.click()
    assert paper() != dark and switch.inner_text() == "Dark colours"
    light = paper()
    page.reload()
    assert paper() == light
    assert opened(theme="light").evaluate("getComputedStyle(document.body).backgroundColor") == light


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_wider_than_the_page_and_all_is_accessible(opened, theme):
    for width in (390, 1024, 1920):
        page = opened(width, theme)
        page.locator("details").evaluate_all("all => all.forEach((details) => (details.open = true))")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        if width != 1024:
            # Its preload asks for the style sheet by XMLHttpRequest, which files may not.
            results = Axe().run(page, options={"resultTypes": ["violations"], "preload": False})
            assert results.violations_count == 0, results.generate_report()


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
