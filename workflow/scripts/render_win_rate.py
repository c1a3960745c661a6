"""Draw the share of images of one test set on which each method is better than each other one."""

import argparse
from pathlib import Path

from rssr.base.process import run
from rssr.plan import arguments as given
from rssr.plan.artifacts import by_model
from rssr.render.figures.scores import win_rate
from rssr.render.figures.style import save
from rssr.render.scores import read_scores


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=given.entry, required=True, help="model -> label and notes, as JSON")
    parser.add_argument("--scores", nargs="+", type=Path, required=True, help="CSV files, one per model")
    parser.add_argument("--metric", required=True)
    parser.add_argument("--out", type=Path, required=True, help="path of the files without suffix")
    arguments = parser.parse_args()
    scores = {name: read_scores(path) for name, path in by_model(arguments.scores).items()}
    save(win_rate(scores, arguments.models, arguments.metric), arguments.out)


run(main)
