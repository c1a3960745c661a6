"""Render the complexity table as CSV, Markdown and LaTeX."""

import argparse
import json
from pathlib import Path

from rssr.base.process import run
from rssr.base.files import read_json
from rssr.render.tables.cost import complexity


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=json.loads, required=True, help="model -> label and notes, as JSON")
    parser.add_argument("--profiles", nargs="+", type=Path, required=True, help="JSON files in the models' order")
    parser.add_argument("--reference", required=True, help="the model whose latency the others' are compared with")
    parser.add_argument("--out", type=Path, required=True, help="stem of the files")
    arguments = parser.parse_args()
    profiles = {name: read_json(path) for name, path in zip(arguments.models, arguments.profiles, strict=True)}
    complexity(profiles, arguments.models, arguments.reference).write(arguments.out)


run(main)
