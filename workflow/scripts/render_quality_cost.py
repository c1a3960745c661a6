"""Draw quality against cost for one test set."""

import argparse
import json
from pathlib import Path

import pandas as pd

from rssr.base.process import run
from rssr.base.files import read_json
from rssr.render.figures.cost import quality_cost
from rssr.render.figures.style import save


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=json.loads, required=True, help="model -> label and notes, as JSON")
    parser.add_argument("--quality", type=Path, required=True, help="CSV of the quality table")
    parser.add_argument("--profiles", nargs="+", type=Path, required=True, help="JSON files in the models' order")
    parser.add_argument("--metric", required=True)
    parser.add_argument("--out", type=Path, required=True, help="stem of the files")
    arguments = parser.parse_args()
    profiles = {name: read_json(path) for name, path in zip(arguments.models, arguments.profiles, strict=True)}
    save(quality_cost(pd.read_csv(arguments.quality), profiles, arguments.models, arguments.metric), arguments.out)


run(main)
