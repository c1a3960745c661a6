"""Which LR pixels a model's SR pixels depend on, on images of one test set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rssr.base.files import read_csv
from rssr.metrics.attribution import SIGMA, diffusion_index, local_attribution, receptive_field
from rssr.steps.audit import evenly
from rssr.steps.inside import cut_around, lr_image


def attribute(
    model: nn.Module, lr_dir: Path, scale: int, asked: Mapping[str, Any], device: torch.device
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Local attribution of one square, and the mean receptive field over some images.

    Args:
        model: (B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), in eval mode, on the device.
        lr_dir: the folder of the LR images.
        scale: upscaling factor.
        asked: the block `analysis` of the configuration.
        device: the device of the model.

    Returns:
        The arrays `lr` (h, w, 3), `attribution` (h, w) and `receptive_field` (h, w); and the facts about them.
    """
    names = [row["image"] for row in read_csv(lr_dir / "manifest.csv")]
    image, lr = lr_image(lr_dir, names, asked["image"])
    part, box = cut_around(image, lr, asked["square"], asked["side"], scale)
    chosen = evenly(names, asked["images"])
    images = [lr_image(lr_dir, names, name)[1] for name in chosen]
    side = min(asked["side"], *(length for lr in images for length in lr.shape[-2:]))
    centres = [cut_around(name, lr, None, side, scale)[0] for name, lr in zip(chosen, images, strict=True)]
    attribution = local_attribution(model, part.to(device).float() / 255, box, asked["steps"]).cpu()
    field = receptive_field(model, (lr.to(device).float() / 255 for lr in centres), scale).cpu()
    arrays = {"lr": part.permute(1, 2, 0), "attribution": attribution, "receptive_field": field}
    return arrays, {
        "image": image,
        "square_of_the_part": box,
        "steps": asked["steps"],
        "sigma": SIGMA,
        "receptive_field_images": len(centres),
        "attribution_diffusion_index": diffusion_index(attribution),
        "receptive_field_diffusion_index": diffusion_index(field),
    }
