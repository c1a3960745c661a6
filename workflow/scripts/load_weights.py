"""Bring the weights of one model, from a file or an address, into the one place and format of all weights."""

import argparse
import json
import warnings
from pathlib import Path

from rssr.base.files import sha256, write_json
from rssr.base.process import run
from rssr.base.provenance import made_by
from rssr.base.tensors import read_weights
from rssr.models.registry import build
from rssr.models.weights import local_file, write_weights


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=json.loads, required=True, help="configuration entry as JSON")
    parser.add_argument("--downloads", type=Path, required=True, help="folder for files that come from an address")
    parser.add_argument("--weights", type=Path, required=True, help="safetensors file; .json is put beside it")
    arguments = parser.parse_args()

    model = arguments.model
    kind = "checkpoint" if "checkpoint" in model else "weights"
    path = local_file(model[kind], arguments.downloads)
    with warnings.catch_warnings(record=True) as misfits:
        warnings.simplefilter("always")
        build(model | {kind: {"path": str(path)}})  # weights that do not fit stop here, before any image is touched
    write_weights(arguments.weights, read_weights(path, model["scale"]), model["scale"])
    beside = path.with_suffix(".json")
    facts = made_by(
        loaded_from=model[kind].get("url", str(path)),
        misfits=[str(warning.message) for warning in misfits if str(path) in str(warning.message)],
        source_sha256=sha256(path),
        sha256=sha256(arguments.weights),
        training=json.loads(beside.read_text()) if beside.exists() else "not stated",
    )
    write_json(arguments.weights.with_suffix(".json"), facts)


run(main)
