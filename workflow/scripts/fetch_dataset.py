"""Get the source images of a data set into a folder and record their checksums."""

import argparse
from pathlib import Path

from rssr.base.files import sha256, write_json
from rssr.base.process import run
from rssr.datasets.obtain import obtain
from rssr.datasets.registry import build
from rssr.plan import arguments as from_json


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=from_json.entry, required=True, help="configuration entry as JSON")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--record", type=Path, required=True, help="JSON file written last")
    arguments = parser.parse_args()
    data_set = build(arguments.dataset)
    if data_set.fetch:
        data_set.fetch(arguments.folder)
        digests = {source: sha256(data_set.find(arguments.folder, source)) for source in data_set.sources}
        record = {"from": data_set.card.page, "sha256": digests}
    else:
        record = obtain(data_set, arguments.folder)
    write_json(arguments.record, record)


run(main)
