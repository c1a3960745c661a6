"""RSSCN7: 2800 scenes of 400x400 pixels in seven classes; splits by name, because the paper does not state its own."""

import itertools
import random
from collections.abc import Mapping
from pathlib import Path

from rssr.datasets.card import Card, DataSet, Layout, Mirror

CLASSES = ("aGrass", "bField", "cIndustry", "dRiverLake", "eForest", "fResident", "gParking")
# Seed and sizes of what draw() gives. Ours was drawn once: the lists datasets/rsscn7_{split}.txt are what counts.
OURS = (2745, {"train": 160, "val": 40, "test": 200})
# github.com/Khalidsakib-121/FAMamba-LSTMConvSR at 7c9196b, notebook of RSSCN7, cell 5: of each class the first 200 are
# a pool, of which 40 validate; the last 200 test.
FAHRNET = (42, {"val": 40, "train": 160, "test": 200})
HERE = Path(__file__).parent
COMMIT = "6d77849df87d242b323184ab096e44dd63730c7e"


def draw(seed: int, sizes: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    """A split with equal parts of each class, drawn by one generator for all classes.

    The names of each class in turn, in sorted order, are shuffled; each split takes the next of them.

    Args:
        seed: of random.Random.
        sizes: split -> images of a class, in the order in which they are taken.
    """
    random_ = random.Random(seed)
    splits: dict[str, list[str]] = {name: [] for name in sizes}
    for name in CLASSES:
        images = [f"{name}/{name[0]}{number:03d}" for number in range(1, 401)]
        random_.shuffle(images)
        rest = iter(images)
        for split, size in sizes.items():
            splits[split] += sorted(itertools.islice(rest, size))
    return {name: tuple(sources) for name, sources in splits.items()}


def _sha256() -> dict[str, str]:
    lines = (HERE / "rsscn7.sha256").read_text().splitlines()
    return {name.removesuffix(".jpg"): digest for digest, name in (line.split() for line in lines)}


def _find(folder: Path, source: str) -> Path:
    return folder / f"{source}.jpg"


CARD = Card(
    licence="none is stated; for research and academic purposes",
    citation="Zou et al., Deep learning based feature selection for remote sensing scene classification, IEEE GRSL "
    "12(11), 2015, doi 10.1109/LGRS.2015.2475299",
    page="https://github.com/palewithout/RSSCN7",
    gsd_m="not stated: Google Earth at four scales",
    tile=None,
    takes="all images, whole; of each class half for training, a fifth of it for validation, and half for testing; "
    "which ones the paper does not state; seed_2745 is this project's, fahrnet is drawn as its notebook draws it",
    sizes=((400, 400),),
    counts={"train": 1120, "val": 280, "test": 1400},
    mirrors=(
        Mirror("http", f"https://github.com/palewithout/RSSCN7/archive/{COMMIT}.zip", bytes=367_000_000),
        Mirror("huggingface", "blanchon/RSSCN7", bytes=367_230_189),
        Mirror("kaggle", "yangpeng1995/rsscn7", bytes=367_000_000),
    ),
    checksums=f"datasets/rsscn7.sha256: all 2800 files of commit {COMMIT}",
)


DATA_SET = DataSet(
    card=CARD,
    splits={split: tuple((HERE / f"rsscn7_{split}.txt").read_text().split()) for split in ("train", "val", "test")},
    split="seed_2745",
    other_splits={"fahrnet": draw(*FAHRNET)},
    find=_find,
    layouts=(
        Layout("{aGrass,...,gParking}/{a...g}{001...400}.jpg", rf"({'|'.join(CLASSES)})/([a-g]\d{{3}})\.jpg", r"\1/\2"),
    ),
    sha256=_sha256(),
    classes=rf"({'|'.join(CLASSES)})_",
)
