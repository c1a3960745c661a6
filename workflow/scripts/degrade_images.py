"""Reduce the HR images of one split to LR and write the LR manifest."""

import argparse
from pathlib import Path

from rssr.base import devices
from rssr.base.files import sha256, write_json
from rssr.base.process import run
from rssr.base.provenance import made_by
from rssr.datasets.prepare import prepare_given, prepare_lr
from rssr.datasets.registry import build
from rssr.plan import arguments as from_json


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hr-dir", type=Path, required=True)
    parser.add_argument("--lr-dir", type=Path, required=True, help="where LR images and manifest go")
    parser.add_argument("--degradation", required=True)
    parser.add_argument("--steps", type=from_json.entry, help="what it does, as JSON; by default as its name says")
    parser.add_argument("--given", type=from_json.entry, help="data set whose LR images are cut instead, as JSON")
    parser.add_argument("--scale", type=int, required=True)
    parser.add_argument("--jobs", type=int, default=1, help="images that are reduced at the same time")
    devices.add_options(parser, gpu=False)
    arguments = parser.parse_args()
    devices.prepare(arguments)
    facts = made_by(hr_manifest_sha256=sha256(arguments.hr_dir / "manifest.csv"), degradation=arguments.degradation)
    write_json(arguments.lr_dir / "provenance.json", facts | {"steps": arguments.steps, "scale": arguments.scale})
    folders, steps = (arguments.hr_dir, arguments.lr_dir), arguments.steps or arguments.degradation
    if arguments.given:
        prepare_given(build(arguments.given), *folders, arguments.scale, arguments.jobs)
    else:
        prepare_lr(*folders, steps, arguments.scale, arguments.jobs)


run(main)
