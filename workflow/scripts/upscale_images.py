"""Upscale the LR images of one test set with one model."""

import argparse
from pathlib import Path

from rssr.base import devices
from rssr.base.process import run
from rssr.models.names import INTERPOLATIONS
from rssr.models.registry import build, with_weights
from rssr.plan import arguments as given
from rssr.plan.artifacts import by_replicate
from rssr.plan.dependencies import digest, used_files
from rssr.plan.replicate import SINGLE
from rssr.steps.upscaling import upscale_folder, write_record


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=given.entry, required=True, help="configuration entry as JSON")
    parser.add_argument("--weights", type=Path, nargs="*", default=[], help="of a run, one file per replicate")
    parser.add_argument("--draws", type=int, required=True, help="replicates of a network that samples")
    parser.add_argument("--lr-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of the SR images and their manifest")
    parser.add_argument("--code", type=Path, nargs="*", help="files whose change remakes all images")
    devices.add_options(parser)
    arguments = parser.parse_args()
    # A network on the CPU uses all threads for one image; beside a GPU, and for interpolations, images share them.
    jobs = arguments.threads if arguments.device != "cpu" or arguments.model.get("arch") in INTERPOLATIONS else 1
    arguments.threads = 1 if jobs > 1 else arguments.threads
    device = devices.prepare(arguments)
    weights = by_replicate(arguments.weights)
    code = digest(arguments.code or used_files(Path(__file__).resolve()))
    facts = {"model": arguments.model, "device": arguments.device, "threads": arguments.threads}
    models = {name: build(with_weights(arguments.model, weights.get(name))) for name in weights or (SINGLE,)}
    identity = write_record(arguments.out, facts, weights, arguments.lr_dir, code)
    upscale_folder(models, arguments.draws, arguments.lr_dir, arguments.out, identity, device, jobs)


run(main)
