"""Draw the qualitative page of one test set: the image and the crop where the methods differ most."""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from rssr.errors import run
from rssr.figures.images import differing_crop, qualitative
from rssr.figures.style import save
from rssr.files import read_csv, read_image
from rssr.metrics.fidelity import psnr


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=json.loads, required=True, help="model -> label and notes, as JSON")
    parser.add_argument("--sr-dirs", nargs="+", type=Path, required=True, help="folders in the models' order")
    parser.add_argument("--hr-dir", type=Path, required=True)
    parser.add_argument("--label", required=True, help="name of the data set")
    parser.add_argument("--out", type=Path, required=True, help="stem of the files")
    arguments = parser.parse_args()

    names = [row["image"] for row in read_csv(arguments.sr_dirs[0] / "manifest.csv")]
    folders = dict(zip(arguments.models, arguments.sr_dirs, strict=True))
    best = max(names, key=lambda name: _spread(arguments.hr_dir, folders.values(), name))
    hr = read_image(arguments.hr_dir / f"{best}.png")
    srs = {model: read_image(folder / f"{best}.png") for model, folder in folders.items()}
    crop = differing_crop(hr, list(srs.values()))
    scores = {model: _psnr(sr, hr, crop) for model, sr in srs.items()}
    labels = {model: entry["label"] for model, entry in arguments.models.items()}
    save(qualitative(hr, srs, labels, scores, crop, f"{arguments.label}: {best}"), arguments.out)


def _spread(hr_dir: Path, folders, name: str) -> float:
    """How far apart the methods' PSNR on an image is, in dB."""
    hr = read_image(hr_dir / f"{name}.png")
    whole = (0, 0, hr.shape[1], hr.shape[0])
    return float(np.ptp([_psnr(read_image(folder / f"{name}.png"), hr, whole) for folder in folders]))


def _psnr(sr: np.ndarray, hr: np.ndarray, box: tuple[int, int, int, int]) -> float:
    left, top, right, bottom = box
    pair = [torch.from_numpy(image[top:bottom, left:right].copy()).permute(2, 0, 1)[None] for image in (sr, hr)]
    return psnr(*pair, crop=0).item()


run(main)
