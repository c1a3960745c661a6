"""Synthetic: a few small images drawn from a seed, for tests of the whole DAG without a network."""

from pathlib import Path

import numpy as np

from rssr.base.files import write_image
from rssr.datasets.card import Card, DataSet

SIDE = 96
SPLITS = {"train": ("train_0", "train_1"), "test": ("test_0", "test_1")}


def fetch(folder: Path) -> None:
    """Draw the images; the same bytes at every call."""
    for sources in SPLITS.values():
        for source in sources:
            write_image(find(folder, source), _draw(source))


def find(folder: Path, source: str) -> Path:
    """The path of an image once drawn."""
    return folder / f"{source}.png"


def _draw(source: str) -> np.ndarray:
    """Rectangles of random colours and sizes on a gradient: flat areas, edges and corners, as seen from the air."""
    random = np.random.default_rng([ord(letter) for letter in source])
    image = np.linspace(60, 190, SIDE)[:, None, None] * np.ones((SIDE, SIDE, 3))
    for _ in range(40):
        top, left = random.integers(0, SIDE, 2)
        height, width = random.integers(2, SIDE // 3, 2)
        image[top : top + height, left : left + width] = random.integers(0, 256, 3)
    return image.astype(np.uint8)


DATA_SET = DataSet(
    card=Card(
        licence="MIT, drawn by this project",
        citation="this project",
        page="https://doi.org/10.3390/rs17152745",
        gsd_m="none",
        tile=48,
        counts={"train": 8, "test": 8},
        redistributable=True,
    ),
    splits=SPLITS,
    fetch=fetch,
    find=find,
    classes=r"(test_\d)_",  # each image is a class, so that the rule runs
)
