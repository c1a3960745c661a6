"""Draw the power spectra of the methods on one test set."""

from pathlib import Path

from rssr.base.process import run
from rssr.plan.artifacts import by_model
from rssr.render import options
from rssr.render.figures.spectra import spectra
from rssr.render.figures.style import save
from rssr.render.scores import read_measured


def main() -> None:
    """Parse the arguments and call the library."""
    parser = options.parser(__doc__, "--models", "--scale", "--out")
    parser.add_argument("--spectra", nargs="+", type=Path, required=True, help="CSV files, one per model")
    arguments = parser.parse_args()
    measured = {name: read_measured(path) for name, path in by_model(arguments.spectra).items()}
    save(spectra(measured, arguments.models, arguments.scale), arguments.out)


run(main)
