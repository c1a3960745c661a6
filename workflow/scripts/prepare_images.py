"""Cut the HR images of one split of a data set and write their manifest."""

import argparse
from dataclasses import asdict
from pathlib import Path

from rssr.base.files import write_json
from rssr.base.process import run
from rssr.base.provenance import made_by
from rssr.datasets.prepare import prepare_hr
from rssr.datasets.registry import build
from rssr.plan import arguments as from_json


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=from_json.entry, required=True, help="configuration entry as JSON")
    parser.add_argument("--folder", type=Path, required=True, help="where the source images were fetched to")
    parser.add_argument("--split", required=True)
    parser.add_argument("--hr-dir", type=Path, required=True, help="where HR images and manifest go")
    parser.add_argument("--multiple-of", type=int, default=1, help="HR sides are cut off to a multiple of it")
    parser.add_argument("--jobs", type=int, default=1, help="threads, each of which reads and writes images")
    arguments = parser.parse_args()
    data_set = build(arguments.dataset)
    tile = arguments.dataset.get("tile", data_set.card.tile)
    facts = made_by(dataset=arguments.dataset, card=asdict(data_set.card), split=arguments.split, tile=tile)
    facts["multiple_of"] = arguments.multiple_of
    write_json(arguments.hr_dir / "provenance.json", facts)
    multiple = arguments.multiple_of
    prepare_hr(data_set, arguments.folder, arguments.split, tile, arguments.hr_dir, arguments.jobs, multiple)


run(main)
