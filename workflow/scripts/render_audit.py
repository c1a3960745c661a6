"""Render the audit of the measuring protocol on one test set: a table, and a heat map for each model."""

import argparse
import json
from pathlib import Path

import pandas as pd

from rssr.base.process import run
from rssr.base.files import read_json
from rssr.config.literature import for_table
from rssr.render.figures.protocol import protocol_heat_map
from rssr.render.figures.style import save
from rssr.render.tables.protocol import audit
from rssr.steps.audit import CHOICES


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=json.loads, required=True, help="model -> label and notes, as JSON")
    parser.add_argument("--measured", nargs="+", type=Path, required=True, help="results/audit/{dataset}/{model}.csv")
    parser.add_argument("--published", type=Path, required=True, help="config/published.yaml")
    parser.add_argument(
        "--protocol", type=json.loads, required=True, help="`dataset` and how it is `measured`, as JSON"
    )
    parser.add_argument("--title", required=True)
    parser.add_argument("--table", type=Path, required=True, help="stem of the table's files")
    parser.add_argument("--figures", type=Path, required=True, help="stem of the figures' files; _{model} is added")
    arguments = parser.parse_args()
    measured = {path.stem: pd.read_csv(path, dtype={"crop": str}) for path in arguments.measured}
    images = len(read_json(arguments.measured[0].with_suffix(".json"))["images"])
    protocol = arguments.protocol["measured"] | {"images": images}
    published = for_table(arguments.published, arguments.protocol["dataset"], protocol)
    title = f"{arguments.title}, {images} images"
    audit(measured, arguments.models, title, published).write(arguments.table)
    for name, frame in measured.items():
        figure = protocol_heat_map(frame, CHOICES, f"{arguments.models[name]['label']} on {title}")
        save(figure, arguments.figures.with_name(f"{arguments.figures.name}_{name}"))


run(main)
