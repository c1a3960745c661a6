"""Render the quality on all test sets side by side as CSV, Markdown and LaTeX."""

import argparse
import json
from pathlib import Path

import pandas as pd

from rssr.base.process import run
from rssr.render.tables.quality import side_by_side


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=json.loads, required=True, help="model -> label and notes, as JSON")
    parser.add_argument("--qualities", nargs="+", type=Path, required=True, help="CSV files of the quality tables")
    parser.add_argument("--sets", type=json.loads, required=True, help="what each of them is of, in order, as JSON")
    parser.add_argument("--out", type=Path, required=True, help="stem of the files")
    arguments = parser.parse_args()
    qualities = [pd.read_csv(path) for path in arguments.qualities]
    side_by_side(qualities, arguments.sets, arguments.models).write(arguments.out)


run(main)
