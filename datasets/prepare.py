"""From source images to HR tiles and LR images, each with its manifest."""

import concurrent.futures
import itertools
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from rasterio.windows import Window
from tqdm import tqdm

from rssr.base.errors import UserError
from rssr.base.files import read_csv, read_image, sha256, write_csv, write_image
from rssr.base.images import read_tensor, write_tensor
from rssr.datasets.card import DataSet
from rssr.datasets.degradations import Step
from rssr.datasets.degrade import degrade
from rssr.datasets.tiles import Box, repeated, tile_boxes

# For all threads, because warnings.catch_warnings() is not thread-safe.
warnings.simplefilter("ignore", NotGeoreferencedWarning)

RASTERS = {".tif", ".tiff", ".vrt"}  # files that GDAL reads by windows
_RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)


def prepare_hr(
    data_set: DataSet, source_dir: Path, split: str, tile: int | None, hr_dir: Path, jobs: int, multiple: int = 1
) -> None:
    """Cut the HR tiles of a split into hr_dir and write hr_dir/manifest.csv last.

    TIFF files are read one row of tiles at a time, by as many threads as there are jobs.
    The column `repeated` of the manifest counts the pixels of a tile that an earlier tile of the image also has.
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
            number of tiles than the card of the data set counts.
    """
    source_sha256 = cache(sha256)
    bands = []
    for source in data_set.splits[split]:
        path = data_set.find(source_dir, source)
        of_image = _bands(path, tile, data_set.card.overlap)
        counts = iter(repeated([box for boxes in of_image for box in boxes]))
        bands += [(source, path, [(box, next(counts)) for box in boxes]) for boxes in of_image]
    stems = [source.replace("/", "_") for source in data_set.splits[split]]
    if len(set(stems)) != len(stems):
        twice = next(stem for stem in stems if stems.count(stem) > 1)
        raise UserError(f"two images of split '{split}' are both called '{twice}' once prepared: rename one of them")

    def cut(band: tuple[str, Path, Sequence[tuple[Box, int]]]) -> list[dict]:
        source, path, boxes = band
        stem = source.replace("/", "_")
        (left, top, *_), (*_, right, bottom) = boxes[0][0], boxes[-1][0]
        pixels = _read(path, (left, top, right, bottom))
        rows = []
        for box, in_earlier in boxes:
            box = _cut_off(box, multiple)
            name = stem if tile is None else f"{stem}_x{box[0]}_y{box[1]}"
            out = hr_dir / f"{name}.png"
            tile_pixels = pixels[box[1] - top : box[3] - top, box[0] - left : box[2] - left]
            digest = write_image(out, tile_pixels, compress=False)
            sides = dict(zip(("left", "top", "right", "bottom"), box, strict=True))
            origin = {"image": name, "source": source, "source_sha256": source_sha256(path)}
            rows.append(origin | sides | {"repeated": in_earlier, "sha256": digest})
        return rows

    rows = list(itertools.chain.from_iterable(_in_order(cut, bands, jobs, f"{split} HR")))
    expected = data_set.card.counts.get(split)
    if expected and tile == data_set.card.tile and len(rows) != expected:
        raise UserError(f"split '{split}' has {len(rows)} HR images, not {expected}", "source images are missing")
    write_csv(hr_dir / "manifest.csv", rows)


def _bands(path: Path, tile: int | None, overlap: bool) -> list[list[Box]]:
    """The tiles of an image, row by row where the file can be read by windows, else all at once."""
    try:
        if raster := _raster(path):
            with raster:
                boxes = tile_boxes(raster.width, raster.height, tile, overlap)
            return [list(row) for _, row in itertools.groupby(boxes, key=lambda box: box[1])]
        with Image.open(path) as image:
            return [tile_boxes(*image.size, tile, overlap)]
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except OSError:
        return [tile_boxes(*read_image(path).shape[1::-1], tile, overlap)]  # raises the error that names the problem


def _read(path: Path, box: Box) -> np.ndarray:
    """A part of an image as (H, W, 3) uint8, RGB; the whole file is read only if its format has no windows."""
    left, top, right, bottom = box
    raster = _raster(path)
    if raster is None:
        return read_image(path)[top:bottom, left:right]
    try:
        with raster:
            pixels = raster.read((1, 2, 3), window=Window(left, top, right - left, bottom - top))
    except RasterioIOError as error:
        raise UserError(f"{path} cannot be read as an image ({error}): replace or remove it") from None
    interleaved = np.empty((*pixels.shape[1:], 3), np.uint8)
    for channel, plane in enumerate(pixels):  # four times faster than copying the transposed array
        interleaved[..., channel] = plane
    return interleaved


def _raster(path: Path) -> rasterio.DatasetReader | None:
    """An image that GDAL reads as PIL does, and by windows: RGB of 8 bits in a TIFF file or a mosaic."""
    if path.suffix.lower() not in RASTERS:
        return None
    try:
        raster = rasterio.open(path)
    except RasterioIOError:
        return None
    if set(raster.dtypes) == {"uint8"} and raster.colorinterp == _RGB:
        return raster
    raster.close()
    return None


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
    write_csv(lr_dir / "manifest.csv", _in_order(reduce, rows, jobs, f"{hr_dir.parent.name} LR"))


def _in_order(function: Callable, items: Iterable, jobs: int, title: str) -> list:
    """Apply a function over threads (PIL and PyTorch release the interpreter's lock), results in the items' order."""
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(function, item) for item in items]
        try:
            return [future.result() for future in tqdm(futures, desc=title, unit="image")]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
