"""Potsdam, UAVid and RSSCN7: their splits, the trees they come in, parts of them, and real images."""

import dataclasses
import hashlib
import json
import random
from pathlib import Path

import numpy as np
import pytest
import rasterio
from field_trees import TILES, drawn, potsdam_files, refused, rsscn7_files, small, uavid_files, write, zipped
from PIL import Image

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.base.files import read_csv, read_image, sha256
from rssr.base.images import read_tensor
from rssr.config import load
from rssr.datasets import rsscn7
from rssr.datasets.obtain import obtain
from rssr.datasets.prepare import prepare_hr
from rssr.datasets.registry import EXTERNAL, build
from rssr.datasets.tiles import tile_boxes

# Cards and splits.


@pytest.mark.parametrize("name", EXTERNAL)
def test_cards_are_complete_and_splits_share_no_source(name):
    data_set = build({"module": name})
    card = data_set.card
    assert all([card.licence, card.citation, card.page, card.gsd_m, card.takes, card.sizes, card.checksums])
    assert card.mirrors and all(mirror.bytes > 1e8 for mirror in card.mirrors)
    assert set(data_set.splits) == {"train", "val", "test"}
    assert len(set(data_set.sources)) == len(data_set.sources)


@pytest.mark.parametrize(
    ("name", "counts"), [("potsdam", (864, 144, 2016)), ("uavid", (1600, 560, 1200)), ("rsscn7", (1120, 280, 1400))]
)
def test_the_papers_numbers_of_images(name, counts):
    data_set = build({"module": name})
    for width, height in data_set.card.sizes:
        a_source = len(tile_boxes(width, height, data_set.card.tile, data_set.card.overlap))
        assert tuple(a_source * len(sources) for sources in data_set.splits.values()) == counts
    assert tuple(data_set.card.counts.values()) == counts


def test_potsdams_splits():
    splits = build({"module": "potsdam"}).splits
    assert set(splits["train"]) == {"2_11", "3_10", "4_10", "5_10", "6_7", "7_7"}
    assert splits["val"] == ("2_10",)
    expected = "2_13 2_14 3_13 3_14 4_13 4_14 4_15 5_13 5_14 5_15 6_13 6_14 6_15 7_13"
    assert set(splits["test"]) == set(expected.split())
    assert len(TILES) == 38 and set(build({"module": "potsdam"}).sources) <= set(TILES)


def test_rsscn7s_split_is_what_the_seed_draws_from_each_class():
    splits = build({"module": "rsscn7"}).splits
    assert splits == rsscn7.draw(*rsscn7.OURS)
    for split, count in {"train": 160, "val": 40, "test": 200}.items():
        for name in rsscn7.CLASSES:
            assert sum(source.startswith(name) for source in splits[split]) == count


def test_rsscn7s_splits_have_names():
    """FAHRNet's by names alone: its notebook tests these, in each class after a pool of 200."""
    entry = {"module": "rsscn7"}
    assert build(entry) == build(entry | {"split": "seed_2745"}) and build(entry).split == "seed_2745"
    found = build(entry | {"split": "fahrnet"})
    assert (found.split, found.part, found.card.counts) == ("fahrnet", "split fahrnet", rsscn7.CARD.counts)
    assert {split: len(sources) for split, sources in found.splits.items()} == found.card.counts
    assert sorted(found.sources) == sorted(rsscn7.DATA_SET.sources)
    test = [name for name in found.splits["test"] if name.startswith("aGrass/")]
    assert len(test) == 200 and test[:3] == ["aGrass/a001", "aGrass/a002", "aGrass/a004"]
    drawn_again = random.Random(42)
    for name in rsscn7.CLASSES:
        files = sorted(f"{name}/{name[0]}{number:03d}" for number in range(1, 401))
        drawn_again.shuffle(files)
        of_class = {split: {n for n in sources if n in set(files)} for split, sources in found.splits.items()}
        assert of_class == {"val": set(files[:40]), "train": set(files[40:200]), "test": set(files[200:])}
    with pytest.raises(UserError, match="no split 'fahrnett' of this data set: use one of seed_2745, fahrnet$"):
        build(entry | {"split": "fahrnett"})
    with pytest.raises(UserError, match="use one of paper$"):
        build({"module": "uavid", "split": "fahrnet"})


def test_the_papers_configuration_names_them():
    config = load(ROOT / "config/paper.yaml")
    assert [entry.module for entry in config.datasets.values()] == list(EXTERNAL)
    assert all(entry.split is None and not entry.subset for entry in config.datasets.values())


# Trees on the disk.


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("potsdam", lambda: potsdam_files()),
        ("potsdam", lambda: {"Potsdam/2_Ortho_RGB.zip": zipped(potsdam_files())}),
        ("potsdam", lambda: {"Potsdam.zip": zipped({"Potsdam/2_Ortho_RGB.zip": zipped(potsdam_files())})}),
        ("potsdam", lambda: {f"train_images/{Path(n).name}": c for n, c in potsdam_files().items()}),  # GeoSeg
        ("potsdam", lambda: {f"Images/{Path(n).name}": c for n, c in potsdam_files().items()}),  # Kaggle
        ("uavid", lambda: uavid_files()),
        ("uavid", lambda: uavid_files(folder="")),  # Kaggle, GeoSeg
        ("uavid", lambda: {"uavid.zip": zipped(uavid_files())}),
        ("rsscn7", lambda: rsscn7_files()),
        ("rsscn7", lambda: rsscn7_files(folder="")),
        ("rsscn7", lambda: {"RSSCN7-master.zip": zipped(rsscn7_files())}),
    ],
)
def test_known_trees_are_recognised(tmp_path, name, layout):
    root = write(tmp_path / "root", layout())
    data_set = small(name, root=str(root))
    record = obtain(data_set, tmp_path / "downloads")
    assert list(record["sha256"]) == data_set.sources
    assert record["from"] == str(root)
    for source in data_set.sources[:3]:
        path = data_set.find(tmp_path / "downloads", source)
        assert sha256(path) == record["sha256"][source]
        if name != "rsscn7":
            np.testing.assert_array_equal(read_image(path), drawn(source))
    assert not [path for path in (tmp_path / "downloads").rglob("*") if path.name.startswith(".")]
    here = dataclasses.replace(data_set, root=None)  # what was put into the folder of downloads by hand
    assert obtain(here, root)["sha256"] == record["sha256"]


def test_mmsegmentations_tiles_are_put_together(tmp_path):
    root = tmp_path / "root"
    train = ("2_10", "2_11", "3_10", "4_10", "5_10", "6_7", "7_7")
    for tile in TILES:
        pixels = np.random.default_rng(int(tile.replace("_", ""))).integers(0, 256, (80, 80, 3), dtype=np.uint8)
        for left, top, right, bottom in tile_boxes(80, 80, 32, overlap=True):
            path = root / f"img_dir/{'train' if tile in train else 'val'}/{tile}_{left}_{top}_{right}_{bottom}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels[top:bottom, left:right]).save(path)
    data_set = small("potsdam", root=str(root))
    data_set = dataclasses.replace(data_set, card=dataclasses.replace(data_set.card, sizes=((80, 80),), counts={}))
    record = obtain(data_set, tmp_path / "downloads")
    prepare_hr(data_set, tmp_path / "downloads", "val", 32, tmp_path / "val", 2)
    for row in read_csv(tmp_path / "val/manifest.csv"):
        left, top, right, bottom = (row[side] for side in ("left", "top", "right", "bottom"))
        expected = read_image(root / f"img_dir/train/2_10_{left}_{top}_{right}_{bottom}.png")
        np.testing.assert_array_equal(read_image(tmp_path / f"val/{row['image']}.png"), expected)
        assert row["source_sha256"] == record["sha256"]["2_10"]
    (root / "img_dir/val/7_13_48_48_80_80.png").unlink()
    with pytest.raises(UserError, match=r"lacks 1 tiles of 7_13, the first at \(48, 48\)"):
        obtain(data_set, tmp_path / "downloads")


def test_the_environment_names_a_root(tmp_path, monkeypatch):
    from rssr.plan import jobs
    from rssr.plan.entries import transfer
    from rssr.plan.plan import Plan

    config = {
        "datasets": {"mine": {"label": "M", "module": "uavid"}},
        "models": {"b": {"label": "B", "arch": "bicubic"}},
    }
    monkeypatch.setenv("RSSR_ROOT_UAVID", str(tmp_path))
    assert json.loads(jobs.data_set(Plan(config, "test"), "mine"))["root"] == str(tmp_path)
    assert "nothing is transferred" in transfer("mine", "Mine", Plan(config, "test").data_sets["mine"])
    monkeypatch.delenv("RSSR_ROOT_UAVID")
    assert "root" not in json.loads(jobs.data_set(Plan(config, "test"), "mine"))


def test_a_root_that_has_moved_is_named_with_the_key_to_correct(tmp_path):
    root = write(tmp_path / "root", potsdam_files())
    obtain(small("potsdam", root=str(root)), tmp_path / "downloads")
    root.rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="is a broken link, to .*/root/.*: put that back, or correct the `root`"):
        prepare_hr(small("potsdam", root=str(root)), tmp_path / "downloads", "val", 32, tmp_path / "out", 1)


def test_another_number_of_tiles_than_the_paper_has_is_refused(tmp_path):
    root = write(tmp_path / "root", potsdam_files())
    data_set = small("potsdam", root=str(root))
    obtain(data_set, tmp_path / "downloads")
    data_set = dataclasses.replace(data_set, card=dataclasses.replace(data_set.card, tile=32))
    with pytest.raises(UserError, match="split 'val' has 4 HR images, not 144"):
        prepare_hr(data_set, tmp_path / "downloads", "val", 32, tmp_path / "out", 1)
    assert not (tmp_path / "out/manifest.csv").exists()


# Parts.


def test_a_part_is_taken_only_where_it_is_asked_for(tmp_path):
    root = write(tmp_path / "root", {name: content for name, content in rsscn7_files().items() if name[-5] in "15"})
    message = refused(small("rsscn7", root=str(root)), tmp_path / "downloads")
    assert "2240 of 2800 images cannot be used" in message
    part = small("rsscn7", root=str(root), subset=True, split={"test": "*"})
    assert part.part == "a part, 560 of 2800 source images, own split"
    assert list(obtain(part, tmp_path / "downloads")["sha256"]) == list(part.splits["test"])
    assert len(part.sources) == 560
    assert small("rsscn7", root=str(root), subset=True).part == "a part, 560 of 2800 source images"
    own = build({"module": "uavid", "split": {"train": ["seq1/*", "seq2/*"], "test": "seq3/*"}})
    assert own.splits == {
        "train": ("seq1/000000", "seq1/000900", "seq2/000000", "seq2/000900"),
        "test": ("seq3/000000", "seq3/000900"),
    }
    for entry, message in (
        ({"subset": True}, "`subset` needs `root`"),
        ({"subset": True, "root": str(tmp_path / "downloads/none")}, "there is no folder"),
        ({"split": {"test": "seq99/*"}}, "no image of the data set matches 'seq99"),
        ({"split": {"test": "*", "train": "seq1/*"}}, "is in two places of `split`"),
    ):
        with pytest.raises(UserError, match=message):
            build({"module": "uavid", **entry})


def test_titles_tell_of_a_part(tmp_path):
    from rssr.plan.plan import Plan

    root = write(tmp_path / "root", {"aGrass/a001.jpg": b"a"})
    entry = {"label": "RSSCN7", "module": "rsscn7", "root": str(root), "subset": True, "split": {"test": "*"}}
    plan = Plan({"datasets": {"r": entry}, "models": {"b": {"label": "B", "arch": "bicubic"}}}, "test")
    conditions = "x4, LR by bicubic reduction (MATLAB), 8 bit, border crop 4"
    assert plan.test_sets[0].title == f"RSSCN7 (a part, 1 of 2800 source images, own split), {conditions}"


# Real sizes and real images.


def test_a_whole_orthophoto_is_read_by_windows(tmp_path, monkeypatch):
    """6000x6000 pixels in the real tree: 144 tiles, in the memory of a few rows of them."""
    from rssr.metrics.latency import cpu_peak_mib

    root = tmp_path / "root/2_Ortho_RGB"
    root.mkdir(parents=True)
    path = root / "top_potsdam_2_10_RGB.tif"
    random = np.random.default_rng(0)
    shape = {"height": 6000, "width": 6000, "count": 3, "dtype": "uint8", "photometric": "RGB", "tiled": True}
    with rasterio.open(path, "w", driver="GTiff", blockxsize=608, blockysize=608, **shape) as file:
        row = random.integers(0, 256, (3, 750, 6000), dtype=np.uint8)
        for top in range(0, 6000, 750):
            file.write(np.roll(row, top, 2), window=rasterio.windows.Window(0, top, 6000, 750))
    data_set = build({"module": "potsdam", "root": str(tmp_path / "root"), "subset": True})
    assert data_set.splits == {"val": ("2_10",)}
    obtain(data_set, tmp_path / "downloads")
    written = {}
    monkeypatch.setattr(
        "rssr.datasets.prepare.write_image",
        lambda path, pixels, compress: written.setdefault(path.stem, sha(pixels)) and "",
    )

    def prepare():
        prepare_hr(data_set, tmp_path / "downloads", "val", 512, tmp_path / "val", 2)

    peak = cpu_peak_mib(prepare)
    assert len(written) == 144
    assert peak is None or peak < 300  # the whole: 108 MB as bytes, 432 MB in float32
    whole = read_image(path)
    for left, top in ((0, 0), (512, 1024), (5488, 5488)):
        assert written[f"2_10_x{left}_y{top}"] == sha(whole[top : top + 512, left : left + 512])


def sha(pixels: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels)).hexdigest()


def test_real_rsscn7_is_what_its_checksums_say(shared, tmp_path):
    """The 700 images beside the checkout, as a user with a part of the data set uses them."""
    root = str(shared / "rsscn7")
    with pytest.raises(UserError, match="2100 of 2800 images cannot be used: .* is missing"):
        obtain(build({"module": "rsscn7", "root": root}), tmp_path / "whole")
    part = build({"module": "rsscn7", "root": root, "subset": True, "split": {"test": "*"}})
    assert part.part == "a part, 700 of 2800 source images, own split"
    record = obtain(part, tmp_path / "part")
    assert len(record["sha256"]) == 700
    assert (ROOT / "datasets/rsscn7.sha256").read_bytes() == (shared / "rsscn7.sha256").read_bytes()


def test_bicubic_on_real_rsscn7_is_what_was_committed(shared):
    """Some of the test images that are at hand, reduced, enlarged and scored here."""
    from rssr.base.resampling import to_uint8
    from rssr.datasets.degrade import degrade, imresize
    from rssr.metrics.fidelity import psnr

    rows = read_csv(ROOT / "results/reference/rsscn7/scores/rsscn7/x4-bicubic/bicubic.csv")
    assert len(rows) == 1400
    at_hand = [row for row in rows if (shared / f"rsscn7/{row['source']}.jpg").exists()]
    assert len(at_hand) > 300
    for row in at_hand[::7]:
        hr = read_tensor(shared / f"rsscn7/{row['source']}.jpg")
        sr = to_uint8(imresize(degrade(hr, "bicubic", 4).float() / 255, 4))
        assert psnr(sr[None], hr[None], crop=4, channel="y").item() == pytest.approx(float(row["psnr_y"]), abs=1e-3)
