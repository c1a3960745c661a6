"""From source images to HR tiles and LR images, each with its manifest."""

import concurrent.futures
from collections.abc import Iterator
from pathlib import Path

import torch
from tqdm import tqdm

from rssr.datasets.card import DataSet
from rssr.datasets.degrade import degrade
from rssr.errors import UserError
from rssr.files import read_csv, read_image, sha256, write_csv, write_image

Box = tuple[int, int, int, int]


def tile_boxes(width: int, height: int, tile: int | None) -> list[Box]:
    """Boxes (left, top, right, bottom) that cover an image row by row, the last of each axis flush with its edge."""
    if tile is None:
        return [(0, 0, width, height)]
    return [(x, y, x + tile, y + tile) for y in _starts(height, tile) for x in _starts(width, tile)]


def _starts(length: int, tile: int) -> list[int]:
    if length < tile:
        raise UserError(f"an image side of {length} pixels is shorter than the tile of {tile}: set a smaller `tile`")
    return [min(start, length - tile) for start in range(0, length, tile)]


def prepare_hr(data_set: DataSet, source_dir: Path, split: str, tile: int | None, out_dir: Path, jobs: int) -> None:
    """Cut the HR tiles of a split into out_dir/HR and write out_dir/manifest.csv last.

    Args:
        data_set: where the images come from.
        source_dir: where they were fetched to.
        split: which of its splits.
        tile: side in pixels, or None for whole images.
        out_dir: results/data/{dataset}/{split}.
        jobs: threads that read and write images.
    """
    sources = data_set.splits[split]

    def cut(source: str) -> list[dict]:
        path = data_set.find(source_dir, source)
        return list(_cut(path, source, tile, out_dir / "HR"))

    rows = [row for rows in _in_order(cut, sources, jobs, f"{split} HR") for row in rows]
    names = [row["image"] for row in rows]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"two images of split '{split}' are both called '{twice}' once prepared: rename one of them")
    write_csv(out_dir / "manifest.csv", rows)


def _cut(path: Path, source: str, tile: int | None, hr_dir: Path) -> Iterator[dict]:
    image = read_image(path)
    source_sha256 = sha256(path)
    stem = source.replace("/", "_")
    try:
        boxes = tile_boxes(image.shape[1], image.shape[0], tile)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    for left, top, right, bottom in boxes:
        name = stem if tile is None else f"{stem}_x{left}_y{top}"
        write_image(hr_dir / f"{name}.png", image[top:bottom, left:right])
        yield {
            "image": name,
            "source": source,
            "source_sha256": source_sha256,
            "left": left,
            "top": top,
            "right": right,
            "bottom": bottom,
            "sha256": sha256(hr_dir / f"{name}.png"),
        }


def prepare_lr(split_dir: Path, degradation: str, scale: int, jobs: int) -> None:
    """Reduce every HR image of a prepared split and write the LR folder's manifest.csv last.

    Args:
        split_dir: results/data/{dataset}/{split}, with its manifest.csv.
        degradation: one of degrade.DEGRADATIONS.
        scale: reduction factor.
        jobs: threads.
    """
    lr_dir = split_dir / "LR" / f"x{scale}-{degradation}"

    def reduce(row: dict[str, str]) -> dict[str, str]:
        hr_path, lr_path = split_dir / "HR" / f"{row['image']}.png", lr_dir / f"{row['image']}.png"
        hr = torch.from_numpy(read_image(hr_path).copy()).permute(2, 0, 1)
        try:
            lr = degrade(hr, degradation, scale)
        except UserError as error:
            raise UserError(f"{hr_path}: {error}") from None
        write_image(lr_path, lr.permute(1, 2, 0).numpy())
        return {"image": row["image"], "hr_sha256": row["sha256"], "sha256": sha256(lr_path)}

    rows = read_csv(split_dir / "manifest.csv")
    write_csv(lr_dir / "manifest.csv", _in_order(reduce, rows, jobs, f"{split_dir.name} LR"))


def _in_order(function, items, jobs: int, title: str) -> list:
    """Apply a function over threads (PIL and PyTorch release the interpreter's lock), results in the items' order."""
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(function, item) for item in items]
        try:
            return [future.result() for future in tqdm(futures, desc=title, unit="image")]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
