"""From a folder of SR images to a row of scores an image."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from rssr.base.errors import UserError
from rssr.base.files import read_csv, read_image
from rssr.datasets.degradations import Step
from rssr.metrics.fidelity import Source
from rssr.metrics.registry import function


def score_folder(
    sr_dir: Path,
    hr_dir: Path,
    metrics: Sequence[str],
    crop: int,
    weights_dir: str,
    absent: Mapping[str, str],
    lr_dir: Path,
    steps: Sequence[Step],
    scale: int,
    draw: int = 0,
) -> list[dict[str, Any]]:
    """Score the images of an SR folder against their HR images, in the manifest's order.

    Args:
        sr_dir: results/sr/{dataset}/{degradation}/{model}.
        hr_dir: results/data/{dataset}/test/HR.
        metrics: names of metrics.registry.
        crop: border pixels left out on each side.
        weights_dir: folder with the weights of perceptual metrics.
        absent: metrics that cannot be computed, with the reason: their column is left empty.
        lr_dir: the folder of the LR images that were upscaled.
        steps: the degradation that made them.
        scale: the upscaling factor.
        draw: which images of a network that draws random numbers, see upscale_folder().

    Returns:
        A row an image: `image` and a column a metric, full precision.
    """
    functions = {name: function(name, crop, weights_dir) for name in metrics if name not in absent}
    images = sr_dir / "seeds" / str(draw) if draw else sr_dir
    rows = []
    for row in tqdm(read_csv(sr_dir / "manifest.csv"), desc=f"score {sr_dir.name}", unit="image"):
        name = f"{row['image']}.png"
        sr, hr, lr = (_tensor(read_image(folder / name)) for folder in (images, hr_dir, lr_dir))
        given = (sr, hr, Source(lr, steps, scale, row["image"]))
        try:
            scores = {metric: functions[metric](*given).item() if metric in functions else "" for metric in metrics}
        except UserError as error:
            raise UserError(f"{images / name}: {error}") from None
        rows.append({"image": row["image"], **scores})
    return rows


def draws(sr_dir: Path) -> list[int]:
    """The further draws of a network that draws random numbers; none for any other."""
    return sorted(int(folder.name) for folder in (sr_dir / "seeds").glob("*"))


def _tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None]
