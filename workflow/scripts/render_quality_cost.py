"""Draw the quality of the methods on one test set against their cost."""

from pathlib import Path

from rssr.base.files import read_json
from rssr.base.process import run
from rssr.plan.artifacts import by_model
from rssr.render import options
from rssr.render.figures.cost import quality_cost
from rssr.render.figures.style import save
from rssr.render.scores import read_numbers


def main() -> None:
    """Parse the arguments and call the library."""
    parser = options.parser(__doc__, "--models", "--profiles", "--metric", "--out")
    parser.add_argument("--quality", type=Path, required=True, help="CSV of the quality table")
    arguments = parser.parse_args()
    profiles = {name: read_json(path) for name, path in by_model(arguments.profiles).items()}
    save(quality_cost(read_numbers(arguments.quality), profiles, arguments.models, arguments.metric), arguments.out)


run(main)
