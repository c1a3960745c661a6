"""Render a finished run as a page that opens from disk: results/report/index.html and the folder files/ beside it."""

import argparse
import json
from pathlib import Path

from rssr.base.process import run
from rssr.base.files import read_json
from rssr.render.report.page import write_report
from rssr.render.report.results import Run


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", type=Path, required=True, help="results/provenance.json")
    parser.add_argument("--sets", type=json.loads, required=True, help="what was tested on, as JSON")
    parser.add_argument("--options", type=json.loads, default=[], help="of this run's commands, as a JSON list")
    parser.add_argument("--captions", nargs="+", type=Path, required=True, help="workflow/report/*.rst")
    parser.add_argument("--images", type=int, help="of a test set that are shown; by default as configured")
    parser.add_argument("--out", type=Path, required=True, help="the folder")
    arguments = parser.parse_args()
    finished = Run(read_json(arguments.record), arguments.sets, arguments.captions, arguments.options)
    write_report(finished, arguments.out, arguments.images)


run(main)
