"""Render what training took as CSV, Markdown and LaTeX."""

import argparse
import json
from pathlib import Path

from rssr.base.process import run
from rssr.base.files import read_json
from rssr.render.tables.training import training


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=json.loads, required=True, help="model -> label and notes, as JSON")
    parser.add_argument("--records", nargs="+", type=Path, required=True, help="results/weights/{model}/{dataset}.json")
    parser.add_argument("--set-names", type=json.loads, required=True, help="data set -> its name in tables, as JSON")
    parser.add_argument("--out", type=Path, required=True, help="stem of the files")
    arguments = parser.parse_args()
    records = [(path.parent.name, read_json(path)) for path in arguments.records]
    training(records, arguments.models, arguments.set_names).write(arguments.out)


run(main)
