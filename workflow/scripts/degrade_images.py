"""Reduce the HR images of one split to LR and write the LR manifest."""

import argparse
import json
from pathlib import Path

import torch

from rssr.base.files import sha256, write_json
from rssr.base.process import run
from rssr.base.provenance import made_by
from rssr.datasets.prepare import prepare_lr


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hr-dir", type=Path, required=True)
    parser.add_argument("--lr-dir", type=Path, required=True, help="where LR images and manifest go")
    parser.add_argument("--degradation", required=True)
    parser.add_argument("--steps", type=json.loads, help="what it does, as JSON; by default what its name stands for")
    parser.add_argument("--scale", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    facts = made_by(
        hr_manifest_sha256=sha256(arguments.hr_dir / "manifest.csv"),
        degradation=arguments.degradation,
        steps=arguments.steps,
        scale=arguments.scale,
    )
    write_json(arguments.lr_dir / "provenance.json", facts)
    torch.set_num_threads(1)  # one image per thread
    steps = arguments.steps or arguments.degradation
    prepare_lr(arguments.hr_dir, arguments.lr_dir, steps, arguments.scale, arguments.threads)


run(main)
