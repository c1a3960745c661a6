"""Which images of each data set are on this machine, which are missing, and what to do."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rssr.base.errors import UserError
from rssr.base.files import read_json
from rssr.datasets.card import DataSet
from rssr.datasets.external import expected, index
from rssr.datasets.registry import build

_FETCH = "run `snakemake data --cores all` with the same `--configfile`"


def data_status(entries: Mapping[str, Any], downloads: Path) -> list[dict[str, str]]:
    """One row per data set; contents are checked when a data set is fetched, not here.

    Args:
        entries: name -> entry of the configuration.
        downloads: the folder that data sets are fetched into.
    """
    return [_row(name, entry, downloads / name) for name, entry in entries.items()]


def _row(name: str, entry: dict, folder: Path) -> dict[str, str]:
    row = {"data set": entry["label"]}
    try:
        data_set = build(entry)
    except UserError as error:
        return row | {"there": "–", "missing": "–", "what to do": str(error)}
    there = _there(data_set, folder)
    missing = [source for source in data_set.sources if source not in there]
    names = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    splits = ", ".join(f"{split} {len(sources)}" for split, sources in data_set.splits.items())
    return row | {
        "there": f"{len(data_set.sources) - len(missing)} of {len(data_set.sources)} source images ({splits})",
        "missing": names or "–",
        "what to do": "nothing" if entry.get("images") else _advice(data_set, folder, bool(missing)),
    }


def _there(data_set: DataSet, folder: Path) -> set[str]:
    """The source images in the download folder or, if not yet linked there, in `root`."""
    there = {source for source in data_set.sources if data_set.find(folder, source).exists()}
    for place in (data_set.root, folder if data_set.layouts else None):
        if place and Path(place).is_dir():
            there |= set(index(Path(place), data_set.layouts))
    return there


def _advice(data_set: DataSet, folder: Path, missing: bool) -> str:
    record = folder / "fetched.json"
    if not missing:
        done = record.exists() and f"nothing: checked, from {read_json(record)['from']}"
        return done or f"{_FETCH}, which checks them"
    if data_set.root:
        return expected(data_set)
    if not data_set.card.mirrors:
        return _FETCH
    size = f"{data_set.card.mirrors[0].bytes / 1e9:.2f} GB"
    return f"{_FETCH} ({size} from {data_set.card.mirrors[0].where}), or {expected(data_set)}"
