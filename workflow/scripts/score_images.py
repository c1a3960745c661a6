"""Score the SR images of one model on one test set."""

import argparse
from pathlib import Path

from rssr.base import devices
from rssr.base.files import read_json, write_csv, write_json
from rssr.base.process import run
from rssr.plan import arguments as given
from rssr.steps.scoring import TestImages, absent_metrics, record, score_folder


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sr-dir", type=Path, required=True)
    parser.add_argument("--hr-dir", type=Path, required=True)
    parser.add_argument("--lr-dir", type=Path, required=True)
    parser.add_argument("--steps", type=given.entry, required=True, help="the degradation of the LR images, as JSON")
    parser.add_argument("--scale", type=int, required=True)
    parser.add_argument("--metrics", nargs="+", required=True)
    parser.add_argument("--records", nargs="*", type=Path, default=[], help="what fetch_metric wrote of each metric")
    parser.add_argument("--weights-dir", required=True)
    parser.add_argument("--crop", type=int, required=True)
    parser.add_argument("--scores", type=Path, required=True, help="CSV file; .json is put beside it")
    parser.add_argument("--jobs", type=int, required=True, help="images that are scored at a time")
    devices.add_options(parser, gpu=False)
    arguments = parser.parse_args()
    devices.prepare(arguments)
    found = absent_metrics([read_json(path) for path in arguments.records], arguments.steps)
    absent = {metric: reason for metric, reason in found.items() if metric in arguments.metrics}
    images = TestImages(arguments.hr_dir, arguments.lr_dir, arguments.steps, arguments.scale, arguments.crop)
    rows = score_folder(arguments.sr_dir, images, arguments.metrics, arguments.weights_dir, absent, arguments.jobs)
    write_csv(arguments.scores, rows)
    facts = record(arguments.scores, arguments.sr_dir, images, arguments.metrics, absent)
    write_json(arguments.scores.with_suffix(".json"), facts)


run(main)
