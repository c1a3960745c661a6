"""Measure which LR pixels a model's SR pixels depend on, on images of one test set."""

import argparse
from pathlib import Path

from rssr.base import devices
from rssr.base.files import sha256, write_json
from rssr.base.process import run
from rssr.base.provenance import made_by
from rssr.models.registry import build, seed, with_weights
from rssr.plan import arguments as from_json
from rssr.steps.attribution import attribute
from rssr.steps.inside import write_arrays


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=from_json.entry, required=True, help="configuration entry as JSON")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--lr-dir", type=Path, required=True)
    parser.add_argument("--scale", type=int, required=True)
    parser.add_argument("--analysis", type=from_json.entry, required=True, help="the configuration's block as JSON")
    parser.add_argument("--out", type=Path, required=True, help="npz file; .json is put beside it")
    devices.add_options(parser)
    arguments = parser.parse_args()
    device = devices.prepare(arguments)
    model = build(with_weights(arguments.model, arguments.weights)).to(device)
    seed(model, 0)
    arrays, facts = attribute(model, arguments.lr_dir, arguments.scale, arguments.analysis, device)
    write_arrays(arguments.out, **arrays)
    manifest = sha256(arguments.lr_dir / "manifest.csv")
    weights = sha256(arguments.weights) if arguments.weights else None
    where = {"device": arguments.device, "threads": arguments.threads, "precision": devices.precision_in_use()}
    facts = made_by(**facts, lr_manifest_sha256=manifest, weights_sha256=weights, **where)
    write_json(arguments.out.with_suffix(".json"), facts)


run(main)
