"""What Pillow and tifffile know of an image file and GDAL does not say, and what GDAL says in a damaged form."""

import logging
import warnings
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import rasterio
import tifffile
from PIL import Image
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning
from rasterio.rpc import RPC
from rasterio.transform import Affine

from rssr.base.errors import UserError

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # GDAL reads what it complains of
_NOT_RGB = ("CMYK", "LAB", "HSV", "sYCC")
_PILLOWS = {("JPEG", "L"), ("JPEG", "RGB"), ("PNM", "L"), ("PNM", "RGB")}
_LAB = (tifffile.PHOTOMETRIC.CIELAB, tifffile.PHOTOMETRIC.ICCLAB, tifffile.PHOTOMETRIC.ITULAB)


@dataclass(frozen=True)
class Header:
    """What is known of an image beside its pixels.

    Attributes:
        mode: its colours, as Pillow calls them, or sYCC, of which it makes RGB; empty if they are not known.
        pages: how many images the file holds: pages, frames of an animation or planes of a stack.
        orientation: EXIF's, 1 (upright) to 8.
        thumbnail: whether the first of several pages is a small copy of another.
        pillow: whether Pillow reads the file.
        profile: the ICC profile of its colours, as far as Pillow finds one; GDAL finds none in WebP.
    """

    mode: str = ""
    pages: int = 1
    orientation: int = 1
    thumbnail: bool = False
    pillow: bool = False
    profile: bytes = b""


def header(path: Path, driver: str) -> Header:
    """The header of a file that a driver of GDAL has opened; UserError for a PNG that is damaged."""
    stat = path.stat()
    return _header(path, driver, (stat.st_ino, stat.st_size, stat.st_mtime_ns))


@lru_cache(maxsize=64)  # Pillow makes an object of each strip, and a large image is opened for each row of tiles
def _header(path: Path, driver: str, _: tuple[int, int, int]) -> Header:
    found = _pillows(path, driver == "PNG")
    if driver == "JP2OpenJPEG" and _is_sycc(path):  # three bands are read of what Pillow decodes, and no alpha
        return replace(found, mode="sYCC", pillow=found.mode == "RGB")
    return _tifffiles(path, found) if driver == "GTiff" else found


def _pillows(path: Path, png: bool) -> Header:
    try:
        with Image.open(path) as image:
            frames = image.n_frames if image.format in ("GIF", "PNG", "WEBP") else 1
            profile = image.info.get("icc_profile") or b""
            found = Header(image.mode, frames, _orientation(image), pillow=True, profile=profile)
        if png:  # GDAL overlooks wrong checksums
            with Image.open(path) as image:
                image.verify()
        return found
    except Exception as error:  # Pillow's plug-ins fail in many ways, and know fewer formats than GDAL
        if png:
            raise UserError(f"{path} cannot be read as an image ({error})", "replace or remove it") from None
        return Header()


def _is_sycc(path: Path) -> bool:
    """Whether a JPEG 2000 says that its bands are luma and chroma, which GDAL overlooks unless chroma is halved."""
    with path.open("rb") as file:
        start = file.read(2**16)
    box, size = start.partition(b"colr")[2], start.partition(b"\xff\x4f\xff\x51")[2]
    # An enumerated colour space, and which; how many pixels share a value of the second band.
    return box[:1] + box[3:7] == b"\1\0\0\0\x12" and size[42:44] != b"\2\2"


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(0x0112, 1)
    except Exception:  # EXIF data may be damaged beside whole pixels
        return 1


def _tifffiles(path: Path, found: Header) -> Header:
    try:
        with tifffile.TiffFile(path, _multifile=False) as file:
            page = file.pages[0]
            stack = file.is_imagej or file.is_shaped or file.is_stk  # many planes may follow one page
            return replace(
                found,
                mode=_mode(page) or found.mode,
                pages=max(1, file.series[0].size // page.size) if stack else 1,
                orientation=page.tags.valueof(0x0112, default=1),
                thumbnail=bool(page.is_reduced and (page.subifds or len(file.pages) > 1)),
            )
    except Exception:  # of a damaged file too, about which GDAL has the last word
        return found


def _mode(page: tifffile.TiffPage) -> str:
    """Colours of which GDAL gives no hint: the parts of Lab, and inks whose alpha it drops."""
    if page.photometric in _LAB:
        return "LAB"
    return "CMYK" if page.photometric == tifffile.PHOTOMETRIC.SEPARATED and page.extrasamples else ""


def white_is_least(file: rasterio.DatasetReader) -> bool:
    """Whether a TIFF says that its small values are bright."""
    return file.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES"


def meanings(file: rasterio.DatasetReader) -> tuple[ColorInterp, ...]:
    """What the bands of a file are: gray too where small values are bright, of which GDAL may make a palette."""
    kinds = file.colorinterp
    if not white_is_least(file):
        return kinds
    return tuple(ColorInterp.gray if kind == ColorInterp.palette else kind for kind in kinds)


def rpcs(file: rasterio.DatasetReader) -> RPC | None:
    """The rational polynomials that a file locates itself with; None also if they are damaged."""
    try:
        return file.rpcs
    except (ValueError, TypeError, KeyError):
        return None


def geotransform(file: rasterio.DatasetReader) -> Affine:
    """From pixels to the coordinate system; the identity for a file without one.

    Where GDAL's driver has none and fills in nothing, as that of Netpbm, DatasetReader.transform is what memory held.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = file.read_transform()
    none = any(issubclass(said.category, NotGeoreferencedWarning) for said in caught)
    return Affine.identity() if none else Affine.from_gdal(*found)


def by_pillow(path: Path, file: rasterio.DatasetReader, head: Header) -> bool:
    """Whether Pillow decodes a file, in 8 bits; UserError where neither it nor GDAL gives the colours."""
    kinds, deep = set(meanings(file)), set(file.dtypes) - {"uint8"}
    if deep and ColorInterp.palette in kinds:
        raise UserError(f"{path} has a palette for {min(deep)} pixels", "save it as RGB")
    if head.mode in _NOT_RGB or {ColorInterp.cyan, ColorInterp.Y} & kinds:
        if deep or not head.pillow:
            form = f"{head.mode or 'YCbCr'} colours of {file.dtypes[0]}"
            raise UserError(f"{path} has {form} in a form that is not read", "save it as RGB")
        return True
    return not deep and (file.driver, head.mode) in _PILLOWS
