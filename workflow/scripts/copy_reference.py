"""Copy what the repository keeps of a finished run, with a small report where its images may be redistributed."""

import shutil
from pathlib import Path

from rssr.base.files import read_json
from rssr.base.process import run
from rssr.render import options
from rssr.render.report.page import write_report
from rssr.render.report.results import Run

IMAGES = 3  # of a test set


def main() -> None:
    """Parse the arguments and call the library."""
    parser = options.parser(__doc__, "--record", "--test-sets", "--options", "--captions")
    parser.add_argument("--files", nargs="+", type=Path, required=True, help="what is copied, below results/")
    parser.add_argument("--out", type=Path, required=True, help="the folder")
    arguments = parser.parse_args()
    for path in arguments.files:
        copy = arguments.out / path.relative_to("results")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    if all(test.redistributable for test in arguments.test_sets):
        finished = Run(read_json(arguments.record), arguments.test_sets, arguments.captions, arguments.options)
        write_report(finished, arguments.out / "report", IMAGES)


run(main)
