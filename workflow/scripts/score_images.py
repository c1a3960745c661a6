"""Score the SR images of one model on one test set."""

import argparse
from pathlib import Path

from rssr.base import devices
from rssr.base.files import read_json
from rssr.base.process import run
from rssr.plan import arguments as from_json
from rssr.steps import scoring, shards


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    for path in ("--manifest", "--sr-dir", "--hr-dir", "--lr-dir"):  # the manifest lists images of the folders
        parser.add_argument(path, type=Path, required=True)
    parser.add_argument("--steps", type=from_json.entry, required=True, help="degradation of the LR images, as JSON")
    parser.add_argument("--scale", type=int, required=True)
    parser.add_argument("--metrics", nargs="+", required=True)
    parser.add_argument("--records", nargs="*", type=Path, default=[], help="what fetch_metric wrote of each metric")
    parser.add_argument("--weights-dir", required=True)
    parser.add_argument("--crop", type=int, required=True)
    parser.add_argument("--scores", type=Path, required=True, help="CSV file; .json is put beside it")
    parser.add_argument("--jobs", type=int, required=True, help="images that are scored at a time")
    shards.add_options(parser)
    devices.add_options(parser, gpu=False)
    options = parser.parse_args()
    devices.prepare(options)
    absent = scoring.absent_metrics(options.metrics, [read_json(path) for path in options.records], options.steps)
    images = scoring.TestImages(options.hr_dir, options.lr_dir, options.steps, options.scale, options.crop)
    if options.parts:
        rows = scoring.merge_scores(options.parts, images, options.manifest)
    else:
        how = options.metrics, options.weights_dir, absent, options.jobs, options.shard, options.manifest
        rows = scoring.score_folder(options.sr_dir, images, *how)
    scoring.write_scores(options.scores, rows, options.manifest, images, options.metrics, absent)


run(main)
