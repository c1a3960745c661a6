"""Render a finished run as a page that opens from disk: results/report/index.html and the folder files/ beside it."""

import argparse
from pathlib import Path

from rssr.base.files import read_json
from rssr.base.process import run
from rssr.plan import arguments as given
from rssr.render.report.page import write_report
from rssr.render.report.results import Run


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", type=Path, required=True, help="results/provenance.json")
    parser.add_argument("--test-sets", type=given.test_sets, required=True, help="as JSON")
    parser.add_argument("--options", type=given.entry, default=[], help="of this run's commands, as a JSON list")
    parser.add_argument("--captions", nargs="+", type=Path, required=True, help="workflow/report/{kind}.rst")
    parser.add_argument("--images", type=int, help="shown images per test set; as configured by default")
    parser.add_argument("--out", type=Path, required=True, help="the folder")
    arguments = parser.parse_args()
    captions = {path.stem: path for path in arguments.captions}
    finished = Run(read_json(arguments.record), arguments.test_sets, captions, arguments.options)
    write_report(finished, arguments.out, arguments.images)


run(main)
