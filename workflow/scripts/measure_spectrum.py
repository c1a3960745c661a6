"""Measure the radial power spectra of SR images of one model and of their HR images."""

import argparse
from pathlib import Path

from rssr.base.files import write_csv
from rssr.base.process import run
from rssr.steps.spectra import mean_spectra


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sr-dir", type=Path, required=True)
    parser.add_argument("--hr-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="CSV file")
    arguments = parser.parse_args()
    write_csv(arguments.out, mean_spectra(arguments.sr_dir, arguments.hr_dir))


run(main)
