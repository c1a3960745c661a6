"""Upscale the LR images of one test set with one model."""

import argparse
import hashlib
import json
from pathlib import Path

import torch

from rssr.base.files import sha256, write_json
from rssr.base.process import run
from rssr.base.provenance import made_by
from rssr.models.registry import build, with_weights
from rssr.plan.dependencies import digest, used_files
from rssr.steps.upscaling import upscale_folder


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=json.loads, required=True, help="configuration entry as JSON")
    parser.add_argument("--weights", type=Path, nargs="*", default=[], help="safetensors, one file per replicate")
    parser.add_argument("--replicates", nargs="+", required=True, help="their names; one for an interpolation")
    parser.add_argument("--lr-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of the SR images and their manifest")
    parser.add_argument("--code", type=Path, nargs="*", help="files whose change makes all images anew")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.backends.cudnn.allow_tf32 = False  # convolutions in the precision that the record says
    weights = dict(zip(arguments.replicates, arguments.weights, strict=True)) if arguments.weights else {}
    facts = {
        "model": arguments.model,
        "weights_sha256": {name: sha256(path) for name, path in weights.items()},
        "lr_manifest_sha256": sha256(arguments.lr_dir / "manifest.csv"),
        "device": arguments.device,
        "threads": arguments.threads,
        "precision": "float32",
    }
    code = digest(arguments.code or used_files(Path(__file__).resolve()))
    identity = hashlib.sha256(json.dumps([facts, code]).encode()).hexdigest()
    write_json(arguments.out / "provenance.json", made_by(**facts))
    models = {name: build(with_weights(arguments.model, weights.get(name))) for name in arguments.replicates}
    upscale_folder(models, arguments.lr_dir, arguments.out, identity, torch.device(arguments.device))


run(main)
