"""Draw the feature maps inside one neural block of a LSTMConvSR."""

from pathlib import Path

from rssr.base.process import run
from rssr.render import options
from rssr.render.figures.networks import feature_maps
from rssr.render.figures.style import save
from rssr.steps.inside import read_arrays


def main() -> None:
    """Parse the arguments and call the library."""
    parser = options.parser(__doc__, "--label", "--analysis", "--out")
    parser.add_argument("--measured", type=Path, required=True, help="npz file")
    arguments = parser.parse_args()
    save(feature_maps(read_arrays(arguments.measured), arguments.analysis["channels"], arguments.label), arguments.out)


run(main)
