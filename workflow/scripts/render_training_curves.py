"""Draw loss and learning rate of the networks that were trained on one data set."""

import argparse
from pathlib import Path

import pandas as pd

from rssr.base.process import run
from rssr.plan import arguments as given
from rssr.plan.artifacts import artifact_at
from rssr.render.figures.style import save
from rssr.render.figures.training import training_curves


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=given.entry, required=True, help="model -> label and notes, as JSON")
    parser.add_argument("--curves", nargs="+", type=Path, required=True, help="CSV files, one per replicate")
    parser.add_argument("--out", type=Path, required=True, help="path of the files without suffix")
    arguments = parser.parse_args()
    curves = [(artifact_at(path).model, pd.read_csv(path)) for path in arguments.curves]
    save(training_curves(curves, arguments.models), arguments.out)


run(main)
