"""Draw the audit of the measuring protocol of one model on one test set."""

from pathlib import Path

from rssr.base.files import read_json
from rssr.base.process import run
from rssr.metrics.protocol import CHOICES
from rssr.render import options
from rssr.render.figures.protocol import protocol_heat_map
from rssr.render.figures.style import save
from rssr.render.scores import read_measured
from rssr.render.titles import audited


def main() -> None:
    """Parse the arguments and call the library."""
    parser = options.parser(__doc__, "--label", "--test-set", "--out")
    parser.add_argument("--measured", type=Path, required=True, help="CSV file")
    parser.add_argument("--record", type=Path, required=True, help="JSON file")
    arguments = parser.parse_args()
    measured = read_measured(arguments.measured)
    images = len(read_json(arguments.record)["images"])
    heading = audited(arguments.label, arguments.test_set, images)
    save(protocol_heat_map(measured, CHOICES, heading), arguments.out)


run(main)
