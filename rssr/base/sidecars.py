"""Files that belong to an image although nobody names them: GDAL reads what lies beside it, and a VRT's sources."""

import glob
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

_PARTS = (".msk", ".aux.xml")  # after the whole name; GDAL finds them in any case
_VIEWS = (".ovr", ".msk.ovr")  # of the image and its mask at smaller sizes
_HEADERS = (".hdr", ".ige")  # in place of the suffix; images of other formats may have them too
_PLACES = (".wld", ".tab", ".rpb", "_rpc.txt")  # likewise: where an image lies
_IMAGES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2", ".bmp", ".gif", ".webp", ".img")  # that may have them
# What decides pixels in a file of GDAL's beside an image. Viewers write statistics there, which decide nothing.
_SAID = re.compile(rb'<(NoDataValue|ColorInterp|ColorTable|GeoTransform|SRS|GCPList)|domain="(RPC|IMAGE_STRUCTURE)"')


def sidecars(path: Path, source: Path | None) -> list[Path]:
    """The files that are taken for a part of an image of this name: overviews, mask, statistics, world file.

    Without those of `source`, another image, if there is one: a.tif and a.tiff share the name of a world file.
    """
    others = [beside.resolve() for beside in _views(source)] if source else []
    return [beside for beside in _views(path) if beside.resolve() not in others]


def placed_by(world: Path, path: Path) -> Path | None:
    """Another image than `path` that a file beside it belongs to as a world file; None if there is none."""
    stem = world.name[:-8] if world.name.lower().endswith("_rpc.txt") else world.stem
    others = (other for other in world.parent.glob(f"{glob.escape(stem)}.*") if other not in (world, path))
    ending = world.name[len(stem) :].lower()
    return next((other for other in others if ending in _worlds(other, other.suffix.lower() in _IMAGES)), None)


def with_parts(paths: Iterable[Path], within: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Images, each followed by the other files that decide its pixels; a folder is listed once.

    Args:
        paths: the images.
        within: mosaics that these are sources of.
    """
    listed: dict[Path, dict[str, list[str]]] = {}
    for path in paths:
        yield path
        yield from _beside(path, listed) or _beside(followed(path), listed)
        if path.suffix.lower() == ".vrt" and path not in within:
            yield from dict.fromkeys(with_parts(_sources(path), within | {path}))


def followed(path: Path) -> Path:
    """The file that is opened for an image: a link's target, and what lies beside that, if the link has nothing so."""
    return path.resolve() if path.is_symlink() and path.is_file() and not _beside(path, {}) else path


def _beside(path: Path, listed: dict[Path, dict[str, list[str]]]) -> list[Path]:
    """The files beside an image that decide its pixels; a folder that is not yet `listed` will be."""
    if path.parent not in listed:
        listed[path.parent] = _listed(path.parent)
    named = _named(path, listed[path.parent], (*_PARTS, ".hdr"), (*_HEADERS, *_worlds(path)))
    return [part for part in named if part.is_file() and _decides(part)]


def _decides(part: Path) -> bool:
    """Whether pixels depend on a file that lies beside an image."""
    return part.suffix.lower() != ".xml" or _SAID.search(part.read_bytes()) is not None


def _listed(folder: Path) -> dict[str, list[str]]:
    """The files of a folder that may lie beside an image: in lower case -> as they are."""
    found: dict[str, list[str]] = {}
    with os.scandir(folder) as entries:
        for name in sorted(entry.name for entry in entries):
            if name.lower().endswith((*_PARTS, *_VIEWS, *_HEADERS, *_PLACES, "w")):
                found.setdefault(name.lower(), []).append(name)
    return found


def _views(path: Path) -> list[Path]:
    """What is read with a file of this name, and goes when it is replaced."""
    listed = _listed(path.parent) if path.parent.is_dir() else {}
    return [part for part in _named(path, listed, (*_PARTS, *_VIEWS), _worlds(path)) if part.is_file()]


def _named(path: Path, listed: Mapping[str, list[str]], after: Iterable[str], instead: Iterable[str]) -> list[Path]:
    """The files whose names are an image's with an ending, in any case, after it or in place of its suffix."""
    if not listed:
        return []
    wanted = [(path.name, end) for end in after] + [(path.stem, end) for end in instead]
    names = [
        name for begin, end in wanted for name in listed.get(f"{begin}{end}".lower(), ()) if name.startswith(begin)
    ]
    return [path.with_name(name) for name in dict.fromkeys(names)]


def _worlds(path: Path, image: bool = True) -> list[str]:
    """The endings of files that say where an image lies: of its own, such as .tfw and .tifw, and those of any image."""
    ends = (f"{path.suffix[:2]}{path.suffix[-1:]}w", f"{path.suffix}w") if path.suffix else ()
    return list(dict.fromkeys([*(_PLACES if image else ()), *(end.lower() for end in ends)]))


def _sources(mosaic: Path) -> list[Path]:
    """The files that a VRT is made of; none if it is damaged, which the step that reads it says."""
    import rasterio  # takes a fifth of a second, and few data sets are mosaics
    from rasterio.errors import RasterioIOError

    import rssr.base.opening  # noqa: F401, keeps GDAL from asking the addresses that a mosaic may name

    try:
        with rasterio.open(mosaic, driver="VRT") as file:
            named = map(Path, file.files)
    except RasterioIOError:
        return []
    return sorted(path for path in named if path != mosaic and path.is_file())
