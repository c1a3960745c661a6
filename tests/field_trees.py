"""Generated images in the trees that Potsdam, UAVid and RSSCN7 come in."""

import dataclasses
import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rssr.base.errors import UserError
from rssr.datasets import rsscn7
from rssr.datasets.card import DataSet, Mirror
from rssr.datasets.obtain import obtain
from rssr.datasets.registry import build

SIDE = 64
COLUMNS = {2: range(10, 15), 3: range(10, 15), 4: range(10, 16), 5: range(10, 16), 6: range(7, 16), 7: range(7, 14)}
TILES = [f"{row}_{column}" for row, columns in COLUMNS.items() for column in columns]
TRAIN, VAL = (*range(1, 16), *range(31, 36)), (*range(16, 21), 36, 37)
SEQUENCES = {number: "train" if number in TRAIN else "val" if number in VAL else "test" for number in range(1, 43)}


def drawn(name: str) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def encoded(name: str, kind: str = "png") -> bytes:
    file = io.BytesIO()
    Image.fromarray(drawn(name)).save(file, format={"tif": "TIFF", "jpg": "JPEG"}.get(kind, "PNG"))
    return file.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def potsdam_files() -> dict[str, bytes]:
    """Names as in 2_Ortho_RGB.zip, world files and all; pixels small."""
    images = {f"2_Ortho_RGB/top_potsdam_{tile}_RGB.tif": encoded(tile, "tif") for tile in TILES}
    return images | {f"2_Ortho_RGB/top_potsdam_{tile}_RGB.tfw": b"0.05" for tile in TILES}


def uavid_files(folder: str = "uavid_v1.5_official_release_image/") -> dict[str, bytes]:
    files = {}
    for number, split in SEQUENCES.items():
        for frame in range(0, 1000, 100):
            stem = f"{folder}uavid_{split}/seq{number}"
            files[f"{stem}/Images/{frame:06d}.png"] = encoded(f"seq{number}/{frame:06d}")
            if split != "test":
                files[f"{stem}/Labels/{frame:06d}.png"] = b"a label"
    return files


def rsscn7_files(folder: str = "RSSCN7-master/") -> dict[str, bytes]:
    names = (f"{c}/{c[0]}{number:03d}" for c in rsscn7.CLASSES for number in range(1, 401))
    return {f"{folder}{name}.jpg": name.encode() for name in names}


FILES = {"potsdam": potsdam_files, "uavid": uavid_files, "rsscn7": rsscn7_files}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def small(name: str, *mirrors: Mirror, **options) -> DataSet:
    """A published data set that expects the generated images."""
    whole = build({"module": name, **options})
    card = dataclasses.replace(whole.card, sizes=((SIDE, SIDE),), mirrors=mirrors)
    digests = {source: hashlib.sha256(source.encode()).hexdigest() for source in whole.sources if whole.sha256}
    return dataclasses.replace(whole, card=card, sha256=digests)


def refused(data_set: DataSet, folder: Path) -> str:
    with pytest.raises(UserError) as error:
        obtain(data_set, folder)
    return str(error.value)
