"""The folder of the report: one page, and beside it what the page shows."""

import json
import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from rssr.base.files import replacing
from rssr.metrics.registry import METRICS
from rssr.render.report.images import QUALITY, chosen, spread, write_webp
from rssr.render.report.results import Run, TestSet

HERE = Path(__file__).resolve().parent


def write_report(run: Run, folder: Path, images: int | None = None) -> None:
    """Write index.html, and files/ with all that it shows; the page last, so that it is there when all else is.

    Args:
        run: the finished run.
        folder: results/report.
        images: how many of a test set are shown; None: as configured.
    """
    with _replacing_folder(folder / "files") as files:
        for asset in (HERE / "assets").iterdir():
            shutil.copyfile(asset, files / asset.name)
        for name in ("tables", "figures"):
            (files / name).mkdir()
            for path in map(Path, run.record["files"]):
                if path.parent == Path("results", name):
                    shutil.copyfile(path, files / name / path.name)
        count = images or run.config.report.images
        chosen_by = reversed(run.sets)  # the first degradation comes last, and stays
        shown = {test.dataset: chosen(spread(test.scores[test.metric]), count) for test in chosen_by}
        kept = [_write_images(run, test, shown[test.dataset], files / "images") for test in run.sets]
        data = json.dumps([_data(run, test, shown[test.dataset]) for test in run.sets], separators=(",", ":"))
        (files / "data.js").write_text(f"const TEST_SETS = {data};\n", encoding="utf-8")
        page = _html(run, min(kept))
    with replacing(folder / "index.html") as path:
        path.write_text(page, encoding="utf-8")


def _write_images(run: Run, test: TestSet, shown: Sequence[int], folder: Path) -> float:
    """Write the images of a test set; the lowest PSNR, in dB, between one of them and its file."""
    worst = math.inf
    for name in (test.names[index] for index in shown):
        for source in ("HR", *run.labels):
            path = folder / _address(test, source) / f"{name}.webp"
            if not path.exists():  # HR at an earlier degradation
                worst = min(worst, write_webp(test.folder(source) / f"{name}.png", path, run.config.report.lossless))
        lr = folder / _address(test, "LR") / f"{name}.png"
        lr.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(test.folder("LR") / f"{name}.png", lr)
    return worst


def _address(test: TestSet, source: str) -> str:
    return f"{test.dataset}/HR" if source == "HR" else f"{test.dataset}/{test.degradation}/{source}"


def _data(run: Run, test: TestSet, shown: Sequence[int]) -> dict[str, Any]:
    """What the scripts of the page know of a test set, as JSON."""
    measured = [metric for metric, found in test.scores.items() if not np.isnan(list(found.values())).all()]
    metrics = measured or [test.metric]
    sources = {"LR": "LR (nearest neighbour)", **run.labels, "HR": "HR"}
    return {
        "key": test.key,
        "names": test.names,
        "shown": shown,
        "opened": max(shown, key=lambda index: spread(test.scores[test.metric])[index]),
        "leader": run.standings(test)[0]["model"],
        "sources": [
            {
                "name": name,
                "label": label,
                "folder": _address(test, name),
                "suffix": ".png" if name == "LR" else ".webp",
            }
            for name, label in sources.items()
        ],
        "metrics": [
            {"label": card.label, "better": card.better, "digits": card.digits} for card in map(METRICS.get, metrics)
        ],
        "scores": {
            name: [[_number(value) for value in test.scores[metric][name]] for metric in metrics] for name in run.labels
        },
    }


def _number(value: float) -> float | None:
    """A score as JSON has it: none where it is not finite."""
    return round(float(value), 6) if math.isfinite(value) else None


def _html(run: Run, kept: float) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "digits": lambda value, digits: f"{value:.{digits}f}",
        "signed": lambda value, digits: f"{value:+.{digits}f}".replace("-", "−"),
        "layout": lambda value: json.dumps(value, indent=2, ensure_ascii=False),
    }
    tables = run.tables()
    leaderboards = {f"quality_{test.key}" for test in run.sets}
    return environment.get_template("page.html").render(
        run=run,
        metrics=METRICS,
        standings={test.key: run.standings(test) for test in run.sets},
        leaderboards={table.stem: table for table in tables if table.stem in leaderboards},
        cost=[table for table in tables if table.stem.startswith(("complexity", "training"))],
        others=[t for t in tables if t.stem not in leaderboards and not t.stem.startswith(("complexity", "training"))],
        places={test.title.partition(", x")[0]: len(test.names) for test in run.sets},
        kept=None if math.isinf(kept) else kept,
        quality=QUALITY,
    )


@contextmanager
def _replacing_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder` that takes its place when the block ends well and is deleted otherwise."""
    temporary = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)  # of a killed run
    temporary.mkdir(parents=True)
    try:
        yield temporary
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
