"""Render a finished run as a page that opens from disk: results/report/index.html and the folder files/ beside it."""

from pathlib import Path

from rssr.base.files import read_json
from rssr.base.process import run
from rssr.render import options
from rssr.render.report.page import write_report
from rssr.render.report.results import Run


def main() -> None:
    """Parse the arguments and call the library."""
    parser = options.parser(__doc__, "--record", "--test-sets", "--options", "--captions")
    parser.add_argument("--images", type=int, help="shown images per test set; as configured by default")
    parser.add_argument("--out", type=Path, required=True, help="the folder")
    arguments = parser.parse_args()
    finished = Run(read_json(arguments.record), arguments.test_sets, arguments.captions, arguments.options)
    write_report(finished, arguments.out, arguments.images)


run(main)
