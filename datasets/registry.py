"""From a configuration entry to a data set."""

import importlib
from collections.abc import Mapping
from typing import Any

from rssr.datasets.card import DataSet
from rssr.datasets.external import select
from rssr.datasets.folder import data_set

EXTERNAL = ("potsdam", "uavid", "rsscn7")
MODULES = ("neon", "synthetic", *EXTERNAL)


def build(entry: Mapping[str, Any]) -> DataSet:
    """The data set of an entry: a module of this folder, or a folder of images.

    Args:
        entry: `{"module": name}`, with `root`, `subset` and `split` where it is an external one, or
            `{"images": folder, "split": {...}}`, with `bands`, `stretch` and `lr` where it needs them.
    """
    if "images" in entry:
        return data_set(entry["images"], entry["split"], entry.get("bands"), entry.get("stretch"), entry.get("lr"))
    found = importlib.import_module(f"rssr.datasets.{entry['module']}").DATA_SET
    if entry["module"] not in EXTERNAL:
        return found
    return select(found, entry.get("root"), entry.get("subset", False), entry.get("split"))
