"""Print what of each data set is on this machine, what is missing and what to do."""

import argparse
import sys
from pathlib import Path

import pandas as pd

from rssr.base.process import run
from rssr.plan import arguments as from_json
from rssr.steps.data_status import data_status


def main() -> None:
    """Parse the arguments and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=from_json.entry, required=True, help="entries by name, as JSON")
    parser.add_argument("--downloads", type=Path, default=Path("downloads"))
    arguments = parser.parse_args()
    rows = data_status(arguments.datasets, arguments.downloads)
    sys.stdout.write(pd.DataFrame(rows).to_markdown(index=False) + "\n")


run(main)
