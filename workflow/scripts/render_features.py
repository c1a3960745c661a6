"""Draw the feature maps inside one neural block of a LSTMConvSR."""

import argparse
from pathlib import Path

from rssr.base.process import run
from rssr.plan import arguments as given
from rssr.render.figures.networks import feature_maps
from rssr.render.figures.style import save
from rssr.steps.inside import read_arrays


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--label", required=True)
    parser.add_argument("--measured", type=Path, required=True, help="npz file")
    parser.add_argument("--analysis", type=given.entry, required=True, help="the configuration's block as JSON")
    parser.add_argument("--out", type=Path, required=True, help="stem of the files")
    arguments = parser.parse_args()
    save(feature_maps(read_arrays(arguments.measured), arguments.analysis["channels"], arguments.label), arguments.out)


run(main)
