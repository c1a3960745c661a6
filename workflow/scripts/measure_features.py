"""Measure the feature maps inside one neural block of a LSTMConvSR on one image."""

import argparse
from pathlib import Path

from rssr.base import devices
from rssr.base.files import read_csv
from rssr.base.process import run
from rssr.models.registry import build, with_weights
from rssr.plan import arguments as from_json
from rssr.steps.inside import dissected, feature_maps, lr_image, write_arrays


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=from_json.entry, required=True, help="configuration entry as JSON")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--lr-dir", type=Path, required=True)
    parser.add_argument("--analysis", type=from_json.entry, required=True, help="the configuration's block as JSON")
    parser.add_argument("--out", type=Path, required=True, help="npz file: one array (channels, h, w) per stage")
    devices.add_options(parser)
    arguments = parser.parse_args()
    device = devices.prepare(arguments)
    names = [row["image"] for row in read_csv(arguments.lr_dir / "manifest.csv")]
    _, lr = lr_image(arguments.lr_dir, names, arguments.analysis["image"])
    network = dissected(build(with_weights(arguments.model, arguments.weights))).to(device)
    maps = feature_maps(network, lr.to(device), arguments.analysis["channels"])
    write_arrays(arguments.out, lr=lr.permute(1, 2, 0), **maps)


run(main)
