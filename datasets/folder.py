"""Folder: anyone's own images, by a configuration entry with `images` and no code."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rssr.base.errors import UserError
from rssr.datasets.card import Card, DataSet

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"}


def data_set(images: str, split: Mapping[str, str | Sequence[str]]) -> DataSet:
    """A data set of the image files in a folder.

    Args:
        images: the folder.
        split: split -> glob pattern below the folder, such as "test/**/*" or "*/*.jpg", or several patterns, each of
            which must match.
    """
    root = Path(images)
    if not root.is_dir():
        raise UserError(f"there is no folder {images}", "correct `images`, or put the images there")
    patterns = {name: [given] if isinstance(given, str) else given for name, given in split.items()}
    found = {name: [match for p in several for match in _matches(root, p)] for name, several in patterns.items()}
    paths: dict[str, Path] = {}
    for source, path in (match for several in found.values() for match in several):
        if source in paths:
            raise UserError(
                f"{paths[source]} and {path} are one image by name or in two places of `split`",
                "rename one, or correct the patterns",
            )
        paths[source] = path
    return DataSet(
        card=Card(licence="the owner's", citation=images, page="", gsd_m="not stated", tile=None),
        splits={name: tuple(source for source, _ in sources) for name, sources in found.items()},
        fetch=lambda folder: None,
        find=lambda folder, source: paths[source],
        split="own",
    )


def _matches(root: Path, pattern: str) -> list[tuple[str, Path]]:
    if Path(pattern).is_absolute():
        raise UserError(f"the pattern '{pattern}' of `split` is absolute", f"write it from the folder {root}")
    found = sorted(path for path in root.glob(pattern) if path.suffix.lower() in SUFFIXES)
    if not found:
        raise UserError(f"no image matches '{pattern}' in the folder {root}", "correct `images` or `split`")
    return [(path.relative_to(root).with_suffix("").as_posix(), path) for path in found]
