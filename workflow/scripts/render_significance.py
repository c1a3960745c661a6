"""Render the comparison of every method with a reference method as CSV, Markdown and LaTeX."""

import argparse
import json
from pathlib import Path

import pandas as pd

from rssr.base.process import run
from rssr.render.tables.quality import significance


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=json.loads, required=True, help="model -> label and notes, as JSON")
    parser.add_argument("--scores", nargs="+", type=Path, required=True, help="CSV files in the models' order")
    parser.add_argument("--reference", required=True, help="the model that the others are compared with")
    parser.add_argument("--title", required=True)
    parser.add_argument("--statistics", type=json.loads, required=True, help="configuration entry as JSON")
    parser.add_argument("--out", type=Path, required=True, help="stem of the files")
    arguments = parser.parse_args()
    scores = {name: pd.read_csv(path) for name, path in zip(arguments.models, arguments.scores, strict=True)}
    table = significance(scores, arguments.models, arguments.title, arguments.statistics, arguments.reference)
    table.write(arguments.out)


run(main)
