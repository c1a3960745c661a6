"""Draw the qualitative page of one test set: crops where the methods differ most, or those that were asked for."""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from rssr.base.errors import UserError, nearest
from rssr.base.files import read_csv, read_image
from rssr.base.process import run
from rssr.render.figures.images import Sample, configured_box, differing_box, differing_images, qualitative
from rssr.render.figures.style import save


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=json.loads, required=True, help="model -> label and notes, as JSON")
    parser.add_argument("--scores", nargs="+", type=Path, required=True, help="CSV files in the models' order")
    parser.add_argument("--sr-dirs", nargs="+", type=Path, required=True, help="folders in the models' order")
    parser.add_argument("--split-dir", type=Path, required=True, help="results/data/{dataset}/test")
    parser.add_argument("--lr-dir", type=Path, required=True)
    parser.add_argument("--metric", required=True, help="whose differences choose the images")
    parser.add_argument("--images", type=int, required=True, help="how many")
    parser.add_argument("--side", type=int, required=True, help="of the crops, in HR pixels")
    parser.add_argument("--crops", type=json.loads, default=[], help="`image` and `square` of crops to show instead")
    parser.add_argument("--out", type=Path, required=True, help="stem of the files")
    arguments = parser.parse_args()

    rows = read_csv(arguments.split_dir / "manifest.csv")
    sources = {row["image"]: row["source"] for row in rows}
    squares = [(crop["image"], crop["square"]) for crop in arguments.crops]
    for image, _ in squares:
        if image not in sources:
            raise UserError(f"figures.crops: the test set has no image '{image}'{nearest(image, sources)}")
    if not squares:
        scores = np.array([pd.read_csv(path)[arguments.metric] for path in arguments.scores])
        chosen = differing_images(scores, list(sources.values()), arguments.images)
        squares = [(rows[index]["image"], None) for index in chosen]
    samples = []
    for image, square in squares:
        lr, hr = (read_image(folder / f"{image}.png") for folder in (arguments.lr_dir, arguments.split_dir / "HR"))
        srs = [read_image(folder / f"{image}.png") for folder in arguments.sr_dirs]
        box = configured_box(image, hr, square) if square else differing_box(hr, srs, arguments.side)
        samples.append(Sample(image, lr, hr, dict(zip(arguments.models, srs, strict=True)), box))
    save(qualitative(samples, arguments.models), arguments.out)


run(main)
