"""Draw the qualitative page of one test set: crops where the methods differ most, or the configured crops."""

from pathlib import Path

from rssr.base.process import run
from rssr.plan import arguments as from_json
from rssr.plan.artifacts import by_model
from rssr.render import options
from rssr.render.figures.images import qualitative
from rssr.render.figures.samples import samples
from rssr.render.figures.style import save
from rssr.render.scores import read_scores


def main() -> None:
    """Parse the arguments and call the library."""
    parser = options.parser(__doc__, "--models", "--scores", "--metric", "--out")
    parser.add_argument("--srs", nargs="+", type=Path, required=True, help="manifests of SR images, one per model")
    parser.add_argument("--hr", type=Path, required=True, help="manifest of the HR images")
    parser.add_argument("--lr", type=Path, required=True, help="manifest of the LR images")
    parser.add_argument("--images", type=int, required=True, help="how many")
    parser.add_argument("--side", type=int, required=True, help="of the crops, in HR pixels")
    parser.add_argument("--crops", type=from_json.entry, default=[], help="`image` and `square` of crops instead")
    arguments = parser.parse_args()
    scores = [read_scores(path)[arguments.metric] for path in arguments.scores]
    asked = (arguments.crops, arguments.images, arguments.side)
    shown = samples(arguments.hr, arguments.lr, by_model(arguments.srs), scores, *asked)
    save(qualitative(shown, arguments.models), arguments.out)


run(main)
