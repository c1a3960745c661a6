"""Render literature values beside the measured ones."""

import argparse
from pathlib import Path

import pandas as pd

from rssr.base.process import run
from rssr.plan import arguments as given
from rssr.plan.artifacts import artifact_at
from rssr.render.literature import for_test_set
from rssr.render.tables.protocol import literature_against_measured


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=given.entry, required=True, help="model -> label and notes, as JSON")
    parser.add_argument("--qualities", nargs="+", type=Path, required=True, help="CSV files of the quality tables")
    parser.add_argument("--test-sets", type=given.test_sets, required=True, help="as JSON")
    parser.add_argument("--literature", type=Path, required=True, help="config/literature.yaml")
    parser.add_argument("--out", type=Path, required=True, help="path of the files without suffix")
    arguments = parser.parse_args()
    qualities = {artifact_at(path).test: pd.read_csv(path) for path in arguments.qualities}
    values = {}
    for test in arguments.test_sets:
        images = int(qualities[test.identity]["images"][0])
        values[test.identity] = for_test_set(arguments.literature, test, images)
    literature_against_measured(qualities, arguments.test_sets, values, arguments.models).write(arguments.out)


run(main)
