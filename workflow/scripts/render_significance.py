"""Render the comparison of every method with a reference method on one test set."""

from rssr.base.process import run
from rssr.plan.artifacts import by_model
from rssr.render import options
from rssr.render.scores import absent, read_replicates, read_scores
from rssr.render.tables.quality import not_computed, significance


def main() -> None:
    """Parse the arguments and call the library."""
    arguments = options.parser(
        __doc__, "--models", "--scores", "--records", "--reference", "--test-set", "--statistics", "--out"
    ).parse_args()
    scores = {name: read_scores(path) for name, path in by_model(arguments.scores).items()}
    replicates = {name: read_replicates(path) for name, path in by_model(arguments.scores).items()}
    table = significance(
        scores, arguments.models, arguments.test_set, arguments.statistics, arguments.reference, replicates
    )
    table.notes += not_computed(absent(arguments.records))
    table.write(arguments.out)


run(main)
