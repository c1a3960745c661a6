"""Draw loss and learning rate of the networks that were trained on one data set."""

import argparse
import json
from pathlib import Path

import pandas as pd

from rssr.base.process import run
from rssr.render.figures.style import save
from rssr.render.figures.training import training_curves


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=json.loads, required=True, help="model -> label and notes, as JSON")
    parser.add_argument("--curves", nargs="+", type=Path, required=True, help="results/weights/{model}/{dataset}.csv")
    parser.add_argument("--out", type=Path, required=True, help="stem of the files")
    arguments = parser.parse_args()
    curves = {path.parent.name: pd.read_csv(path) for path in arguments.curves}
    save(training_curves(curves, arguments.models), arguments.out)


run(main)
