"""Score the SR images of one model on one test set."""

import argparse
import json
from pathlib import Path

import torch

from rssr.base.process import run
from rssr.base.files import read_json, sha256, write_csv, write_json
from rssr.base.provenance import made_by
from rssr.metrics.registry import METRICS
from rssr.steps.scoring import draws, score_folder


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sr-dir", type=Path, required=True)
    parser.add_argument("--hr-dir", type=Path, required=True)
    parser.add_argument("--lr-dir", type=Path, required=True)
    parser.add_argument("--steps", type=json.loads, required=True, help="the degradation of the LR images, as JSON")
    parser.add_argument("--scale", type=int, required=True)
    parser.add_argument("--metrics", nargs="+", required=True)
    parser.add_argument("--records", nargs="*", type=Path, default=[], help="what fetch_metric wrote of each metric")
    parser.add_argument("--weights-dir", required=True)
    parser.add_argument("--crop", type=int, required=True)
    parser.add_argument("--scores", type=Path, required=True, help="CSV file; .json is put beside it")
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    records = [read_json(path) for path in arguments.records]
    absent = {record["metric"]: record["reason"] for record in records if not record["available"]}
    what = (arguments.sr_dir, arguments.hr_dir, arguments.metrics, arguments.crop, arguments.weights_dir, absent)
    what += (arguments.lr_dir, arguments.steps, arguments.scale)
    rows = score_folder(*what)
    write_csv(arguments.scores, rows)
    by_draw = [rows, *(score_folder(*what, draw) for draw in draws(arguments.sr_dir))]
    facts = made_by(
        sr_manifest_sha256=sha256(arguments.sr_dir / "manifest.csv"),
        hr_manifest_sha256=sha256(arguments.hr_dir.parent / "manifest.csv"),
        crop=arguments.crop,
        metrics={name: METRICS[name].protocol for name in arguments.metrics},
        absent=absent,
        # The mean over the images for every draw of a network that draws random numbers; none for any other.
        draws={
            name: [sum(row[name] for row in rows) / len(rows) for rows in by_draw]
            for name in arguments.metrics
            if name not in absent and len(by_draw) > 1
        },
    )
    write_json(arguments.scores.with_suffix(".json"), facts)


run(main)
