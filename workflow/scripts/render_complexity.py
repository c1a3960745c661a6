"""Render the complexity table."""

from rssr.base.files import read_json
from rssr.base.process import run
from rssr.plan.artifacts import by_model
from rssr.render import options
from rssr.render.tables.cost import complexity


def main() -> None:
    """Parse the arguments and call the library."""
    arguments = options.parser(__doc__, "--models", "--profiles", "--reference", "--notes", "--out").parse_args()
    profiles = {name: read_json(path) for name, path in by_model(arguments.profiles).items()}
    table = complexity(profiles, arguments.models, arguments.reference)
    table.notes += arguments.notes
    table.write(arguments.out)


run(main)
