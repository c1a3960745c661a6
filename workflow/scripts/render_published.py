"""Render published values beside the measured ones as CSV, Markdown and LaTeX."""

import argparse
import json
from pathlib import Path

import pandas as pd

from rssr.base.process import run
from rssr.config.literature import for_table
from rssr.render.tables.protocol import published_against_measured


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=json.loads, required=True, help="model -> label and notes, as JSON")
    parser.add_argument("--qualities", nargs="+", type=Path, required=True, help="CSV files of the quality tables")
    parser.add_argument("--sets", type=json.loads, required=True, help="what each of them is of, in order, as JSON")
    parser.add_argument("--published", type=Path, required=True, help="config/published.yaml")
    parser.add_argument("--out", type=Path, required=True, help="stem of the files")
    arguments = parser.parse_args()
    qualities = [pd.read_csv(path) for path in arguments.qualities]
    values = []
    for shown, quality in zip(arguments.sets, qualities, strict=True):
        measured = shown["protocol"]["measured"] | {"images": int(quality["images"][0])}
        values.append(for_table(arguments.published, shown["protocol"]["dataset"], measured))
    published_against_measured(qualities, arguments.sets, values, arguments.models).write(arguments.out)


run(main)
