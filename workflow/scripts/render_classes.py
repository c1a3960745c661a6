"""Render the quality table of one test set, class by class."""

from rssr.base.process import run
from rssr.plan.artifacts import by_model
from rssr.render import options
from rssr.render.scores import absent, read_replicates, read_scores
from rssr.render.tables.quality import classes
from rssr.render.tables.scored import not_computed


def main() -> None:
    """Parse the arguments and call the library."""
    arguments = options.parser(
        __doc__, "--models", "--scores", "--records", "--test-set", "--statistics", "--out"
    ).parse_args()
    unit = arguments.test_set.unit
    scores = {name: read_scores(path, unit) for name, path in by_model(arguments.scores).items()}
    replicates = {name: read_replicates(path) for name, path in by_model(arguments.scores).items()}
    table = classes(scores, arguments.models, arguments.test_set, arguments.statistics, replicates)
    table.notes += not_computed(absent(arguments.records))
    table.write(arguments.out)


run(main)
