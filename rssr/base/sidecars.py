"""Files that belong to an image although nobody names them: GDAL reads what lies beside it, and a VRT's sources."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

_PARTS = (".msk", ".aux.xml")  # after the whole name
_VIEWS = (".ovr", ".msk.ovr")  # of the image and its mask at smaller sizes
_HEADERS = (".hdr", ".wld")  # in place of the suffix; images of other formats may have them too
# What decides pixels in a file of GDAL's beside an image. Viewers write statistics there, which decide nothing.
_SAID = re.compile(rb'<(NoDataValue|ColorInterp|ColorTable|GeoTransform|SRS|GCPList)|domain="(RPC|IMAGE_STRUCTURE)"')


def sidecars(path: Path, source: Path) -> list[Path]:
    """The files that are taken for a part of an image of this name: overviews, mask, statistics, world file.

    Without those of `source`, another image: a.tif and a.tiff share the name of a world file.
    """
    others = [beside.resolve() for beside in _beside(source)]
    return [beside for beside in _beside(path) if beside.resolve() not in others]


def _beside(path: Path) -> list[Path]:
    names = [f"{path.name}{end}" for end in (*_PARTS, *_VIEWS)] + _worlds(path)
    # A name that is too long for the disk is one that no file has, and Path.is_file() would raise an error.
    return [beside for name in names if os.path.isfile(beside := path.with_name(name))]  # noqa: PTH113


def with_parts(paths: Iterable[Path]) -> Iterator[Path]:
    """Images, each followed by the other files that decide its pixels; a folder is listed once."""
    listed: dict[Path, set[str]] = {}
    for path in paths:
        yield path
        folder = path.parent
        if folder not in listed:
            with os.scandir(folder) as found:
                names = {each.name for each in found}
            listed[folder] = {name for name in names if name.lower().endswith((*_PARTS, *_HEADERS, "w"))}
        if listed[folder]:
            names = [f"{path.name}{end}" for end in _PARTS] + [f"{path.stem}{end}" for end in _HEADERS] + _worlds(path)
            beside = (path.with_name(name) for name in names if name in listed[folder])
            yield from (part for part in beside if part.is_file() and _decides(part))
        if path.suffix.lower() == ".vrt":
            yield from _sources(path)


def _decides(part: Path) -> bool:
    """Whether pixels depend on a file that lies beside an image."""
    return part.suffix != ".xml" or _SAID.search(part.read_bytes()) is not None


def _worlds(path: Path) -> list[str]:
    """The names of world files, such as .tfw and .tifw, which say where an image lies."""
    ends = (f"{path.suffix[:2]}{path.suffix[-1:]}w", f"{path.suffix}w") if path.suffix else ()
    return list(dict.fromkeys(f"{path.stem}{end}" for each in ends for end in (each.lower(), each.upper())))


def _sources(mosaic: Path) -> list[Path]:
    """The files that a VRT is made of; none if it is damaged, which the step that reads it says."""
    import rasterio  # takes a fifth of a second, and few data sets are mosaics
    from rasterio.errors import RasterioIOError

    try:
        with rasterio.open(mosaic, driver="VRT") as file:
            named = map(Path, file.files)
    except RasterioIOError:
        return []
    return sorted(path for path in named if path != mosaic and path.is_file())
