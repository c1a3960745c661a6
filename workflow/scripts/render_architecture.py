"""Draw the architecture of a LSTMConvSR from its entry in the configuration."""

from rssr.base.process import run
from rssr.models.registry import build
from rssr.plan import arguments as from_json
from rssr.render import options
from rssr.render.figures.architecture import architecture
from rssr.render.figures.style import save
from rssr.steps.architecture import describe
from rssr.steps.inside import dissected


def main() -> None:
    """Parse the arguments and call the library."""
    parser = options.parser(__doc__, "--label", "--out")
    parser.add_argument("--model", type=from_json.entry, required=True, help="configuration entry as JSON")
    arguments = parser.parse_args()
    save(architecture(describe(dissected(build(arguments.model))), arguments.label), arguments.out)


run(main)
