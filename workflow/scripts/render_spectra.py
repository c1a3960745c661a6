"""Draw the radial power spectra of HR and SR of one test set."""

import argparse
import json
from pathlib import Path

import pandas as pd

from rssr.base.process import run
from rssr.render.figures.spectra import spectra
from rssr.render.figures.style import save


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=json.loads, required=True, help="model -> label and notes, as JSON")
    parser.add_argument("--spectra", nargs="+", type=Path, required=True, help="CSV files in the models' order")
    parser.add_argument("--scale", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="stem of the files")
    arguments = parser.parse_args()
    measured = dict(zip(arguments.models, map(pd.read_csv, arguments.spectra), strict=True))
    save(spectra(measured, arguments.models, arguments.scale), arguments.out)


run(main)
