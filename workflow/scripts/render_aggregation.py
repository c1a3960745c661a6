"""Render how far the aggregation of scores, and the protocol, decide which method is best on one test set."""

from pathlib import Path

from rssr.base.process import run
from rssr.plan.artifacts import by_model
from rssr.render import options
from rssr.render.scores import read_measured, read_scores, repeated
from rssr.render.tables.aggregation import aggregation


def main() -> None:
    """Parse the arguments and call the library."""
    parser = options.parser(__doc__, "--models", "--scores", "--hr-manifest", "--test-set", "--out")
    parser.add_argument("--audits", nargs="*", type=Path, default=[], help="CSV files of the audit, one per model")
    arguments = parser.parse_args()
    test = arguments.test_set
    scores = {name: read_scores(path, test.unit) for name, path in by_model(arguments.scores).items()}
    audits = {name: read_measured(path) for name, path in by_model(arguments.audits).items()}
    shares = repeated(arguments.hr_manifest)
    aggregation(scores, arguments.models, test, shares, audits).write(arguments.out)


run(main)
