"""RSSCN7: 2800 scenes of 400x400 pixels in seven classes; the split is ours, because the paper's is not published."""

import random
from pathlib import Path

from rssr.datasets.card import Card, DataSet, Layout, Mirror

CLASSES = ("aGrass", "bField", "cIndustry", "dRiverLake", "eForest", "fResident", "gParking")
SEED = 2745
HERE = Path(__file__).parent
COMMIT = "6d77849df87d242b323184ab096e44dd63730c7e"


def draw() -> dict[str, list[str]]:
    """The split as it was drawn once: of each class 160 images train, 40 validate and 200 test.

    The drawn lists are datasets/rsscn7_{split}.txt and are what counts.
    """
    random_ = random.Random(SEED)
    splits: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for name in CLASSES:
        images = [f"{name}/{name[0]}{number:03d}" for number in range(1, 401)]
        random_.shuffle(images)
        splits["train"] += sorted(images[:160])
        splits["val"] += sorted(images[160:200])
        splits["test"] += sorted(images[200:])
    return splits


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
    f"which ones is not published, ours are drawn from the seed {SEED}",
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
    find=_find,
    layouts=(
        Layout("{aGrass,...,gParking}/{a...g}{001...400}.jpg", rf"({'|'.join(CLASSES)})/([a-g]\d{{3}})\.jpg", r"\1/\2"),
    ),
    sha256=_sha256(),
    classes=rf"({'|'.join(CLASSES)})_",
)
