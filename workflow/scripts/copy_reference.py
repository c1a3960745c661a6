"""Copy what the repository keeps of a finished run, with a small report where its images may be redistributed."""

import argparse
import shutil
from pathlib import Path

from rssr.base.files import read_json
from rssr.base.process import run
from rssr.plan import arguments as given
from rssr.render.report.page import write_report
from rssr.render.report.results import Run

IMAGES = 3  # of a test set


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", nargs="+", type=Path, required=True, help="what is copied, below results/")
    parser.add_argument("--record", type=Path, required=True, help="results/provenance.json")
    parser.add_argument("--test-sets", type=given.test_sets, required=True, help="as JSON")
    parser.add_argument("--options", type=given.entry, default=[], help="of this run's commands, as a JSON list")
    parser.add_argument("--captions", nargs="+", type=Path, required=True, help="workflow/report/{kind}.rst")
    parser.add_argument("--out", type=Path, required=True, help="the folder")
    arguments = parser.parse_args()
    for path in arguments.files:
        copy = arguments.out / path.relative_to("results")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    if all(test.redistributable for test in arguments.test_sets):
        captions = {path.stem: path for path in arguments.captions}
        finished = Run(read_json(arguments.record), arguments.test_sets, captions, arguments.options)
        write_report(finished, arguments.out / "report", IMAGES)


run(main)
