"""Measure one model on one test set under every combination of the measuring protocol."""

import argparse
from pathlib import Path

from rssr.base import devices
from rssr.base.files import read_csv, sha256, write_csv, write_json
from rssr.base.images import read_tensor
from rssr.base.process import run
from rssr.base.provenance import made_by
from rssr.metrics.protocol import CHOICES
from rssr.models.registry import build, seed, with_weights
from rssr.plan import arguments as given
from rssr.steps.audit import audit, evenly


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=given.entry, required=True, help="configuration entry as JSON")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--hr-dir", type=Path, required=True)
    parser.add_argument("--scale", type=int, required=True)
    parser.add_argument("--images", type=int, required=True, help="how many, evenly over the manifest")
    parser.add_argument("--out", type=Path, required=True, help="CSV file; .json is put beside it")
    devices.add_options(parser)
    arguments = parser.parse_args()
    device, manifest = devices.prepare(arguments), arguments.hr_dir / "manifest.csv"
    names = evenly([row["image"] for row in read_csv(manifest)], arguments.images)
    images = {name: read_tensor(arguments.hr_dir / f"{name}.png") for name in names}
    model = build(with_weights(arguments.model, arguments.weights))
    seed(model, 0)
    write_csv(arguments.out, audit(model, images, arguments.scale, device).to_dict("records"))
    weights = sha256(arguments.weights) if arguments.weights else None
    of = {"hr_manifest_sha256": sha256(manifest), "weights_sha256": weights, "images": names, "choices": CHOICES}
    facts = made_by(**of, device=arguments.device, precision=devices.precision_in_use())
    write_json(arguments.out.with_suffix(".json"), facts)


run(main)
