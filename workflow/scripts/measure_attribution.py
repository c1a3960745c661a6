"""Measure which LR pixels a model's SR pixels depend on, on images of one test set."""

import argparse
import json
from pathlib import Path

import torch

from rssr.base.files import read_csv, sha256, write_json
from rssr.base.process import run
from rssr.base.provenance import made_by
from rssr.metrics.attribution import SIGMA, diffusion_index, local_attribution, receptive_field
from rssr.models.registry import build, seed, with_weights
from rssr.steps.audit import evenly
from rssr.steps.inside import cut_around, lr_image, write_arrays


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=json.loads, required=True, help="configuration entry as JSON")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--lr-dir", type=Path, required=True)
    parser.add_argument("--scale", type=int, required=True)
    parser.add_argument("--analysis", type=json.loads, required=True, help="the configuration's block as JSON")
    parser.add_argument("--out", type=Path, required=True, help="npz file; .json is put beside it")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    asked, scale = arguments.analysis, arguments.scale
    names = [row["image"] for row in read_csv(arguments.lr_dir / "manifest.csv")]
    image, lr = lr_image(arguments.lr_dir, names, asked["image"])
    part, box = cut_around(image, lr, asked["square"], asked["side"], scale)
    images = [lr_image(arguments.lr_dir, names, name)[1] for name in evenly(names, asked["images"])]
    side = min(asked["side"], *(length for lr in images for length in lr.shape[-2:]))
    centres = [cut_around(name, lr, None, side, scale)[0] for name, lr in zip(names, images, strict=False)]

    model = build(with_weights(arguments.model, arguments.weights)).to(arguments.device)
    seed(model, 0)
    device = torch.device(arguments.device)
    attribution = local_attribution(model, part.to(device).float() / 255, box, asked["steps"]).cpu()
    field = receptive_field(model, (lr.to(device).float() / 255 for lr in centres), scale).cpu()
    write_arrays(arguments.out, lr=part.permute(1, 2, 0), attribution=attribution, receptive_field=field)
    facts = made_by(
        image=image,
        square_of_the_part=box,
        steps=asked["steps"],
        sigma=SIGMA,
        receptive_field_images=len(centres),
        attribution_diffusion_index=diffusion_index(attribution),
        receptive_field_diffusion_index=diffusion_index(field),
        lr_manifest_sha256=sha256(arguments.lr_dir / "manifest.csv"),
        weights_sha256=sha256(arguments.weights) if arguments.weights else None,
        device=arguments.device,
        threads=arguments.threads,
    )
    write_json(arguments.out.with_suffix(".json"), facts)


run(main)
