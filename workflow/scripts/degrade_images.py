"""Reduce the HR images of one split to LR and write the LR manifest."""

import argparse
import json
from pathlib import Path

import torch

from rssr.base.process import run
from rssr.base.files import sha256, write_json
from rssr.base.provenance import made_by
from rssr.datasets.prepare import prepare_lr


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split-dir", type=Path, required=True, help="results/data/{dataset}/{split}")
    parser.add_argument("--degradation", required=True)
    parser.add_argument("--steps", type=json.loads, help="what it does, as JSON; by default what its name stands for")
    parser.add_argument("--scale", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    facts = made_by(
        hr_manifest_sha256=sha256(arguments.split_dir / "manifest.csv"),
        degradation=arguments.degradation,
        steps=arguments.steps,
        scale=arguments.scale,
    )
    lr_dir = arguments.split_dir / "LR" / f"x{arguments.scale}-{arguments.degradation}"
    write_json(lr_dir / "provenance.json", facts)
    torch.set_num_threads(1)  # an image a thread
    prepare_lr(arguments.split_dir, arguments.degradation, arguments.scale, arguments.threads, arguments.steps)


run(main)
