"""Upscale the LR images of one test set with one model."""

import argparse
import hashlib
import json
from pathlib import Path

import torch

from rssr.base.process import run
from rssr.base.files import sha256, write_json
from rssr.base.provenance import made_by
from rssr.models.registry import build, with_weights
from rssr.plan.dependencies import digest, used_files
from rssr.steps.upscaling import upscale_folder


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=json.loads, required=True, help="configuration entry as JSON")
    parser.add_argument("--weights", type=Path, help="safetensors file of an earlier step; none for an interpolation")
    parser.add_argument("--lr-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="results/sr/{dataset}/{degradation}/{model}")
    parser.add_argument("--code", type=Path, nargs="*", help="the files that a change of makes all images anew")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.backends.cudnn.allow_tf32 = False  # convolutions in the precision that the record says
    facts = {
        "model": arguments.model,
        "weights_sha256": sha256(arguments.weights) if arguments.weights else None,
        "lr_manifest_sha256": sha256(arguments.lr_dir / "manifest.csv"),
        "device": arguments.device,
        "threads": arguments.threads,
        "precision": "float32",
    }
    code = digest(arguments.code or used_files(Path(__file__).resolve()))
    identity = hashlib.sha256(json.dumps([facts, code]).encode()).hexdigest()
    write_json(arguments.out / "provenance.json", made_by(**facts))
    upscale_folder(
        build(with_weights(arguments.model, arguments.weights)),
        arguments.lr_dir,
        arguments.out,
        identity,
        torch.device(arguments.device),
    )


run(main)
