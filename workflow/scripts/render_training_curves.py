"""Draw loss and learning rate of the networks that were trained on one data set."""

from pathlib import Path

from rssr.base.process import run
from rssr.plan.artifacts import artifact_at
from rssr.render import options
from rssr.render.figures.style import save
from rssr.render.figures.training import training_curves
from rssr.render.scores import read_measured


def main() -> None:
    """Parse the arguments and call the library."""
    parser = options.parser(__doc__, "--models", "--out")
    parser.add_argument("--curves", nargs="+", type=Path, required=True, help="CSV files, one per replicate")
    arguments = parser.parse_args()
    curves = [(artifact_at(path).model, read_measured(path)) for path in arguments.curves]
    save(training_curves(curves, arguments.models), arguments.out)


run(main)
