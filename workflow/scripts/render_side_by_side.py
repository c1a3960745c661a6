"""Render the quality on all test sets side by side."""

import argparse
from pathlib import Path

import pandas as pd

from rssr.base.process import run
from rssr.plan import arguments as given
from rssr.plan.artifacts import artifact_at
from rssr.render.scores import absent
from rssr.render.tables.quality import not_computed, side_by_side


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=given.entry, required=True, help="model -> label and notes, as JSON")
    parser.add_argument("--qualities", nargs="+", type=Path, required=True, help="CSV files of the quality tables")
    parser.add_argument("--records", nargs="+", type=Path, required=True, help="JSON files of scores")
    parser.add_argument("--test-sets", type=given.test_sets, required=True, help="as JSON")
    parser.add_argument("--out", type=Path, required=True, help="path of the files without suffix")
    arguments = parser.parse_args()
    qualities = {artifact_at(path).test: pd.read_csv(path) for path in arguments.qualities}
    table = side_by_side(qualities, arguments.test_sets, arguments.models)
    table.notes += not_computed(absent(arguments.records))
    table.write(arguments.out)


run(main)
