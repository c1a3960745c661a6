"""Render the quality table of one test set, class by class, as CSV, Markdown and LaTeX."""

import argparse
import json
from pathlib import Path

import pandas as pd

from rssr.base.process import run
from rssr.base.files import read_json
from rssr.render.tables.quality import classes, not_computed


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=json.loads, required=True, help="model -> label and notes, as JSON")
    parser.add_argument("--scores", nargs="+", type=Path, required=True, help="CSV files in the models' order")
    parser.add_argument("--pattern", required=True, help="regular expression whose group is the class of an image")
    parser.add_argument("--title", required=True)
    parser.add_argument("--statistics", type=json.loads, required=True, help="configuration entry as JSON")
    parser.add_argument("--out", type=Path, required=True, help="stem of the files")
    arguments = parser.parse_args()
    scores = {name: pd.read_csv(path) for name, path in zip(arguments.models, arguments.scores, strict=True)}
    facts = read_json(arguments.scores[0].with_suffix(".json"))
    table = classes(scores, arguments.models, arguments.title, arguments.statistics, arguments.pattern)
    table.notes += not_computed(facts["absent"])
    table.write(arguments.out)


run(main)
