"""The folder of the report: one page, and the files that it shows."""

import json
import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup
from PIL import Image

from rssr.base.files import replacing
from rssr.metrics.registry import METRICS
from rssr.render.choice import differing_and_even, disagreement
from rssr.render.report.images import LARGEST, QUALITY, write_copy
from rssr.render.report.results import Rendering, Run, TestResults
from rssr.render.words import counted

HERE = Path(__file__).resolve().parent
LOSSLESS_BYTES = 50e6  # of the PNG files of all shown images, up to which they are shown without losses by default
FIRST_FIGURES = ("qualitative", "quality_cost", "distributions")


def write_report(run: Run, folder: Path, images: int | None = None) -> None:
    """Write index.html, and files/ with all that it shows; the page last, so that it exists only when all else does.

    Args:
        run: the finished run.
        folder: results/report.
        images: how many of a test set are shown; None: as configured.
    """
    with _replacing_folder(folder / "files") as files:
        for asset in (HERE / "assets").iterdir():
            shutil.copyfile(asset, files / asset.name)
        for rendering in (*run.tables(), *run.figures()):
            for path in map(Path, rendering.artifact.renderings):
                copy = files / path.relative_to("results")
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
        count = images or run.config.report.images
        chosen_by = reversed(run.sets)  # the first degradation comes last, and stays
        shown = {found.test.dataset: differing_and_even(_scores(found), count) for found in chosen_by}
        sources = {address: path for found in run.sets for address, path in _shown(found, shown[found.test.dataset])}
        lossless = run.config.report.lossless
        if lossless is None:
            lossless = sum(path.stat().st_size for path in sources.values()) <= LOSSLESS_BYTES
        kept = [write_copy(path, files / "images" / address, lossless) for address, path in sources.items()]
        for found in run.sets:
            _copy_lr(found, shown[found.test.dataset], files / "images")
        data = json.dumps([_data(run, found, shown[found.test.dataset]) for found in run.sets], separators=(",", ":"))
        (files / "data.js").write_text(f"const TEST_SETS = {data};\n", encoding="utf-8")
        page = _html(run, min(kept))
    with replacing(folder / "index.html") as path:
        path.write_text(page, encoding="utf-8")


def _scores(found: TestResults) -> np.ndarray:
    """The scores that images are chosen by, (models, images)."""
    return np.array(list(found.scores[found.metric].values()))


def _shown(found: TestResults, shown: Sequence[int]) -> Iterator[tuple[str, Path]]:
    """Address below the folder of images, and the scored file, of each HR and SR image that is shown."""
    suffix = _suffix(found, shown)
    for name in (found.names[index] for index in shown):
        for image in ("HR", *found.folders):
            yield f"{_address(found, image)}/{name}{suffix}", found.folder(image) / f"{name}.png"


def _suffix(found: TestResults, shown: Sequence[int]) -> str:
    """The format of a test set's HR and SR images: WebP, unless one is larger than WebP allows."""
    for name in (found.names[index] for index in shown):
        with Image.open(found.folder("HR") / f"{name}.png") as image:
            if max(image.size) > LARGEST:
                return ".png"
    return ".webp"


def _copy_lr(found: TestResults, shown: Sequence[int], folder: Path) -> None:
    for name in (found.names[index] for index in shown):
        lr = folder / _address(found, "LR") / f"{name}.png"
        lr.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found.folder("LR") / f"{name}.png", lr)


def _address(found: TestResults, image: str) -> str:
    """Where a kind of image lies below the folder of images; HR images once for all degradations."""
    return f"{found.test.dataset}/HR-x{found.test.scale}" if image == "HR" else f"{found.test.key}/{image}"


def _data(run: Run, found: TestResults, shown: Sequence[int]) -> dict[str, Any]:
    """What the scripts of the page know of a test set, as JSON."""
    measured = [metric for metric, of in found.scores.items() if not np.isnan(list(of.values())).all()]
    metrics = measured or [found.metric]
    labels = {name: run.labels[name] for name in found.folders}
    images = {"LR": "LR (nearest neighbour)", **labels, "HR": "HR"}
    suffix = _suffix(found, shown)
    return {
        "key": found.test.key,
        "names": found.names,
        "shown": shown,
        "opened": max(shown, key=lambda index: disagreement(_scores(found))[index]),
        "leader": run.standings(found)[0]["model"],
        "sources": [
            {
                "name": name,
                "label": label,
                "folder": _address(found, name),
                "suffix": ".png" if name == "LR" else suffix,
            }
            for name, label in images.items()
        ],
        "metrics": [
            {"label": card.label, "better": card.better, "digits": card.digits} for card in map(METRICS.get, metrics)
        ],
        "scores": {
            name: [[_number(value) for value in found.scores[metric][name]] for metric in metrics] for name in labels
        },
    }


def _number(value: float) -> float | None:
    """A score as JavaScript has it: none where there is none; a perfect one may be infinite."""
    return None if math.isnan(value) else round(float(value), 6)


def _html(run: Run, kept: float) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "digits": lambda value, digits: "–" if math.isnan(value) else f"{value:.{digits}f}",
        "signed": lambda value, digits: "–" if math.isnan(value) else f"{value:+.{digits}f}".replace("-", "−"),
        "counted": counted,
        "layout": lambda value: json.dumps(value, indent=2, ensure_ascii=False),
    }
    leaderboards = run.tables("quality")
    cost = run.tables("complexity", "training")
    shown = {table.artifact for table in (*leaderboards, *cost)}
    return environment.get_template("page.html").render(
        run=run,
        metrics=METRICS,
        standings={found.test.key: run.standings(found) for found in run.sets},
        leaderboards={run.set_of(table): table for table in leaderboards},
        cost=cost,
        figures=run.figures(*FIRST_FIGURES),
        further=[figure for figure in run.figures() if figure.artifact.kind not in FIRST_FIGURES],
        others=[table for table in run.tables() if table.artifact not in shown],
        places={found.test.dataset: (found.test.label, len(found.names)) for found in run.sets},
        html=lambda table: Markup(Path(table.artifact.path).read_text(encoding="utf-8")),
        size=_size,
        kept=None if math.isinf(kept) else kept,
        quality=QUALITY,
    )


def _size(figure: Rendering) -> tuple[int, int]:
    """Width and height of a figure's PNG."""
    with Image.open(figure.artifact.path) as image:
        return image.size


@contextmanager
def _replacing_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that replaces `folder` when the block ends without an error, and is deleted otherwise."""
    temporary = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)  # of a killed run
    temporary.mkdir(parents=True)
    try:
        yield temporary
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
