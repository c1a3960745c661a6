"""Image files as data sets of GDAL: by the drivers that are safe, or decoded otherwise and held in memory."""

import os
import struct
from contextlib import suppress
from itertools import product
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp
from rasterio.env import env_ctx_if_needed
from rasterio.errors import RasterioIOError

from rssr.base import netpbm
from rssr.base.errors import UserError

# What users set for other programs may hide a georeference or a mask, or let a VRT run code.
for _name in [name for name in os.environ if name.startswith(("GDAL_", "GTIFF_", "VRT_", "PNG_", "JPEG_", "CPL_VSI"))]:
    if _name not in ("GDAL_DATA", "GDAL_CACHEMAX", "GDAL_NUM_THREADS"):
        del os.environ[_name]
# A faster way of GDAL's, which gives whatever is in memory for rows that a PNG lacks.
os.environ["GDAL_PNG_WHOLE_IMAGE_OPTIM"] = "NO"
# What lies beside an image may name overviews anywhere: no address is asked for them.
os.environ["GDAL_SKIP"] = "HTTP"
# Masks and world files are found, whatever other programs of the user need.
os.environ["GDAL_DISABLE_READDIR_ON_OPEN"] = "FALSE"
# Coordinate systems are looked up in the data of rasterio if the folders of another program have none.
for _name in ("PROJ_DATA", "PROJ_LIB"):
    if not any(os.path.isfile(f"{folder}/proj.db") for folder in os.environ.get(_name, "").split(os.pathsep)):  # noqa: PTH113
        os.environ.pop(_name, None)
os.environ["CPL_VSIL_CURL_ALLOWED_EXTENSIONS"] = ".none"
# No others are tried: GDAL has some that follow addresses, and one, ERS, that reads any file which an image names.
DRIVERS = [
    *("GTiff", "PNG", "JPEG", "JP2OpenJPEG", "JP2KAK", "JP2ECW", "BMP", "WEBP", "GIF", "BIGGIF", "PNM"),
    *("HFA", "ENVI", "EHdr", "NITF", "PCIDSK", "RMF", "SGI", "AAIGrid"),
]
# Of a mask and overviews beside an image; GDAL finds the former in any case.
_BESIDE = sorted({"".join(name) for end in (".msk", ".ovr") for name in product(*zip(end, end.upper(), strict=True))})
_ASKED_FOR = {".vrt": "VRT", ".nc": "netCDF"}  # formats that read whatever a file names, by suffixes
_KINDS = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)


def opened(path: Path, target: Path) -> rasterio.DatasetReader:
    """An image file; UserError, RasterioIOError or CPLE_BaseError for what is none or has parts in other folders.

    Args:
        path: its name.
        target: the file with what lies beside it, see sidecars.followed().
    """
    if (pixels := netpbm.pixels(path)) is not None:
        return _held(pixels)
    if _has_own_bits(path):  # GDAL reads them as if they were in the usual order
        if (pixels := _bitmap(path)) is None:
            raise UserError(f"{path} is a BMP whose colours lie in unusual bits", "save it as PNG")
        return _held(pixels)
    drivers = [*DRIVERS, *filter(None, [_ASKED_FOR.get(path.suffix.lower())])]
    _check_beside(target)
    try:
        with env_ctx_if_needed():  # as rasterio.open(), which takes one driver alone
            file = rasterio.DatasetReader(target, driver=drivers)
    except (RasterioIOError, CPLE_BaseError):
        if (pixels := _bitmap(path)) is None:
            raise
        return _held(pixels)
    with suppress(CPLE_BaseError):
        _ = file.colorinterp  # the first time GDAL fails at damaged EXIF data, which say nothing of colours
    if file.driver in ("GIF", "BIGGIF") and (screen := _screen(path)) != file.shape[::-1]:
        shape = "x".join(map(str, file.shape[::-1]))
        file.close()
        remedy = "save it as PNG"
        raise UserError(f"{path} shows an image of {shape} pixels on a screen of {screen[0]}x{screen[1]}", remedy)
    if file.driver != "VRT" and (name := _elsewhere(target, file.files)):
        file.close()
        raise UserError(f"{path} has its pixels in {name}, outside of its folder", "save it as TIFF")
    return file


def _check_beside(path: Path) -> None:
    """UserError unless the mask and overviews beside an image are TIFF: GDAL opens them with all of its drivers."""
    for part in (path.with_name(f"{path.name}{end}") for end in _BESIDE):
        # A name that is too long for the disk is one that no file has, and Path.is_file() would raise an error.
        if os.path.isfile(part):  # noqa: PTH113
            with part.open("rb") as file:
                if file.read(2) not in (b"II", b"MM"):
                    raise UserError(f"{part} is no TIFF file, as masks and overviews beside an image are", "remove it")
            _check_beside(part)


def _elsewhere(path: Path, files: list[str]) -> str | None:
    """The first of an image's files that lies outside of the image's folder; None if all are in it."""
    folder = path.parent.resolve()
    return next((name for name in files if not Path(name).parent.resolve().is_relative_to(folder)), None)


def _has_own_bits(path: Path) -> bool:
    """Whether a file is a BMP of 32 bits that says itself where its colours lie, elsewhere than most."""
    try:
        with path.open("rb") as file:
            start = file.read(66)
    except OSError:
        return False  # GDAL's reason is told
    if len(start) < 66 or start[:2] != b"BM":
        return False
    size, bits, compression, *masks = struct.unpack("<I10xHI20xIII", start[14:66])
    return size >= 40 and bits == 32 and compression in (3, 6) and masks != [0xFF0000, 0xFF00, 0xFF]


def _screen(path: Path) -> tuple[int, int]:
    """Width and height of a GIF as a whole, of which its first image may cover a part."""
    with path.open("rb") as file:
        return struct.unpack("<HH", file.read(10)[6:])


def _bitmap(path: Path) -> np.ndarray | None:
    """(C, H, W) uint8, RGB and its opacity, of a BMP with a header that GDAL does not know; None for all else."""
    try:
        with Image.open(path, formats=["BMP"]) as image:
            if image.width * image.height > Image.MAX_IMAGE_PIXELS:
                return None
            pixels = np.asarray(image.convert("RGBA" if image.mode == "RGBA" else "RGB"))
    except Exception:  # of damage; GDAL's reason is told
        return None
    return pixels.transpose(2, 0, 1)


def _held(pixels: np.ndarray) -> rasterio.DatasetReader:
    """(C, H, W) as a data set in memory: gray, RGB or RGBA."""
    count, height, width = pixels.shape
    image = rasterio.open("", "w+", driver="MEM", count=count, height=height, width=width, dtype=pixels.dtype)
    image.write(pixels)
    image.colorinterp = (ColorInterp.gray,) if count == 1 else _KINDS[:count]
    return image
