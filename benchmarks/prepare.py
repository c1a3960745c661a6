"""Preparing image pairs from orthophotos: ours against the way of BasicSR's scripts, on the same cores, turn by turn.

PYTHONPATH=. python benchmarks/prepare.py [--tiles 2] [--image scene.png] [--out results/reference/prepare.json]
"""

import argparse
import io
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import rasterio
import torch
from PIL import Image
from rasterio.windows import Window

import rssr.models.basicsr_import  # noqa: F401, before basicsr
from rssr.base.files import encode_png, read_csv, read_image, write_json
from rssr.base.provenance import made_by
from rssr.datasets.card import Card, DataSet
from rssr.datasets.prepare import prepare_hr, prepare_lr
from rssr.datasets.tiles import tile_boxes
from rssr.metrics.latency import cpu_peak_mib

# isort: split
from basicsr.utils.matlab_functions import imresize as basicsr_imresize

TILE, SCALE = 512, 4
REPEATS = 3


def main() -> None:
    """Time both on the same files, compare their pixels, print and write the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=2, help="orthophotos; Potsdam has 38")
    parser.add_argument("--side", type=int, default=6000)
    parser.add_argument("--image", type=Path, help="photograph that the orthophotos repeat, mirrored; else synthetic")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for number in range(arguments.tiles):
            draw(folder / f"{number}.tif", arguments.side, number, arguments.image)
        found = _compare(folder, arguments.jobs)
        found["peak_mib"] = cpu_peak_mib(lambda: _ours(folder, folder / "memory", arguments.jobs))
    print(", ".join(f"{key} {value:.4g}" for key, value in found.items()))
    if arguments.out:
        facts = {name: getattr(arguments, name) for name in ("tiles", "side", "jobs")}
        image = arguments.image.name if arguments.image else "synthetic"
        write_json(arguments.out, made_by(**found, **facts, image=image, repeats=REPEATS, device="CPU"))


def draw(path: Path, side: int, seed: int, image: Path | None = None) -> None:
    """An orthophoto as a striped TIFF file, written by rows."""
    random = np.random.default_rng(seed)
    if image is None:
        coarse = random.uniform(40, 215, (64, 64, 3)).astype(np.float32)
        scene = cv2.resize(coarse, (1500, 1500), interpolation=cv2.INTER_CUBIC)
        scene = np.clip(scene + random.normal(0, 4, scene.shape), 0, 255).astype(np.uint8)
    else:
        scene = np.rot90(read_image(image), seed).copy()
    scene = np.concatenate([scene, scene[::-1]])
    scene = np.concatenate([scene, scene[:, ::-1]], 1)
    columns = np.arange(side) % scene.shape[1]
    shape = {"height": side, "width": side, "count": 3, "dtype": "uint8", "photometric": "RGB"}
    with rasterio.open(path, "w", driver="GTiff", **shape) as file:
        for top in range(0, side, 500):
            rows = np.arange(top, min(side, top + 500)) % scene.shape[0]
            pixels = scene[rows][:, columns].transpose(2, 0, 1)
            file.write(pixels, window=Window(0, top, side, pixels.shape[1]))


def _compare(folder: Path, jobs: int) -> dict[str, float]:
    ways: dict[str, Callable[[Path], None]] = {
        "ours": lambda out: _ours(folder, out, jobs),
        "basicsr": lambda out: _basicsr(folder, out, jobs),
        "basicsr_parallel": lambda out: _basicsr(folder, out, jobs, jobs),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(REPEATS):
        for name, way in ways.items():
            start, cpu = time.perf_counter(), _cpu_seconds()
            way(folder / name)
            times[name].append((time.perf_counter() - start, _cpu_seconds() - cpu))
    rows = read_csv(folder / "ours/HR/manifest.csv")
    images = [read_image(folder / "ours/HR" / f"{row['image']}.png") for row in rows[:144]]
    pairs = len(rows)
    found: dict[str, float] = {"pairs": pairs}
    for index, kind in enumerate(("", "cpu_")):  # a busy machine spoils the wall clock, and CPU time less
        medians = {name: statistics.median(v[index] for v in values) / pairs * 1000 for name, values in times.items()}
        found |= {f"{name}_{kind}ms_a_pair": value for name, value in medians.items()}
        found |= {f"{name}_{kind}ratio": medians[name] / medians["ours"] for name in ("basicsr", "basicsr_parallel")}
    # PNG encoding alone, of the HR and LR images over the same cores.
    images += [read_image(folder / f"ours/LR/x{SCALE}-bicubic" / f"{row['image']}.png") for row in rows[:144]]
    for name, encode in (("png", encode_png), ("pillow_png", _pillow_png)):
        start, cpu = time.perf_counter(), _cpu_seconds()
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(encode, images))
        found[f"{name}_encoding_ms_a_pair"] = (time.perf_counter() - start) / min(144, pairs) * 1000
        found[f"{name}_encoding_cpu_ms_a_pair"] = (_cpu_seconds() - cpu) / min(144, pairs) * 1000
    return found | _differences(folder, rows)


def _pillow_png(pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(io.BytesIO(), format="PNG")


def _cpu_seconds() -> float:
    """CPU time of this process and of the ended ones that it started."""
    return time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def _differences(folder: Path, rows: list[dict[str, str]]) -> dict[str, float]:
    """HR must be the same; LR may be a level apart where rounding decides."""
    apart, largest, total = 0, 0, 0
    for row in rows:
        name = f"{row['image']}.png"
        hr, lr = ((read_image(folder / "ours" / sub / name)) for sub in ("HR", "LR"))
        if not np.array_equal(hr, read_image(folder / "basicsr/HR" / name)):
            raise AssertionError(f"{name}: another HR image than BasicSR's")
        difference = np.abs(lr.astype(int) - read_image(folder / "basicsr/LR" / name))
        apart, largest, total = apart + (difference > 0).sum(), max(largest, difference.max()), total + lr.size
    return {"lr_apart": float(apart / total), "lr_largest_difference": float(largest)}


def data_set_of(folder: Path) -> DataSet:
    """The orthophotos of a folder as a data set."""
    sources = tuple(path.stem for path in sorted(folder.glob("*.tif")))
    card = Card(licence="", citation="", page="", gsd_m="", tile=TILE)
    return DataSet(card, {"test": sources}, find=lambda where, source: where / f"{source}.tif")


def _ours(folder: Path, out: Path, jobs: int) -> None:
    prepare_hr(data_set_of(folder), folder, "test", TILE, out / "HR", jobs)
    prepare_lr(out / "HR", out / "LR", "bicubic", SCALE, jobs)


def _basicsr(folder: Path, out: Path, jobs: int, lr_jobs: int = 1) -> None:
    """scripts/data_preparation/extract_subimages.py (one process per image), then imresize over the sub-images."""
    for sub in ("HR", "LR"):
        (out / sub).mkdir(parents=True, exist_ok=True)
    with multiprocessing.Pool(jobs) as pool:
        pool.starmap(_extract, [(path, out / "HR") for path in sorted(folder.glob("*.tif"))])
    paths = [(path, out / "LR" / path.name) for path in sorted((out / "HR").iterdir())]
    if lr_jobs == 1:
        for pair in paths:
            _reduce(*pair)
    else:
        with multiprocessing.Pool(lr_jobs) as pool:
            pool.starmap(_reduce, paths)


def _extract(path: Path, out: Path) -> None:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    for left, top, right, bottom in tile_boxes(image.shape[1], image.shape[0], TILE):
        tile = np.ascontiguousarray(image[top:bottom, left:right])
        name = f"{path.stem}_x{left}_y{top}.png"
        cv2.imwrite(str(out / name), tile, [cv2.IMWRITE_PNG_COMPRESSION, 3])


def _reduce(path: Path, out: Path) -> None:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.float32) / 255
    reduced = basicsr_imresize(image, 1 / SCALE, True)
    cv2.imwrite(str(out), np.clip(reduced * 255, 0, 255).round().astype(np.uint8))


if __name__ == "__main__":
    main()
