"""Draw the architecture of a LSTMConvSR from its entry in the configuration."""

import argparse
from pathlib import Path

from rssr.base.process import run
from rssr.models.registry import build
from rssr.plan import arguments as given
from rssr.render.figures.architecture import architecture
from rssr.render.figures.style import save
from rssr.steps.architecture import describe
from rssr.steps.inside import dissected


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--label", required=True)
    parser.add_argument("--model", type=given.entry, required=True, help="configuration entry as JSON")
    parser.add_argument("--out", type=Path, required=True, help="stem of the files")
    arguments = parser.parse_args()
    save(architecture(describe(dissected(build(arguments.model))), arguments.label), arguments.out)


run(main)
