"""Draw the quality of the methods on one test set against their cost."""

import argparse
from pathlib import Path

import pandas as pd

from rssr.base.files import read_json
from rssr.base.process import run
from rssr.plan import arguments as given
from rssr.plan.artifacts import by_model
from rssr.render.figures.cost import quality_cost
from rssr.render.figures.style import save


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=given.entry, required=True, help="model -> label and notes, as JSON")
    parser.add_argument("--quality", type=Path, required=True, help="CSV of the quality table")
    parser.add_argument("--profiles", nargs="+", type=Path, required=True, help="JSON files, one per model")
    parser.add_argument("--metric", required=True)
    parser.add_argument("--out", type=Path, required=True, help="path of the files without suffix")
    arguments = parser.parse_args()
    profiles = {name: read_json(path) for name, path in by_model(arguments.profiles).items()}
    save(quality_cost(pd.read_csv(arguments.quality), profiles, arguments.models, arguments.metric), arguments.out)


run(main)
