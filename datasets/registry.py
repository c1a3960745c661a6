"""From a configuration entry to a data set."""

import importlib
from collections.abc import Mapping
from typing import Any

from rssr.datasets.card import DataSet
from rssr.datasets.folder import data_set

MODULES = ("neon", "synthetic")


def build(entry: Mapping[str, Any]) -> DataSet:
    """The data set of an entry: a module of this folder, or a folder of images.

    Args:
        entry: `{"module": name}` or `{"images": folder, "split": {...}}`.
    """
    if "images" in entry:
        return data_set(entry["images"], entry["split"])
    return importlib.import_module(f"rssr.datasets.{entry['module']}").DATA_SET
