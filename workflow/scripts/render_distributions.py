"""Draw how the scores of the methods are distributed over the images of one test set."""

from rssr.base.process import run
from rssr.plan.artifacts import by_model
from rssr.render import options
from rssr.render.figures.scores import distributions
from rssr.render.figures.style import save
from rssr.render.scores import read_scores


def main() -> None:
    """Parse the arguments and call the library."""
    arguments = options.parser(__doc__, "--models", "--scores", "--reference", "--metric", "--out").parse_args()
    scores = {name: read_scores(path) for name, path in by_model(arguments.scores).items()}
    save(distributions(scores, arguments.models, arguments.reference, arguments.metric), arguments.out)


run(main)
