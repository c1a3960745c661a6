"""The one reader of images that others made: what is in a file is known before anything of it is converted."""

import logging
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import rasterio
from PIL import Image
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from rasterio.transform import Affine
from rasterio.windows import Window

from rssr.base.alpha import are_premultiplied, uncovered
from rssr.base.errors import UserError
from rssr.base.files import check_name, missing, read_image
from rssr.base.headers import by_pillow, geotransform, header, meanings, rpcs, white_is_least
from rssr.base.opening import opened
from rssr.base.sidecars import followed

# For all threads, because warnings.catch_warnings() is not thread-safe.
warnings.simplefilter("ignore", NotGeoreferencedWarning)
warnings.filterwarnings("ignore", module="PIL")
logging.getLogger("PIL.TiffImagePlugin").setLevel(logging.CRITICAL)  # GDAL reads what Pillow complains of

BY_WINDOWS = {"GTiff", "VRT", "JP2OpenJPEG"}  # formats of which a part costs less than the whole
_RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
_UNNAMED = {ColorInterp.gray, ColorInterp.undefined}
# EXIF's orientation -> whether rows and columns change places, and then which of the axes (y, x) are reversed.
_TURNS = {2: (0, 0, 1), 3: (0, 1, 1), 4: (0, 1, 0), 5: (1, 0, 0), 6: (1, 0, 1), 7: (1, 1, 1), 8: (1, 1, 0)}
_SAY_BANDS = "say which with `bands: [R, G, B]` in the data set's entry, or --bands R G B, counted from 1"
_SAY_STRETCH = (
    "say which values are black and white with `stretch: [LOW, HIGH]` in the data set's entry, or --stretch LOW HIGH"
)


@dataclass(frozen=True)
class Raster:
    """An open image file, see open_raster(); a context manager. Boxes are (left, top, right, bottom), upright.

    Attributes:
        path: of the file.
        file: GDAL's view of it, with its georeference and tags.
        bands: those that are read, in their order: red, green and blue, or one gray band, or as they were asked for.
        levels: the values that are black and white.
        stretched: whether these were asked for; otherwise values are 0 to 255.
        pillow: the channels that Pillow decodes, 0 where GDAL does: JPEG, whose colours GDAL does not interpolate; PPM
            of 8 bits, whose greatest value it overlooks; and what is not RGB, such as CMYK.
        turn: how to put it upright, see _TURNS.
    """

    path: Path
    file: rasterio.DatasetReader
    bands: tuple[int, ...]
    levels: tuple[float, float]
    stretched: bool
    pillow: int
    turn: tuple[int, int, int]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, upright."""
        size = (self.file.width, self.file.height)
        return size[::-1] if self.turn[0] else size

    @property
    def by_windows(self) -> bool:
        """Whether reading a part of it costs less than reading the whole."""
        return not self.pillow and self.file.driver in BY_WINDOWS

    @property
    def channels(self) -> int:
        """The number of channels that read() gives."""
        return 3 if self.palette is not None else len(self.bands)

    @property
    def dtype(self) -> np.dtype:
        """The type of its values."""
        return np.dtype("uint8" if self.pillow else self.file.dtypes[self.bands[0] - 1])

    @cached_property
    def palette(self) -> np.ndarray | None:
        """(256, 4) uint8: the colours that its values stand for; None if the values are colours themselves."""
        if self.pillow or meanings(self.file)[self.bands[0] - 1] != ColorInterp.palette:
            return None
        colours = self.file.colormap(self.bands[0])
        return np.array([colours.get(value, (0, 0, 0, 255)) for value in range(256)], np.uint8)

    @cached_property
    def alpha(self) -> int | None:
        """The band that says how opaque a pixel is; None without one, or if it is read as a colour."""
        kinds = () if self.pillow else self.file.colorinterp
        found = kinds.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in kinds else None
        return None if found in self.bands else found

    @cached_property
    def _premultiplied(self) -> bool:
        return self.file.driver in ("GTiff", "VRT") and are_premultiplied(map(Path, self.file.files))

    @cached_property
    def _decoded(self) -> np.ndarray:
        return read_image(self.path).transpose(2, 0, 1)[: self.pillow]

    @property
    def _inks(self) -> tuple[int, ...]:
        """The bands of the file that those read are made of: colours that are not RGB are mixed of all."""
        return self.bands if self.pillow in (0, self.file.count) else self.file.indexes

    @cached_property
    def _marks(self) -> tuple[str, ...]:
        """How GDAL knows which values of these bands are valid: nodata, mask, or nothing (all are, or by alpha)."""
        flags = [set(self.file.mask_flag_enums[band - 1]) for band in self._inks]
        whole = [bool({MaskFlags.all_valid, MaskFlags.alpha} & each) for each in flags]
        kinds = ["nodata" if MaskFlags.nodata in each else "mask" for each in flags]
        if self.dtype == np.uint8 and any(whole):  # of a band whose values are all valid, each makes a colour
            kinds = ["" if kind == "nodata" else kind for kind in kinds]
        return tuple("" if valid else kind for kind, valid in zip(kinds, whole, strict=True))

    @cached_property
    def validity(self) -> str:
        """How the file says which pixels are valid: alpha, mask, nodata, finite (of floats), or nothing (all are)."""
        if self.alpha or (self.palette is not None and (self.palette[:, 3] < 255).any()):
            return "alpha"
        if any(self._marks):
            return "mask" if "mask" in self._marks else "nodata"
        return "finite" if self.dtype.kind == "f" else ""

    def read(self, box: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
        """(C, h, w) values as they are in the file, a palette's colours in their place, and their opacity, 0 to 255.

        Opacity, (C, h, w), is 0 where a value is not valid: alpha, a mask or the file's no-data value says so, or it is
        not finite. In 8 bits a no-data value counts only in all bands together, for it is also a colour's.
        """
        left, top, right, bottom = box if self.by_windows else (0, 0, *self.size)
        if (right - left) * (bottom - top) > Image.MAX_IMAGE_PIXELS:
            what = f"{right - left}x{bottom - top} pixels of {self.path} are too many to hold"
            raise UserError(what, "cut the image, or write it as TIFF and set `tile`")
        if (block := max(height * width for height, width in self.file.block_shapes)) > Image.MAX_IMAGE_PIXELS:
            what = f"{self.path} is stored in blocks of {block} pixels, which are too many to hold"
            raise UserError(what, "write it in tiles")
        left, top, right, bottom = box
        swap, *flips = self.turn
        spans = [
            (length - end, length - start) if flip else (start, end)
            for flip, start, end, length in zip(flips, (top, left), (bottom, right), self.size[::-1], strict=True)
        ]
        (top, bottom), (left, right) = spans[::-1] if swap else spans
        try:
            values, opacity = self._read(Window(left, top, right - left, bottom - top))
        except (RasterioIOError, CPLE_BaseError) as error:
            raise UserError(
                f"{self.path} cannot be read to its end ({error.__cause__ or error})", "replace or remove it"
            ) from None
        return self._upright(values), self._upright(opacity)

    def rgb(self, box: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
        """(h, w, 3) uint8, gray three times and stretched values rounded, and (h, w) bool: whether all are valid."""
        values, opacity = self.read(box)
        if self.levels != (0, 255) or values.dtype != np.uint8:
            values = np.rint(self.unit(values) * 255).astype(np.uint8)
        out = np.empty((*opacity.shape[1:], 3), np.uint8)
        for channel in range(3):  # four times faster than copying the transposed array
            out[..., channel] = values[channel % len(values)]
        return out, opacity.all(0)

    def unit(self, values: np.ndarray) -> np.ndarray:
        """Values as float32 in [0, 1], black to white."""
        low, high = self.levels
        scaled = (values.astype(np.float32 if values.itemsize < 4 else np.float64) - low) / (high - low)
        return np.clip(np.nan_to_num(scaled), 0, 1).astype(np.float32)

    def _read(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        rows, columns = window.toslices()
        if self.pillow:
            values = self._decoded[[band - 1 for band in self.bands], rows, columns]
        else:
            values = self.file.read(self.bands, window=window)
        opacity = np.full(values.shape, 255, np.uint8)
        if self.alpha:
            values, opacity[:] = uncovered(values, self.file.read(self.alpha, window=window), self._premultiplied)
        if any(self._marks):
            masks = self.file.read_masks(self._inks, window=window) > 0
            if self._inks != self.bands or (self.dtype == np.uint8 and "mask" not in self._marks):
                masks = masks.any(0)
            opacity[np.broadcast_to(~masks, opacity.shape)] = 0
        if self.palette is not None:
            *values, coverage = self.palette[values[0]].transpose(2, 0, 1)
            values, opacity = np.stack(values), np.minimum(opacity, coverage).repeat(3, 0)
        elif self.dtype.kind == "f":
            opacity[~np.isfinite(values)] = 0
        return values, opacity

    def _upright(self, pixels: np.ndarray) -> np.ndarray:
        swap, *flips = self.turn
        pixels = pixels.swapaxes(-1, -2) if swap else pixels
        return pixels[..., :: -1 if flips[0] else 1, :: -1 if flips[1] else 1]


def open_raster(path: Path, bands: Sequence[int] | None = None, stretch: Sequence[float] | None = None) -> Raster:
    """Open an image file and settle how it is read.

    Args:
        path: an image in a format of opening.DRIVERS. Turned upright as its EXIF data says, unless it is georeferenced.
        bands: those to read, counted from 1. By default the one or three that are there beside alpha, blue, green and
            red in the right order.
        stretch: the values that become black and white; needed where they are not 8 bits.

    Raises:
        UserError: for a file that is no image, has several pages, bands whose meaning is not clear, or values other
            than 8 bits without a stretch.
    """
    if stretch is not None and not (stretch[0] < stretch[1] and math.isfinite(stretch[1] - stretch[0])):
        raise UserError(f"stretch {stretch[0]:g} {stretch[1]:g}: two finite values are expected, the lower one first")
    check_name(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder", "name an image file")
    if not path.is_file():
        raise missing(path)
    try:
        file = opened(path, followed(path))
        try:
            return _settled(path, file, bands, stretch)
        except BaseException:
            file.close()
            raise
    except (RasterioIOError, CPLE_BaseError) as error:
        described = path.suffix.lower() == ".hdr"
        remedy = "name the file beside it that has the pixels" if described else "replace or remove it"
        raise UserError(f"{path} cannot be read as an image ({error})", remedy) from None


def _settled(
    path: Path, file: rasterio.DatasetReader, bands: Sequence[int] | None, stretch: Sequence[float] | None
) -> Raster:
    head = header(path, file.driver)
    if head.thumbnail:
        raise UserError(f"{path} begins with a thumbnail", "save the image itself as a file of its own")
    if (pages := max(head.pages, len(file.subdatasets))) > 1:
        raise UserError(f"{path} has {pages} pages, where one image is expected", "save each page as a file of its own")
    kinds, dtypes, pillow = meanings(file), file.dtypes, 0
    if by_pillow(path, file, head):
        pillow = min(file.count, 3)
        kinds, dtypes = ((ColorInterp.gray,) if pillow == 1 else _RGB), ("uint8",) * pillow
    bands = _bands(path, kinds, bands)
    if kinds[bands[0] - 1] == ColorInterp.palette and len(bands) > 3:
        raise UserError(f"{path} has a palette, whose colours are red, green and blue", "leave out --bands")
    found = {dtypes[band - 1] for band in bands}
    if len(found) > 1 or "complex" in (dtype := min(found)):
        raise UserError(f"{path} has {' and '.join(sorted(found))} pixels", "write real ones of one type first")
    if dtype in ("int64", "uint64"):  # GDAL's no-data, and what is computed with, are floats of 53 bits
        raise UserError(f"{path} has {dtype} pixels, which would not stay exact", "save it in 32 bits or as float")
    if stretch is None and dtype != "uint8":
        seen = file.read(bands, out_shape=(len(bands), min(256, file.height), min(256, file.width)), masked=True)
        seen = np.ma.masked_invalid(seen).compressed()
        range_ = f", here from {seen.min():g} to {seen.max():g}" if seen.size else ""
        raise UserError(f"{path} has {dtype} pixels{range_}, where 8 bits per channel are expected", _SAY_STRETCH)
    tags = file.tags(bands[0], ns="IMAGE_STRUCTURE") | file.tags(ns="IMAGE_STRUCTURE")
    white = 2 ** int(tags.get("NBITS", 8)) - 1 if not pillow and ColorInterp.palette not in kinds else 255
    levels = tuple(stretch or (0, white))[:: -1 if white_is_least(file) else 1]
    georeferenced = file.crs or geotransform(file) != Affine.identity() or file.gcps[0] or rpcs(file)
    turn = _TURNS.get(1 if georeferenced else head.orientation, (0, 0, 0))
    if pillow and file.driver == "GTiff" and head.orientation != 1:
        raise UserError(f"{path} is a turned TIFF of {head.mode} colours", "save it upright, or as RGB")
    return Raster(path, file, bands, levels, stretch is not None, pillow, turn)


def _bands(path: Path, kinds: Sequence[ColorInterp], asked: Sequence[int] | None) -> tuple[int, ...]:
    if asked is not None:
        if not asked or not all(1 <= band <= len(kinds) for band in asked):
            raise UserError(
                f"{path} has {len(kinds)} band(s), not those of `bands` {' '.join(map(str, asked))}",
                f"name bands from 1 to {len(kinds)}",
            )
        return tuple(asked)
    colours = {band: kind for band, kind in enumerate(kinds, 1) if kind != ColorInterp.alpha}
    if set(colours.values()) == set(_RGB) and len(colours) == 3:
        return tuple(sorted(colours, key=lambda band: _RGB.index(colours[band])))
    if len(colours) == 1 or (len(colours) == 3 and set(colours.values()) <= _UNNAMED):
        return tuple(colours)
    named = ", ".join(kind.name for kind in kinds)
    raise UserError(f"{path} has {len(kinds)} bands ({named}), not gray or red, green and blue", _SAY_BANDS)
