"""Render the audit of the measuring protocol on one test set."""

from pathlib import Path

from rssr.base.files import read_csv, read_json
from rssr.base.process import run
from rssr.plan.artifacts import by_model
from rssr.render import options
from rssr.render.literature import for_test_set
from rssr.render.scores import read_measured
from rssr.render.tables.protocol import audit


def main() -> None:
    """Parse the arguments and call the library."""
    parser = options.parser(__doc__, "--models", "--records", "--hr-manifest", "--literature", "--test-set", "--out")
    parser.add_argument("--measured", nargs="+", type=Path, required=True, help="CSV files, one per model")
    arguments = parser.parse_args()
    measured = {name: read_measured(path) for name, path in by_model(arguments.measured).items()}
    images = len(read_json(arguments.records[0])["images"])
    of = len(read_csv(arguments.hr_manifest))
    literature = for_test_set(arguments.literature, arguments.test_set, images)
    audit(measured, arguments.models, arguments.test_set, images, of, literature).write(arguments.out)


run(main)
