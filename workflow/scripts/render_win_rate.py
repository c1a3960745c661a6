"""Draw which method wins against which on one test set."""

import argparse
import json
from pathlib import Path

import pandas as pd

from rssr.base.process import run
from rssr.render.figures.scores import win_rate
from rssr.render.figures.style import save


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=json.loads, required=True, help="model -> label and notes, as JSON")
    parser.add_argument("--scores", nargs="+", type=Path, required=True, help="CSV files in the models' order")
    parser.add_argument("--metric", required=True)
    parser.add_argument("--out", type=Path, required=True, help="stem of the files")
    arguments = parser.parse_args()
    scores = dict(zip(arguments.models, map(pd.read_csv, arguments.scores), strict=True))
    save(win_rate(scores, arguments.models, arguments.metric), arguments.out)


run(main)
