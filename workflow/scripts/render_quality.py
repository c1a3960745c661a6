"""Render the quality table of one test set."""

import argparse
from pathlib import Path

from rssr.base.process import run
from rssr.plan import arguments as given
from rssr.plan.artifacts import by_model
from rssr.render.literature import for_test_set
from rssr.render.scores import absent, read_replicates, read_scores
from rssr.render.tables.quality import not_computed, quality


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=given.entry, required=True, help="model -> label and notes, as JSON")
    parser.add_argument("--scores", nargs="+", type=Path, required=True, help="CSV files, one per model")
    parser.add_argument("--records", nargs="+", type=Path, required=True, help="JSON files, one per model")
    parser.add_argument("--literature", type=Path, required=True, help="config/literature.yaml")
    parser.add_argument("--test-set", type=given.test_set, required=True, help="as JSON")
    parser.add_argument("--statistics", type=given.entry, required=True, help="configuration entry as JSON")
    parser.add_argument("--notes", nargs="*", default=[], help="further notes below the table")
    parser.add_argument("--out", type=Path, required=True, help="path of the files without suffix")
    arguments = parser.parse_args()
    scores = {name: read_scores(path) for name, path in by_model(arguments.scores).items()}
    images = next(iter(scores.values()))["image"].nunique()
    literature = for_test_set(arguments.literature, arguments.test_set, images)
    replicates = {name: read_replicates(path) for name, path in by_model(arguments.scores).items()}
    table = quality(scores, arguments.models, arguments.test_set, arguments.statistics, replicates, literature)
    table.notes += not_computed(absent(arguments.records)) + arguments.notes
    table.write(arguments.out)


run(main)
