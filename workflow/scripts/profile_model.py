"""Measure what one model costs on this machine; nothing else should run on it meanwhile."""

import argparse
from pathlib import Path

from rssr.base import devices
from rssr.base.errors import about
from rssr.base.files import write_json
from rssr.base.process import run
from rssr.plan import arguments as from_json
from rssr.plan.artifacts import model_of
from rssr.steps.profiling import profile


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=from_json.entry, required=True, help="configuration entry as JSON")
    parser.add_argument("--weights", type=Path, help="for a checkpoint: its weights, which tell its architecture")
    parser.add_argument("--profile", type=from_json.entry, required=True, help="configuration entry as JSON")
    parser.add_argument("--out", type=Path, required=True)
    devices.add_options(parser)
    arguments = parser.parse_args()
    device = devices.prepare(arguments)
    with about(f"models.{model_of(arguments.out)}"):
        write_json(arguments.out, profile(arguments.model, arguments.weights, arguments.profile, device))


run(main)
