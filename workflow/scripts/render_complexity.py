"""Render the complexity table."""

import argparse
from pathlib import Path

from rssr.base.files import read_json
from rssr.base.process import run
from rssr.plan import arguments as given
from rssr.plan.artifacts import by_model
from rssr.render.tables.cost import complexity


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=given.entry, required=True, help="model -> label and notes, as JSON")
    parser.add_argument("--profiles", nargs="+", type=Path, required=True, help="JSON files, one per model")
    parser.add_argument("--reference", required=True, help="model that the others are compared with")
    parser.add_argument("--notes", nargs="*", default=[], help="further notes below the table")
    parser.add_argument("--out", type=Path, required=True, help="path of the files without suffix")
    arguments = parser.parse_args()
    profiles = {name: read_json(path) for name, path in by_model(arguments.profiles).items()}
    table = complexity(profiles, arguments.models, arguments.reference)
    table.notes += arguments.notes
    table.write(arguments.out)


run(main)
