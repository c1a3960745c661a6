"""Print what there is of each data set, what is missing and what to do."""

import argparse
import json
import sys
from pathlib import Path

import pandas as pd

from rssr.base.errors import UserError
from rssr.base.files import read_json
from rssr.base.process import run
from rssr.datasets.card import DataSet
from rssr.datasets.published import expected, index
from rssr.datasets.registry import build


def main() -> None:
    """Parse the arguments and print a table; contents are checked when a data set is fetched, not here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=json.loads, required=True, help="configuration entries by name, as JSON")
    parser.add_argument("--downloads", type=Path, default=Path("downloads"))
    arguments = parser.parse_args()
    rows = [_row(name, entry, arguments.downloads / name) for name, entry in arguments.datasets.items()]
    sys.stdout.write(pd.DataFrame(rows).to_markdown(index=False) + "\n")


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
        "what to do": _advice(name, data_set, folder, bool(missing)),
    }


def _there(data_set: DataSet, folder: Path) -> set[str]:
    """The source images in the folder of downloads or, not yet linked from there, in the user's."""
    there = {source for source in data_set.sources if data_set.find(folder, source).exists()}
    for place in (data_set.root, folder if data_set.layouts else None):
        if place and Path(place).is_dir():
            there |= set(index(Path(place), data_set.layouts))
    return there


def _advice(name: str, data_set: DataSet, folder: Path, missing: bool) -> str:
    record = folder / "fetched.json"
    if not missing:
        done = record.exists() and f"nothing: checked, from {read_json(record)['from']}"
        return done or "run `snakemake data`, which checks them"
    if data_set.root:
        return expected(data_set)
    if not data_set.card.mirrors:
        return "run `snakemake data`"
    size = f"{data_set.card.mirrors[0].bytes / 1e9:.2f} GB"
    return f"run `snakemake data` ({size} from {data_set.card.mirrors[0].where}), or {expected(data_set)}"


run(main)
