"""Draw time and memory of the mLSTM cell against the number of tokens."""

import argparse
from pathlib import Path

import pandas as pd

from rssr.base.process import run
from rssr.render.figures.cost import mlstm_growth
from rssr.render.figures.style import save


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measured", type=Path, required=True, help="CSV of benchmarks/mlstm.py")
    parser.add_argument("--out", type=Path, required=True, help="stem of the files")
    arguments = parser.parse_args()
    save(mlstm_growth(pd.read_csv(arguments.measured)), arguments.out)


run(main)
