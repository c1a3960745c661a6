"""From source images to HR tiles and LR images, each with its manifest."""

import itertools
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from tqdm import tqdm

from rssr.base.errors import UserError
from rssr.base.files import read_csv, sha256, write_csv, write_image
from rssr.base.images import read_tensor, write_tensor
from rssr.base.parallel import in_order
from rssr.base.raster import open_raster
from rssr.datasets.card import DataSet
from rssr.datasets.degradations import Step
from rssr.datasets.degrade import degrade
from rssr.datasets.tiles import Box, repeated, tile_boxes

SIDES = ("left", "top", "right", "bottom")


def prepare_hr(
    data_set: DataSet, source_dir: Path, split: str, tile: int | None, hr_dir: Path, jobs: int, multiple: int = 1
) -> None:
    """Cut the HR tiles of a split into hr_dir and write hr_dir/manifest.csv last.

    TIFF files are read one row of tiles at a time, by as many threads as there are jobs.
    A tile with a pixel that is not valid, see base.raster, is left out; if there is one, the column `left_out` of the
    manifest says in each row how many there are in the split.
    The column `repeated` counts the pixels of a tile that an earlier tile of the image also has.
    The tiles are stored uncompressed: degradation, training and scoring read them again and again.

    Args:
        data_set: the data set.
        source_dir: folder of its source images.
        split: one of its splits.
        tile: side in pixels, or None for whole images.
        hr_dir: results/data/{dataset}/{split}/HR-x{scale}.
        jobs: threads that read and write images.
        multiple: HR sides are cut off at the right and the bottom to a multiple of this, the scale.

    Raises:
        UserError: for an image that cannot be read or tiled, for two images that would get one name, and for another
            number of tiles than the card of the data set counts, and if no tile is valid.
    """
    named: dict[str, str] = {}
    for source in data_set.splits[split]:
        if named.setdefault(stem := source.replace("/", "_"), source) != source:
            raise UserError(f"two images of split '{split}' are both called '{stem}' once prepared: rename one of them")
    paths = {source: data_set.find(source_dir, source) for source in data_set.splits[split]}
    bands = [(source, path, boxes) for source, path in paths.items() for boxes in _bands(data_set, path, tile)]
    source_sha256 = cache(sha256)
    rows, counts = [], []

    def cut(band: tuple[str, Path, Sequence[Box]]) -> tuple[list[dict], int, int]:
        source, path, boxes = band
        origin = {"source": source, "source_sha256": source_sha256(path)}
        return _cut(data_set, path, boxes, source.replace("/", "_"), tile, multiple, hr_dir, origin)

    for of_band, *count in in_order(cut, bands, jobs, f"{split} HR"):
        rows += of_band
        counts.append(count)
    _count_repeated(rows)
    left_out, invalid = map(sum, zip(*counts, strict=True))
    if left_out:
        found = (
            f"{left_out} of {left_out + len(rows)} HR images, with {invalid} pixels that are not valid (alpha, mask "
        )
        found = f"split '{split}': {found}or no-data), "
        if not rows:
            raise UserError(f"{found}are all", "set a smaller `tile`, so that some are valid everywhere")
        tqdm.write(f"{found}are left out")
        rows = [row | {"left_out": left_out} for row in rows]
    expected = data_set.card.counts.get(split)
    if expected and tile == data_set.card.tile and len(rows) != expected:
        raise UserError(f"split '{split}' has {len(rows)} HR images, not {expected}", "source images are missing")
    write_csv(hr_dir / "manifest.csv", rows)


def _bands(data_set: DataSet, path: Path, tile: int | None) -> list[list[Box]]:
    """The tiles of an image, row by row where the file can be read by windows, else all at once."""
    try:
        with open_raster(path, data_set.bands, data_set.stretch) as raster:
            boxes = tile_boxes(*raster.size, tile, data_set.card.overlap)
            by_windows = raster.by_windows
    except UserError as error:
        raise error if str(path) in str(error) else UserError(f"{path}: {error}") from None
    return [list(row) for _, row in itertools.groupby(boxes, key=lambda box: box[1] if by_windows else 0)]


def _cut(
    data_set: DataSet,
    path: Path,
    boxes: Sequence[Box],
    stem: str,
    tile: int | None,
    multiple: int,
    hr_dir: Path,
    origin: Mapping[str, str],
) -> tuple[list[dict], int, int]:
    """Write a row of tiles: their rows of the manifest, how many are left out and how many pixels are not valid."""
    (left, top, *_), (*_, right, bottom) = boxes[0], boxes[-1]
    with open_raster(path, data_set.bands, data_set.stretch) as raster:
        pixels, valid = raster.rgb((left, top, right, bottom))
    rows = []
    for box in boxes:
        box = _cut_off(box, multiple)
        part = slice(box[1] - top, box[3] - top), slice(box[0] - left, box[2] - left)
        if valid[part].all():
            name = stem if tile is None else f"{stem}_x{box[0]}_y{box[1]}"
            digest = write_image(hr_dir / f"{name}.png", pixels[part], compress=False)
            rows.append(
                {"image": name, **origin, **dict(zip(SIDES, box, strict=True)), "repeated": 0, "sha256": digest}
            )
    return rows, len(boxes) - len(rows), int((~valid).sum())


def _count_repeated(rows: Sequence[dict]) -> None:
    """Fill in the column `repeated` of a manifest."""
    for _, of_image in itertools.groupby(rows, key=lambda row: row["source"]):
        tiles = list(of_image)
        for row, count in zip(tiles, repeated([tuple(row[side] for side in SIDES) for row in tiles]), strict=True):
            row["repeated"] = count


def _cut_off(box: Box, multiple: int) -> Box:
    left, top, right, bottom = box
    return left, top, right - (right - left) % multiple, bottom - (bottom - top) % multiple


def prepare_lr(hr_dir: Path, lr_dir: Path, degradation: str | Sequence[Step], scale: int, jobs: int) -> None:
    """Degrade every image of a prepared HR folder and write lr_dir/manifest.csv last.

    Args:
        hr_dir: results/data/{dataset}/{split}/HR-x{scale}, with its manifest.csv.
        lr_dir: results/data/{dataset}/{split}/LR/x{scale}-{degradation}.
        degradation: its steps, or a name of degradations.DEGRADATIONS.
        scale: reduction factor.
        jobs: threads.
    """

    def reduce(row: dict[str, str]) -> dict[str, str]:
        hr_path, lr_path = (folder / f"{row['image']}.png" for folder in (hr_dir, lr_dir))
        hr = read_tensor(hr_path)
        try:
            lr = degrade(hr, degradation, scale, row["image"])
        except UserError as error:
            raise UserError(f"{hr_path}: {error}") from None
        digest = write_tensor(lr_path, lr)
        return {"image": row["image"], "hr_sha256": row["sha256"], "sha256": digest}

    rows = read_csv(hr_dir / "manifest.csv")
    write_csv(lr_dir / "manifest.csv", in_order(reduce, rows, jobs, f"{hr_dir.parent.name} LR"))
