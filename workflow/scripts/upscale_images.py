"""Upscale the LR images of one test set with one model."""

import argparse
from pathlib import Path

from rssr.base import devices
from rssr.base.process import run
from rssr.plan import arguments as from_json
from rssr.plan.artifacts import by_replicate
from rssr.plan.dependencies import digest, used_files
from rssr.steps import shards, upscaling


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=from_json.entry, required=True, help="configuration entry as JSON")
    parser.add_argument("--weights", type=Path, nargs="*", default=[], help="of a run, one file per replicate")
    parser.add_argument("--draws", type=int, required=True, help="replicates of a network that samples")
    parser.add_argument("--lr-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of the SR images and their manifest")
    parser.add_argument("--sr-dir", type=Path, help="folder of the SR images, if another")
    parser.add_argument("--code", type=Path, nargs="*", help="files whose change remakes all images")
    shards.add_options(parser)
    devices.add_options(parser)
    arguments = parser.parse_args()
    if arguments.parts:
        return upscaling.merge_upscaled(arguments.parts, arguments.lr_dir, arguments.out)
    jobs = upscaling.images_at_a_time(arguments.model, arguments.device, arguments.threads)
    arguments.threads = 1 if jobs > 1 else arguments.threads
    device, weights = devices.prepare(arguments), by_replicate(arguments.weights)
    code = digest(arguments.code or used_files(Path(__file__).resolve()))
    facts = {"model": arguments.model, "device": arguments.device, "threads": arguments.threads}
    models = upscaling.networks(arguments.model, weights)
    identity = upscaling.write_record(arguments.out, facts, weights, arguments.lr_dir, code)
    images = arguments.sr_dir or arguments.out, identity, device, jobs, arguments.shard
    upscaling.upscale_folder(models, arguments.draws, arguments.lr_dir, *images, arguments.out / "manifest.csv")


run(main)
