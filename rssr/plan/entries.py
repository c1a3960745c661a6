"""Entries of the configuration as plain values, the data sets built from them, and their downloads in words."""

import itertools
import os
import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from rssr.base.errors import UserError, about
from rssr.base.files import from_here
from rssr.config import Config
from rssr.config.data import Dataset
from rssr.datasets.card import DataSet
from rssr.datasets.registry import EXTERNAL
from rssr.datasets.registry import build as build_data_set


def plain(entry: BaseModel) -> dict[str, Any]:
    """A block of the configuration as plain values, without defaults."""
    return entry.model_dump(mode="json", exclude_defaults=True)


def rooted(entry: Dataset) -> dict[str, Any]:
    """An entry as plain values, its `root` by default from the environment: RSSR_ROOT_POTSDAM for `module: potsdam`."""
    root = os.environ.get(f"RSSR_ROOT_{(entry.module or '').upper()}")
    found = {"root": root} | plain(entry) if root and entry.module in EXTERNAL else plain(entry)
    return found | {key: from_here(found[key]) for key in ("root", "images") if key in found}


def data_set(name: str, config: Config) -> DataSet:
    """The data set of an entry; UserError names file and entry, also for a missing LR image or unit."""
    with about(lambda: config.where(f"datasets.{name}")):
        found = build_data_set(rooted(config.datasets[name]))
        for scale, source in itertools.product(config.scales, found.sources) if found.given else ():
            found.given.find(source, scale)
        _check_unit(config.datasets[name].unit, found.splits.get("test", ()))
        return found


def _check_unit(pattern: str | None, sources: Sequence[str]) -> None:
    """UserError for source images in whose names an entry's `unit` finds none: each would be a unit of its own."""
    found = {source: re.search(pattern, source) for source in sources} if pattern else {}
    if unnamed := [source for source, match in found.items() if not (match and match[1])]:
        problem = (
            f"`unit` finds none in {len(unnamed)} of {len(sources)} names of test images, the first is '{unnamed[0]}'"
        )
        raise UserError(problem, "correct the expression, or leave it out")


def transfer(name: str, label: str, data_set: DataSet) -> str:
    """The source of a data set and its download size, in words."""
    if data_set.root:
        return f"{label}: {len(data_set.sources)} images from the folder {data_set.root}, nothing is transferred"
    places = [f"{mirror.bytes / 1e9:.2f} GB from {mirror.where}" for mirror in data_set.card.mirrors]
    return f"{label}: {', or '.join(places) or 'small'}, into downloads/{name}"
