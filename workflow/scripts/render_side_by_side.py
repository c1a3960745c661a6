"""Render the quality on all test sets side by side."""

from pathlib import Path

from rssr.base.process import run
from rssr.plan.artifacts import artifact_at
from rssr.render import options
from rssr.render.scores import absent, read_numbers
from rssr.render.tables.quality import side_by_side
from rssr.render.tables.scored import not_computed


def main() -> None:
    """Parse the arguments and call the library."""
    parser = options.parser(__doc__, "--models", "--qualities", "--test-sets", "--notes", "--out")
    parser.add_argument("--records", nargs="+", type=Path, required=True, help="JSON files of scores")
    arguments = parser.parse_args()
    qualities = {artifact_at(path).test: read_numbers(path) for path in arguments.qualities}
    table = side_by_side(qualities, arguments.test_sets, arguments.models)
    table.notes += not_computed(absent(arguments.records)) + arguments.notes
    table.write(arguments.out)


run(main)
