"""Draw the share of images of one test set on which each method is better than each other one."""

from rssr.base.process import run
from rssr.plan.artifacts import by_model
from rssr.render import options
from rssr.render.figures.scores import win_rate
from rssr.render.figures.style import save
from rssr.render.scores import read_scores


def main() -> None:
    """Parse the arguments and call the library."""
    arguments = options.parser(__doc__, "--models", "--scores", "--metric", "--out").parse_args()
    scores = {name: read_scores(path) for name, path in by_model(arguments.scores).items()}
    save(win_rate(scores, arguments.models, arguments.metric), arguments.out)


run(main)
