"""External data sets: how an entry of the configuration selects images, and how their files are recognised."""

import fnmatch
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rssr.base.errors import UserError
from rssr.datasets.card import DataSet, Layout


def select(
    whole: DataSet,
    root: str | None = None,
    subset: bool = False,
    split: str | Mapping[str, str | Sequence[str]] | None = None,
) -> DataSet:
    """The part of an external data set that an entry of the configuration selects.

    Args:
        whole: the data set with its default splits.
        root: a folder with the images, in any of the known layouts, unpacked or as the official archive.
        subset: use only the images in `root`, and say so in every title; if false, a missing image is an error.
        split: name of one of its predefined splits; or split -> glob pattern of source names, or several.
    """
    splits, called, parts = dict(whole.splits), whole.split, []
    if isinstance(split, str):
        known = {whole.split: whole.splits, **whole.other_splits}
        if split not in known:
            raise UserError(f"there is no split '{split}' of this data set", f"use one of {', '.join(known)}")
        splits, called = dict(known[split]), split
        parts += [f"split {split}"] if split != whole.split else []
    elif split is not None:
        splits = {name: _matching(whole.sources, given) for name, given in split.items()}
        chosen = [source for sources in splits.values() for source in sources]
        if twice := [source for source in chosen if chosen.count(source) > 1]:
            raise UserError(f"the image '{twice[0]}' is in two places of `split`", "correct the patterns")
        parts.append("own split")
    if subset:
        if root is None:
            raise UserError("`subset` needs `root`", "name the folder that has the images, or leave `subset` out")
        if not Path(root).is_dir():
            raise UserError(f"there is no folder {root}", "correct `root`")
        there = set(index(Path(root), whole.layouts))
        splits = {name: tuple(source for source in sources if source in there) for name, sources in splits.items()}
        splits = {name: sources for name, sources in splits.items() if sources}
        if not splits:
            raise UserError(f"{root} has no image of the data set", expected(whole))
        parts.insert(0, f"a part, {sum(map(len, splits.values()))} of {len(whole.sources)} source images")
    card = whole.card
    if subset or isinstance(split, Mapping):
        card, called = replace(card, counts={}), "own"
    return replace(whole, splits=splits, split=called, card=card, root=root, part=", ".join(parts))


def _matching(sources: Sequence[str], given: str | Sequence[str]) -> tuple[str, ...]:
    patterns = [given] if isinstance(given, str) else given
    for pattern in patterns:
        if not fnmatch.filter(sources, pattern):
            raise UserError(f"no image of the data set matches '{pattern}' of `split`", f"names look like {sources[0]}")
    return tuple(source for source in sources if any(fnmatch.fnmatchcase(source, pattern) for pattern in patterns))


def index(root: Path, layouts: Sequence[Layout]) -> dict[str, list[Path]]:
    """The source images that lie somewhere below a folder: name -> its file, or its tiles."""
    return recognise((path for path in files_below(root)), root, layouts)


def recognise(paths: Iterator[Path], root: Path, layouts: Sequence[Layout]) -> dict[str, list[Path]]:
    """The source images among some paths: name -> its file, or its tiles, by the first layout that has it."""
    compiled = [(layout, re.compile(rf"(?:^|/){layout.pattern}$")) for layout in layouts]
    found: list[dict[str, list[Path]]] = [{} for _ in layouts]
    for path in sorted(paths):
        for images, (layout, pattern) in zip(found, compiled, strict=True):
            if match := pattern.search(path.relative_to(root).as_posix()):
                images.setdefault(match.expand(layout.source), []).append(path)
    best: dict[str, list[Path]] = {}
    for images, layout in zip(found, layouts, strict=True):
        for source, several in images.items():
            best.setdefault(source, several if layout.tiles else several[:1])
    return best


def files_below(root: Path) -> Iterator[Path]:
    """All files below a folder, folders behind links included; hidden ones are left out."""
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(folder, name) for name in names if not name.startswith("."))


def expected(data_set: DataSet) -> str:
    """Where to get a data set by hand, and how it should lie on the disk."""
    trees = " or ".join(layout.tree for layout in data_set.layouts)
    return f"get it from {data_set.card.page} and set `root:` in its entry to the folder that has {trees}"
