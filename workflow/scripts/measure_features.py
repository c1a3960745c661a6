"""Measure the feature maps inside one neural block of a LSTMConvSR on one image."""

import argparse
from pathlib import Path

import torch

from rssr.base import devices
from rssr.base.errors import UserError
from rssr.base.files import read_csv
from rssr.base.process import run
from rssr.models.registry import build, with_weights
from rssr.plan import arguments as given
from rssr.steps.inside import dissected, lr_image, shown_arrbs, write_arrays


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=given.entry, required=True, help="configuration entry as JSON")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--lr-dir", type=Path, required=True)
    parser.add_argument("--analysis", type=given.entry, required=True, help="the configuration's block as JSON")
    parser.add_argument("--out", type=Path, required=True, help="npz file: one array (channels, h, w) per stage")
    devices.add_options(parser)
    arguments = parser.parse_args()
    device, asked = devices.prepare(arguments), arguments.analysis
    names = [row["image"] for row in read_csv(arguments.lr_dir / "manifest.csv")]
    _, lr = lr_image(arguments.lr_dir, names, asked["image"])
    network = dissected(build(with_weights(arguments.model, arguments.weights))).to(device)
    with torch.inference_mode():
        maps = network.features(lr[None].to(device).float() / 255, arrbs=shown_arrbs(network))
    width = next(iter(maps.values())).shape[1]
    if (most := max(asked["channels"])) >= width:
        raise UserError(f"analysis.channels names {most}, but the network has {width} channels", "give 0 to the last")
    chosen = {name: found[0, list(asked["channels"])].cpu() for name, found in maps.items()}
    write_arrays(arguments.out, lr=lr.permute(1, 2, 0), **chosen)


run(main)
