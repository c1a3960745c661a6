"""Which crops the qualitative page shows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rssr.base.errors import UserError, nearest
from rssr.base.files import read_csv, read_image
from rssr.base.images import box_of
from rssr.render.choice import differing
from rssr.render.figures.images import Sample


def samples(
    hr: Path,
    lr: Path,
    srs: Mapping[str, Path],
    scores: Sequence[Sequence[float]],
    crops: Sequence[Mapping[str, Any]],
    images: int,
    side: int,
) -> list[Sample]:
    """The images and crops of a test set's page, of each method's first replicate.

    Args:
        hr: the manifest of the HR images.
        lr: that of the LR images.
        srs: model -> that of its SR images.
        scores: of one metric, (methods, images), in the manifest's order.
        crops: `image` and `square` of the configured crops; if empty, the crops on which the methods differ most.
        images: number of images if no crops are configured.
        side: of their crops in HR pixels.

    Raises:
        UserError: for a crop of an unknown image, or outside of its image.
    """
    rows = read_csv(hr)
    sources = {row["image"]: row["source"] for row in rows}
    squares = [(crop["image"], crop["square"]) for crop in crops]
    for image, _ in squares:
        if image not in sources:
            raise UserError(f"figures.crops: the test set has no image '{image}'{nearest(image, sources)}")
    if not squares:
        chosen = differing(np.array(scores, float), list(sources.values()), images)
        squares = [(rows[index]["image"], None) for index in chosen]
    folders = {name: path.parent / read_csv(path)[0]["replicate"] for name, path in srs.items()}
    found = []
    for image, square in squares:
        small, large = (read_image(path.parent / f"{image}.png") for path in (lr, hr))
        by_model = {name: read_image(folder / f"{image}.png") for name, folder in folders.items()}
        if square:
            box = box_of("figures.crops", square, image, large.shape[1], large.shape[0])
        else:
            box = _differing_box(large, [*by_model.values()], side)
        found.append(Sample(image, small, large, by_model, box))
    return found


def _differing_box(hr: np.ndarray, srs: Sequence[np.ndarray], side: int) -> tuple[int, int, int, int]:
    """The square where the methods' squared errors differ most from each other.

    Args:
        hr: (H, W, 3) uint8.
        srs: images of the methods, the same shape.
        side: of the square, in pixels; the image's own if it is smaller.

    Returns:
        (left, top, right, bottom).
    """
    side = min(side, *hr.shape[:2])
    errors = np.stack([np.square(sr.astype(float) - hr).mean(2) for sr in srs])
    sums = np.pad(errors, ((0, 0), (1, 0), (1, 0))).cumsum(1).cumsum(2)
    windows = sums[:, side:, side:] - sums[:, :-side, side:] - sums[:, side:, :-side] + sums[:, :-side, :-side]
    top, left = np.unravel_index(np.argmax(np.ptp(windows, axis=0)), windows.shape[1:])
    return int(left), int(top), int(left) + side, int(top) + side
