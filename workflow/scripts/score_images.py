"""Score the SR images of one model on one test set."""

import argparse
from pathlib import Path

import torch

from rssr.errors import run
from rssr.files import read_json, sha256, write_csv, write_json
from rssr.metrics.registry import METRICS
from rssr.provenance import made_by
from rssr.scoring import score_folder


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sr-dir", type=Path, required=True)
    parser.add_argument("--hr-dir", type=Path, required=True)
    parser.add_argument("--metrics", nargs="+", required=True)
    parser.add_argument("--records", nargs="*", type=Path, default=[], help="what fetch_metric wrote of each metric")
    parser.add_argument("--weights-dir", required=True)
    parser.add_argument("--crop", type=int, required=True)
    parser.add_argument("--scores", type=Path, required=True, help="CSV file; .json is put beside it")
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    records = [read_json(path) for path in arguments.records]
    absent = {record["metric"]: record["reason"] for record in records if not record["available"]}
    rows = score_folder(
        arguments.sr_dir, arguments.hr_dir, arguments.metrics, arguments.crop, arguments.weights_dir, absent
    )
    write_csv(arguments.scores, rows)
    facts = made_by(
        sr_manifest_sha256=sha256(arguments.sr_dir / "manifest.csv"),
        hr_manifest_sha256=sha256(arguments.hr_dir.parent / "manifest.csv"),
        crop=arguments.crop,
        metrics={name: METRICS[name].protocol for name in arguments.metrics},
        absent=absent,
    )
    write_json(arguments.scores.with_suffix(".json"), facts)


run(main)
