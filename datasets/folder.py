"""Folder: anyone's own images, by a configuration entry with `images` and no code."""

import glob
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from rssr.base.errors import UserError
from rssr.base.files import missing
from rssr.datasets.card import Card, DataSet, Given

_READ = (
    "png apng jpg jpeg jpe jfif mpo tif tiff gtif gtiff geotiff jp2 j2k jp2k jpx j2c jpc jpf bmp dib webp gif "
    "ppm pgm pnm pbm pfm img ntf nitf sgi pix rsw"
)
# Images too, but not read: one among the others is an error, not something that is silently less.
_NOT_READ = (
    "heic heif avif jxl jls dng cr2 cr3 nef arw orf rw2 tga psd exr npy npz mat nc h5 hdf fits pcx dcm svs pam "
    "ecw sid bil bip bsq rgb asc dat kea"
)
_PACKED = tuple(f".{suffix}.gz" for suffix in _READ.split())  # likewise
_LONGEST = 200  # bytes of a name with its folders: file systems allow 255, with what is added to it


def data_set(
    images: str,
    split: Mapping[str, str | Sequence[str]],
    bands: Sequence[int] | None = None,
    stretch: Sequence[float] | None = None,
    lr: Mapping[str, Any] | None = None,
) -> DataSet:
    """A data set of the image files in a folder.

    Args:
        images: the folder.
        split: split -> glob pattern below the folder, such as "test/**/*" or "*/*.jpg", or several patterns, each of
            which must match.
        bands: see base.raster.open_raster().
        stretch: likewise.
        lr: LR images that are given: `images`, a folder with `{scale}` in its name where there are several, and `bands`
            and `stretch` of its files.
    """
    root = Path(images)
    if not root.is_dir():
        raise missing(images, "folder", "correct `images`, or put the images there")
    patterns = {name: [given] if isinstance(given, str) else given for name, given in split.items()}
    if lacking := next((name for name, several in patterns.items() if not several), None):
        raise UserError(f"`split` has no pattern for {lacking}", 'give one, such as "*"')
    found = {name: [match for p in several for match in _matches(root, p)] for name, several in patterns.items()}
    paths: dict[str, Path] = {}
    for source, path in (match for several in found.values() for match in several):
        if source in paths:
            if paths[source] == path:
                raise UserError(f"{path} is in two places of `split`", "correct the patterns")
            raise UserError(
                f"{paths[source]} and {path} are one image by name", "rename one, or correct the patterns of `split`"
            )
        paths[source] = path

    def given(source: str, scale: int) -> Path:
        return _given(lr["images"].replace("{scale}", str(scale)), root, paths[source], scale)

    return DataSet(
        card=Card(licence="the owner's", citation=images, page="", gsd_m="not stated", tile=None),
        splits={name: tuple(source for source, _ in sources) for name, sources in found.items()},
        fetch=lambda folder: None,
        find=lambda folder, source: paths[source],
        split="own",
        part=", ".join(
            ([f"bands {' '.join(map(str, bands))}"] if bands else [])
            + ([f"values from {stretch[0]:g} to {stretch[1]:g}"] if stretch else [])
        ),
        bands=bands,
        stretch=stretch,
        given=Given(given, lr.get("bands"), lr.get("stretch")) if lr else None,
    )


def _given(images: str, root: Path, hr: Path, scale: int) -> Path:
    """The LR image of an HR image below a folder `root`; LR images may lie in the same folder."""
    if not Path(images).is_dir():
        raise missing(images, "folder", "correct `lr`, or put the images there")
    own = hr.relative_to(root)
    folder = Path(images, own).parent
    kinds = (*(f".{suffix}" for suffix in _READ.split()), hr.suffix.lower())
    listed = [path for path in _listed(folder) if path.suffix.lower() in kinds]
    for name in _names_of_lr(_composed(own.stem), scale):
        found = [path for path in listed if _composed(path.stem) == name and not path.samefile(hr)]
        if len(found) > 1:
            raise UserError(f"{found[0]} and {found[1]} are both LR images of {own.stem}", "move one of them away")
        if found:
            return found[0]
    if folder.is_dir() and folder.samefile(hr.parent):
        problem = f"`lr` names the folder of the HR images, {folder}, which has no LR image of {own.stem}"
        raise UserError(problem, "name the folder of the LR images")
    raise UserError(f"there is no LR image called {own.stem} in the folder {folder}", "correct `lr`, or put it there")


def _names_of_lr(stem: str, scale: int) -> Iterator[str]:
    """What the LR image of an HR image may be called: as in DIV2K (0001x4, also mild and difficult) and in RealSR."""
    yield stem
    for between in ("", "_", "-"):
        yield from (f"{stem}{between}{x}{scale}{kind}" for x in "xX" for kind in ("", "m", "d"))
    if stem.lower().endswith(("_hr", "-hr")):
        lr = f"{stem[:-2]}{'LR' if stem.endswith('HR') else 'lr'}"
        yield from (lr, f"{lr}{scale}", f"{lr}x{scale}", f"{lr}_x{scale}")


def _composed(name: str) -> str:
    """A name with é as one character; macOS writes it as two."""
    return unicodedata.normalize("NFC", name)


@cache
def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _matches(root: Path, pattern: str) -> list[tuple[str, Path]]:
    if Path(pattern).is_absolute():
        raise UserError(f"the pattern '{pattern}' of `split` is absolute", f"write it from the folder {root}")
    forms = {unicodedata.normalize(form, pattern) for form in ("NFC", "NFD")} | {pattern}
    paths = sorted({path for form in forms for path in _below(root, form)})
    matched = [(path, path.suffix.lower().removeprefix(".")) for path in paths]
    # Another format is read where the pattern asks for it: a mosaic (.vrt) would otherwise repeat its tiles.
    found = [path for path, suffix in matched if suffix in _READ.split() or pattern.lower().endswith(f".{suffix}")]
    named = (path for path, suffix in matched if suffix in _NOT_READ.split() or path.name.lower().endswith(_PACKED))
    if other := next((path for path in named if path not in found), None):
        raise UserError(f"{other} is of a format that is not read", "convert it to PNG or TIFF, or move it away")
    if not found:
        below = f"write '{Path(pattern, '*')}'"
        remedy = below if (root / pattern).is_dir() else "correct `images` or `split`; case counts"
        raise UserError(f"no image matches '{pattern}' in the folder {root}", remedy)
    for path in found:
        _check_name(path.relative_to(root))
    names = [path.relative_to(root).with_suffix("").as_posix() for path in found]
    # A spreadsheet takes a first "=", "+", "-" or "@" in scores for that of a formula.
    return [(f"_{name}" if name[0] in "=+-@" else name, path) for name, path in zip(names, found, strict=True)]


def _below(root: Path, pattern: str) -> Iterator[Path]:
    """What matches a pattern, through links to folders but not in circles, without what is hidden."""

    @cache
    def in_circle(folder: Path) -> bool:
        folders = [each.resolve() for each in (folder, *folder.parents) if each.is_relative_to(root)]
        return len(set(folders)) < len(folders)

    parts = Path(pattern).parts
    for count in range(1, len(parts) + 1):  # the folders on the way, for broken links
        for name in glob.iglob(str(Path(*parts[:count])), root_dir=root, recursive=True):  # noqa: PTH207, Path.glob follows no links
            path = root / name
            image = path.suffix.lower().removeprefix(".") in ("", *_READ.split())
            if path.is_symlink() and image and not path.exists() and not in_circle(path.parent):
                raise missing(path)
            if count < len(parts) and path.is_dir() and not os.access(path, os.R_OK | os.X_OK):
                raise UserError(f"the folder {path} cannot be read", "correct its permissions")
            if count == len(parts) and path.is_file() and not in_circle(path.parent):
                yield path


def _check_name(path: Path) -> None:
    """UserError for a name that results cannot have: control characters, or those that turn the direction of a text."""
    text = str(path)
    kinds = {unicodedata.category(character) for character in text}
    if (
        kinds & {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}
        or re.search("[\u202a-\u202e\u2066-\u2069]", text)
        or len(text.encode(errors="surrogateescape")) > _LONGEST
    ):
        raise UserError(
            f"the image {text!r} cannot be called so in results: names are printable UTF-8 of at most {_LONGEST} bytes",
            "rename it",
        )
