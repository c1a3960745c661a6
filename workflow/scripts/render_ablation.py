"""Render the cost and quality of a network and its variants."""

import argparse
from pathlib import Path

import pandas as pd

from rssr.base.files import read_json
from rssr.base.process import run
from rssr.plan import arguments as given
from rssr.plan.artifacts import artifact_at, by_model
from rssr.render.tables.cost import ablation


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=given.entry, required=True, help="model -> label and notes, as JSON")
    parser.add_argument("--full", required=True, help="the model that the others are variants of")
    parser.add_argument("--profiles", nargs="+", type=Path, required=True, help="JSON files, one per model")
    parser.add_argument("--qualities", nargs="+", type=Path, required=True, help="CSV files of the quality tables")
    parser.add_argument("--test-sets", type=given.test_sets, required=True, help="as JSON")
    parser.add_argument("--metrics", nargs="+", required=True, help="the columns of quality")
    parser.add_argument("--out", type=Path, required=True, help="path of the files without suffix")
    arguments = parser.parse_args()
    profiles = {name: read_json(path) for name, path in by_model(arguments.profiles).items()}
    profiles = {arguments.full: profiles.pop(arguments.full), **profiles}
    qualities = {artifact_at(path).test: pd.read_csv(path) for path in arguments.qualities}
    ablation(profiles, arguments.models, qualities, arguments.test_sets, arguments.metrics).write(arguments.out)


run(main)
