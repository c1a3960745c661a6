"""From source images to HR tiles and LR images, each with its manifest."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from rssr.base.errors import UserError, about
from rssr.base.files import read_csv, sha256, write_csv, write_image
from rssr.base.images import read_tensor, write_tensor
from rssr.base.parallel import in_order
from rssr.base.raster import Raster, open_raster
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
        if named.setdefault(stem := _stem(source), source) != source:
            raise UserError(f"two images of split '{split}' are both called '{stem}' once prepared: rename one of them")
    paths = {source: data_set.find(source_dir, source) for source in data_set.splits[split]}
    bands = [
        (source, path, boxes)
        for source, path in paths.items()
        for boxes in _bands(data_set, source, path, tile, multiple)
    ]
    digests = dict(zip(paths, in_order(sha256, paths.values(), jobs, f"{split} checksums"), strict=True))

    def cut(band: tuple[str, Path, Sequence[Box]]) -> list[dict]:
        source, path, boxes = band
        origin = {"source": source, "source_sha256": digests[source]}
        return _cut(data_set, path, boxes, tile, multiple, hr_dir, origin)

    rows = list(itertools.chain.from_iterable(in_order(cut, bands, jobs, f"{split} HR")))
    _count_repeated(rows)
    total = sum(len(boxes) for *_, boxes in bands)
    if left_out := total - len(rows):
        found = f"split '{split}': alpha, a mask or no-data hides pixels of {left_out} of {total} HR images"
        if not rows:
            raise UserError(found, "set a smaller `tile`, so that some have no hidden pixel")
        tqdm.write(f"{found} ({100 * left_out / total:.2g} %), which are left out")
        rows = [row | {"left_out": left_out} for row in rows]
    expected = data_set.card.counts.get(split)
    if expected and tile == data_set.card.tile and len(rows) != expected:
        raise UserError(f"split '{split}' has {len(rows)} HR images, not {expected}", "check its source images")
    write_csv(hr_dir / "manifest.csv", rows)


def _bands(data_set: DataSet, source: str, path: Path, tile: int | None, scale: int) -> list[list[Box]]:
    """The tiles of an image, row by row where the file can be read by windows, else all at once.

    Where LR images are given, tiles begin at multiples of the scale; UserError for an LR image of another size.
    """
    try:
        with open_raster(path, data_set.bands, data_set.stretch) as raster:
            if min(raster.size) < scale:
                found = "x".join(map(str, raster.size))
                raise UserError(f"{path} has {found} pixels, where each side needs {scale} at x{scale}", "remove it")
            boxes = tile_boxes(*raster.size, tile, data_set.card.overlap, scale if data_set.given else 1)
            if data_set.given:
                _check_given(data_set, source, raster, tile, scale)
            by_windows = raster.by_windows
    except UserError as error:
        lost = path.is_symlink() and not path.exists()  # a link that obtain() made
        remedy = "put that back, or correct the `root` of its data set" if lost else error.remedy
        problem = error.problem if str(path) in error.problem else f"{path}: {error.problem}"
        raise UserError(problem, remedy) from None
    return [list(row) for _, row in itertools.groupby(boxes, key=lambda box: box[1] if by_windows else 0)]


def _check_given(data_set: DataSet, source: str, hr: Raster, tile: int | None, scale: int) -> None:
    """UserError unless the LR image of a source has its size divided by the scale."""
    expected = tuple(side // scale for side in hr.size)
    with _given(data_set, source, scale) as lr:
        if lr.size != expected:
            found, wanted = (f"{width}x{height}" for width, height in (lr.size, expected))
            raise UserError(
                f"{lr.path} has {found} pixels, not {wanted} as {hr.path} at x{scale}",
                "crop one of them, or correct `lr`",
            )
    if tile and tile % scale:
        raise UserError(f"tiles of {tile} pixels do not fit given LR images at x{scale}", "set a multiple as `tile`")


def _given(data_set: DataSet, source: str, scale: int) -> Raster:
    return open_raster(data_set.given.find(source, scale), data_set.given.bands, data_set.given.stretch)


def _given_part(data_set: DataSet, source: str, scale: int, box: Box) -> tuple[np.ndarray, np.ndarray]:
    """The LR pixels of an HR box (h, w, 3) uint8, and whether each is valid (h, w)."""
    with _given(data_set, source, scale) as lr:
        return lr.rgb(tuple(side // scale for side in box))


def _cut(
    data_set: DataSet,
    path: Path,
    boxes: Sequence[Box],
    tile: int | None,
    multiple: int,
    hr_dir: Path,
    origin: Mapping[str, str],
) -> list[dict]:
    """Write a row of tiles, without those that hide pixels; their rows of the manifest."""
    (left, top, *_), (*_, right, bottom) = boxes[0], boxes[-1]
    with open_raster(path, data_set.bands, data_set.stretch) as raster:
        pixels, valid = raster.rgb((left, top, right, bottom))
    rows = []
    for box in boxes:
        box = _cut_off(box, multiple)
        part = slice(box[1] - top, box[3] - top), slice(box[0] - left, box[2] - left)
        of_lr = not data_set.given or _given_part(data_set, origin["source"], multiple, box)[1].all()
        if of_lr and valid[part].all():
            stem = _stem(origin["source"])
            name = stem if tile is None else f"{stem}_x{box[0]}_y{box[1]}"
            digest = write_image(hr_dir / f"{name}.png", pixels[part], compress=False)
            rows.append(
                {"image": name, **origin, **dict(zip(SIDES, box, strict=True)), "repeated": 0, "sha256": digest}
            )
    return rows


def _count_repeated(rows: Sequence[dict]) -> None:
    """Fill in the column `repeated` of a manifest."""
    for _, of_image in itertools.groupby(rows, key=lambda row: row["source"]):
        tiles = list(of_image)
        for row, count in zip(tiles, repeated([tuple(row[side] for side in SIDES) for row in tiles]), strict=True):
            row["repeated"] = count


def _stem(source: str) -> str:
    """The name of a source image as a file; those of its tiles begin with it."""
    return source.replace("/", "_")


def _cut_off(box: Box, multiple: int) -> Box:
    left, top, right, bottom = box
    return left, top, right - (right - left) % multiple, bottom - (bottom - top) % multiple


def prepare_given(data_set: DataSet, hr_dir: Path, lr_dir: Path, scale: int, jobs: int) -> None:
    """Cut the given LR images as their HR images were cut, and write lr_dir/manifest.csv last.

    Args:
        data_set: a data set with `given`.
        hr_dir: see prepare_lr().
        lr_dir: likewise.
        scale: likewise.
        jobs: likewise.
    """

    def cut(row: dict[str, str]) -> dict[str, str]:
        pixels, _ = _given_part(data_set, row["source"], scale, tuple(int(row[side]) for side in SIDES))
        digest = write_image(lr_dir / f"{row['image']}.png", pixels)
        return {"image": row["image"], "hr_sha256": row["sha256"], "sha256": digest}

    rows = read_csv(hr_dir / "manifest.csv")
    write_csv(lr_dir / "manifest.csv", in_order(cut, rows, jobs, f"{hr_dir.parent.name} LR"))


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
        hr = read_tensor(hr_path, row.get("sha256"))
        with about(str(hr_path)):
            lr = degrade(hr, degradation, scale, row["image"])
        digest = write_tensor(lr_path, lr)
        return {"image": row["image"], "hr_sha256": row["sha256"], "sha256": digest}

    rows = read_csv(hr_dir / "manifest.csv")
    write_csv(lr_dir / "manifest.csv", in_order(reduce, rows, jobs, f"{hr_dir.parent.name} LR"))
