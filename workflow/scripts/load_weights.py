"""Copy the weights of one model from a file or a URL to results/weights/, as safetensors."""

import argparse
from pathlib import Path

from rssr.base.errors import about
from rssr.base.process import run
from rssr.plan import arguments as from_json
from rssr.plan.artifacts import model_of
from rssr.steps.weights import load


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=from_json.entry, required=True, help="configuration entry as JSON")
    parser.add_argument("--downloads", type=Path, required=True, help="folder for downloaded files")
    parser.add_argument("--weights", type=Path, required=True, help="safetensors file; .json is put beside it")
    arguments = parser.parse_args()
    with about(f"models.{model_of(arguments.weights)}"):
        load(arguments.model, arguments.downloads, arguments.weights)


run(main)
