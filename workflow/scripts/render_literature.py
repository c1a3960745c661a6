"""Render literature values beside the measured ones."""

from rssr.base.process import run
from rssr.plan.artifacts import artifact_at
from rssr.render import options
from rssr.render.literature import for_test_set
from rssr.render.scores import read_numbers
from rssr.render.tables.protocol import literature_against_measured


def main() -> None:
    """Parse the arguments and call the library."""
    arguments = options.parser(__doc__, "--models", "--qualities", "--test-sets", "--literature", "--out").parse_args()
    qualities = {artifact_at(path).test: read_numbers(path) for path in arguments.qualities}
    values = {}
    for test in arguments.test_sets:
        images = int(qualities[test.identity]["images"][0])
        values[test.identity] = for_test_set(arguments.literature, test, images)
    literature_against_measured(qualities, arguments.test_sets, values, arguments.models).write(arguments.out)


run(main)
