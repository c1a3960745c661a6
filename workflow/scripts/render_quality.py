"""Render the quality table of one test set as CSV, Markdown and LaTeX."""

import argparse
import json
from pathlib import Path

import pandas as pd

from rssr.base.process import run
from rssr.base.files import read_json
from rssr.config.literature import for_table
from rssr.render.tables.quality import not_computed, quality


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=json.loads, required=True, help="model -> label and notes, as JSON")
    parser.add_argument("--scores", nargs="+", type=Path, required=True, help="CSV files in the models' order")
    parser.add_argument("--published", type=Path, required=True, help="config/published.yaml")
    parser.add_argument(
        "--protocol", type=json.loads, required=True, help="`dataset` and how it is `measured`, as JSON"
    )
    parser.add_argument("--title", required=True)
    parser.add_argument("--statistics", type=json.loads, required=True, help="configuration entry as JSON")
    parser.add_argument("--out", type=Path, required=True, help="stem of the files")
    arguments = parser.parse_args()
    scores = {name: pd.read_csv(path) for name, path in zip(arguments.models, arguments.scores, strict=True)}
    all_facts = {
        name: read_json(path.with_suffix(".json"))
        for name, path in zip(arguments.models, arguments.scores, strict=True)
    }
    facts = next(iter(all_facts.values()))
    draws = {name: facts["draws"] for name, facts in all_facts.items()}
    measured = arguments.protocol["measured"] | {"images": len(next(iter(scores.values())))}
    published = for_table(arguments.published, arguments.protocol["dataset"], measured)
    table = quality(scores, arguments.models, arguments.title, arguments.statistics, draws, published)
    table.notes += not_computed(facts["absent"])
    table.write(arguments.out)


run(main)
