"""Measure one model on one test set under every combination of the measuring protocol."""

import argparse
from pathlib import Path

from rssr.base import devices
from rssr.base.files import read_csv, write_csv, write_json
from rssr.base.process import run
from rssr.plan import arguments as from_json
from rssr.steps import shards
from rssr.steps.audit import audit_files, evenly, means


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=from_json.entry, required=True, help="configuration entry as JSON")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--hr-dir", type=Path, required=True)
    parser.add_argument("--scale", type=int, required=True)
    parser.add_argument("--images", type=int, required=True, help="how many, evenly over the manifest")
    parser.add_argument("--out", type=Path, required=True, help="CSV file; .json is put beside it")
    shards.add_options(parser)
    devices.add_options(parser)
    options = parser.parse_args()
    device = devices.prepare(options)
    names = evenly([row["image"] for row in read_csv(options.hr_dir / "manifest.csv")], options.images)
    if options.parts:
        rows, record = shards.merged(options.parts, names), shards.merged_record(options.parts) | {"images": names}
    else:
        names = options.shard.of(names)
        rows, record = audit_files(options.model, options.weights, options.hr_dir, names, options.scale, device)
    whole = options.shard == shards.WHOLE
    write_csv(options.out, means(rows).to_dict("records") if whole else rows)
    write_json(options.out.with_suffix(".json"), record)


run(main)
