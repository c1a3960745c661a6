"""A small run that is made up, and its report."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from objects import a_test_set
from PIL import Image

from rssr.base.files import sha256, write_csv, write_image, write_json
from rssr.plan.artifacts import Artifact
from rssr.render.report.page import write_report
from rssr.render.report.results import Run
from rssr.render.tables.table import Column, Table
from rssr.render.titles import title

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
    """The files of a run that the report reads, in a folder, and its report."""
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
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_report(read_run(folder), Path("results/report"))


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


def column(page, table: str, index: int) -> list[str]:
    cells = page.locator(f"{table} tbody tr:visible > :nth-child({index})")
    return [text.strip() for text in cells.all_inner_texts()]


LEADERBOARD = "#results [data-set='tiny/x4-bicubic'] table"
