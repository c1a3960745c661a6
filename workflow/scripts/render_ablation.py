"""Render the cost and quality of a network and its variants."""

from rssr.base.files import read_json
from rssr.base.process import run
from rssr.plan.artifacts import artifact_at, by_model
from rssr.render import options
from rssr.render.scores import read_numbers
from rssr.render.tables.cost import ablation


def main() -> None:
    """Parse the arguments and call the library."""
    parser = options.parser(__doc__, "--models", "--profiles", "--qualities", "--test-sets", "--out")
    parser.add_argument("--full", required=True, help="the model that the others are variants of")
    parser.add_argument("--metrics", nargs="+", required=True, help="the columns of quality")
    arguments = parser.parse_args()
    profiles = {name: read_json(path) for name, path in by_model(arguments.profiles).items()}
    profiles = {arguments.full: profiles.pop(arguments.full), **profiles}
    qualities = {artifact_at(path).test: read_numbers(path) for path in arguments.qualities}
    ablation(profiles, arguments.models, qualities, arguments.test_sets, arguments.metrics).write(arguments.out)


run(main)
