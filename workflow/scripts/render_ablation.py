"""Render what the parts of a network cost and bring as CSV, Markdown and LaTeX."""

import argparse
import json
from pathlib import Path

import pandas as pd

from rssr.base.process import run
from rssr.base.files import read_json
from rssr.render.tables.cost import ablation


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=json.loads, required=True, help="model -> label and notes, as JSON")
    parser.add_argument("--shown", nargs="+", required=True, help="the full network, then its variants")
    parser.add_argument("--profiles", nargs="+", type=Path, required=True, help="JSON files in the order of --shown")
    parser.add_argument("--qualities", nargs="+", type=Path, required=True, help="CSV files of the quality tables")
    parser.add_argument("--sets", type=json.loads, required=True, help="what each of them is of, in order, as JSON")
    parser.add_argument("--metrics", nargs="+", required=True, help="what to show of them")
    parser.add_argument("--out", type=Path, required=True, help="stem of the files")
    arguments = parser.parse_args()
    profiles = {name: read_json(path) for name, path in zip(arguments.shown, arguments.profiles, strict=True)}
    qualities = [pd.read_csv(path) for path in arguments.qualities]
    ablation(profiles, arguments.models, qualities, arguments.sets, arguments.metrics).write(arguments.out)


run(main)
