"""Render the cost of training."""

from pathlib import Path

from rssr.base.files import read_json
from rssr.base.process import run
from rssr.plan import arguments as from_json
from rssr.plan.artifacts import artifact_at
from rssr.render import options
from rssr.render.tables.training import training


def main() -> None:
    """Parse the arguments and call the library."""
    parser = options.parser(__doc__, "--models", "--out")
    parser.add_argument("--records", nargs="+", type=Path, required=True, help="JSON files, one per weights file")
    parser.add_argument("--data-sets", type=from_json.entry, required=True, help="data set -> label, as JSON")
    arguments = parser.parse_args()
    records = [(artifact_at(path), read_json(path)) for path in arguments.records]
    training(records, arguments.models, arguments.data_sets).write(arguments.out)


run(main)
