"""Tiles, splits, folders of images and the embedded scenes."""

import os
import subprocess
import unicodedata
import zipfile
from functools import partial

import numpy as np
import pytest
import rasterio
from PIL import Image

from rssr.base.errors import UserError
from rssr.base.files import read_csv, read_image, sha256, write_image
from rssr.config import validate
from rssr.datasets import neon, tiles
from rssr.datasets.folder import data_set
from rssr.datasets.prepare import prepare_hr, prepare_lr
from rssr.datasets.registry import MODULES, build
from rssr.plan.entries import data_set as planned_set


def test_overlapping_tiles_cover_the_image_and_end_flush():
    tile_boxes = partial(tiles.tile_boxes, overlap=True)
    boxes = tile_boxes(6000, 6000, 512)
    assert len(boxes) == 144  # 12 an axis: facts of the paper
    assert boxes[-1] == (5488, 5488, 6000, 6000)
    assert len(tile_boxes(3840, 2160, 512)) == 40
    assert len(tile_boxes(4096, 2160, 512)) == 40
    covered = np.zeros((70, 100), int)
    for left, top, right, bottom in tile_boxes(100, 70, 32):
        covered[top:bottom, left:right] += 1
    assert covered.min() == 1
    assert tile_boxes(30, 20, None) == [(0, 0, 30, 20)]
    assert tiles.repeated(tile_boxes(100, 70, 32))[:4] == [0, 0, 0, 28 * 32]
    with pytest.raises(UserError, match="shorter than the tile"):
        tile_boxes(30, 100, 32)


def test_tiles_share_no_pixel_unless_a_protocol_says_so():
    boxes = tiles.tile_boxes(110, 70, 32)
    assert boxes[:3] == [(3, 2, 35, 34), (38, 2, 70, 34), (73, 2, 105, 34)] and len(boxes) == 6
    assert tiles.repeated(boxes) == [0] * 6 and tiles.tile_boxes(64, 32, 32) == [(0, 0, 32, 32), (32, 0, 64, 32)]
    overlapping = [name for name in MODULES if build({"module": name}).card.overlap]
    assert overlapping == ["potsdam", "uavid"], "their counts are the paper's"


@pytest.mark.parametrize("name", MODULES)
def test_cards_are_complete_and_splits_disjoint(name):
    data_set = build({"module": name})
    card = data_set.card
    assert all([card.licence, card.citation, card.page, card.gsd_m])
    assert not set(data_set.splits["train"]) & set(data_set.splits["test"])


def images(folder, **sizes):
    for name, (height, width) in sizes.items():
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        path = folder / f"{name.replace('__', '/')}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def test_own_folder_is_prepared_with_manifests(tmp_path):
    images(tmp_path / "own", train__a=(40, 48), test__a=(40, 48), test__b=(32, 32))
    entry = {
        "label": "Own",
        "images": str(tmp_path / "own"),
        "split": {"train": "train/*", "test": ["test/a*", "test/b*"]},
    }
    data_set = build(entry)
    assert data_set.splits == {"train": ("train/a",), "test": ("test/a", "test/b")}
    out = tmp_path / "test"
    prepare_hr(data_set, tmp_path, "test", 32, out, 2)
    prepare_lr(out, tmp_path / "LR", "bicubic", 4, 2)
    rows = read_csv(out / "manifest.csv")
    assert [row["image"] for row in rows] == [
        "test_a_x8_y4", "test_b_x0_y0",
    ]  # fmt: skip
    for row in rows:
        path = out / f"{row['image']}.png"
        assert sha256(path) == row["sha256"]
        left, top, right, bottom = (int(row[side]) for side in ("left", "top", "right", "bottom"))
        source = read_image(tmp_path / "own" / f"{row['source']}.png")
        np.testing.assert_array_equal(read_image(path), source[top:bottom, left:right])
        assert read_image(tmp_path / "LR" / path.name).shape == (8, 8, 3)


@pytest.mark.parametrize("how", ["striped", "tiled", "jpeg", "alpha", "grey", "palette"])
def test_tiffs_of_every_kind_give_the_pixels_that_pil_sees(tmp_path, how):
    own = tmp_path / "own"
    images(own, a=(80, 100))
    pixels = read_image(own / "a.png")
    options = {"tiled": {"tiled": True, "blockxsize": 16, "blockysize": 32}, "jpeg": {"compress": "jpeg"}}
    if how in ("striped", "tiled", "jpeg"):
        shape = {"height": 80, "width": 100, "count": 3, "dtype": "uint8", "photometric": "RGB"}
        with rasterio.open(own / "a.tif", "w", driver="GTiff", **shape | options.get(how, {})) as file:
            file.write(pixels.transpose(2, 0, 1))
    else:
        mode = {"alpha": "RGBA", "grey": "L", "palette": "P"}[how]
        Image.fromarray(pixels).convert(mode).save(own / "a.tif")
    data_set = build({"images": str(own), "split": {"test": "*.tif"}})
    prepare_hr(data_set, own, "test", 32, tmp_path / "out", 2)
    whole = read_image(own / "a.tif")
    for row in read_csv(tmp_path / "out/manifest.csv"):
        left, top, right, bottom = (int(row[side]) for side in ("left", "top", "right", "bottom"))
        found = read_image(tmp_path / f"out/{row['image']}.png")
        np.testing.assert_array_equal(found, whole[top:bottom, left:right])


@pytest.mark.parametrize(("width", "height"), [(3, 48), (48, 3), (1, 1)])
def test_an_image_of_less_than_one_lr_pixel_is_refused(tmp_path, width, height):
    write_image(tmp_path / "own/a.png", np.zeros((height, width, 3), np.uint8))
    with pytest.raises(UserError, match=f"a.png has {width}x{height} pixels, where each side needs 4 at x4: remove it"):
        prepare_hr(data_set(str(tmp_path / "own"), {"test": "*"}), tmp_path, "test", None, tmp_path / "hr", 1, 4)
    with pytest.raises(UserError, match="`split` has no pattern for test: give one"):
        data_set(str(tmp_path / "own"), {"test": []})


def test_names_that_meet_are_refused(tmp_path):
    images(tmp_path / "own", a__b=(16, 16), a_b=(16, 16))
    data_set = build({"images": str(tmp_path / "own"), "split": {"test": "**/*"}})
    with pytest.raises(UserError, match="both called 'a_b'"):
        prepare_hr(data_set, tmp_path, "test", None, tmp_path / "out", 1)
    assert not (tmp_path / "out/manifest.csv").exists()


def test_one_image_in_two_splits_is_refused(tmp_path):
    images(tmp_path / "own", a=(16, 16), b=(16, 16))
    with pytest.raises(UserError, match="a.png is in two places of `split`: correct the patterns"):
        build({"images": str(tmp_path / "own"), "split": {"train": "*", "test": "a*"}})
    Image.new("RGB", (16, 16)).save(tmp_path / "own/a.jpg")
    with pytest.raises(UserError, match="a.jpg and .*a.png are one image by name"):
        build({"images": str(tmp_path / "own"), "split": {"train": "*.jpg", "test": "a.png"}})
    with pytest.raises(UserError, match="is absolute"):
        build({"images": str(tmp_path / "own"), "split": {"test": "/a*"}})


def test_preparing_twice_gives_the_same_bytes(tmp_path):
    images(tmp_path / "own", a=(64, 64))
    data_set = build({"images": str(tmp_path / "own"), "split": {"test": "*"}})
    for out in ("one", "two"):
        prepare_hr(data_set, tmp_path, "test", 32, tmp_path / out / "HR-x4", 2)
        prepare_lr(tmp_path / out / "HR-x4", tmp_path / out / "LR/x4-bicubic", "bicubic", 4, 2)
    for name in ("HR-x4/manifest.csv", "LR/x4-bicubic/manifest.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.fixture
def fake_wheel(tmp_path, monkeypatch):
    """A wheel with the real member names and small images."""
    images(tmp_path, small=(16, 16))
    wheel = tmp_path / "fake.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for member in neon.MEMBERS.values():
            archive.write(tmp_path / "small.png", member)
    monkeypatch.setattr(neon, "SHA256", sha256(wheel))
    return wheel


def pip(monkeypatch, content: bytes | None, message: str = ""):
    def run(command, **_):
        if content is not None:
            (folder := command[command.index("--dest") + 1])
            with open(f"{folder}/{neon.WHEEL}", "wb") as file:  # noqa: PTH123
                file.write(content)
        return subprocess.CompletedProcess(command, 0 if content is not None else 1, "", message)

    monkeypatch.setattr(neon.subprocess, "run", run)


def test_neon_is_fetched_checked_and_unpacked(tmp_path, fake_wheel, monkeypatch):
    pip(monkeypatch, fake_wheel.read_bytes())
    folder = tmp_path / "neon"
    neon.fetch(folder)
    assert {path.stem for path in folder.iterdir()} == {*neon.MEMBERS, fake_wheel.stem.replace("fake", neon.WHEEL[:-4])}
    pip(monkeypatch, None)  # there already: pip is not asked again
    neon.fetch(folder)


def test_neon_truncated_download_is_refused(tmp_path, fake_wheel, monkeypatch):
    pip(monkeypatch, fake_wheel.read_bytes()[:-10])
    with pytest.raises(UserError, match="has the sha256 .* was expected"):
        neon.fetch(tmp_path / "neon")
    assert not (tmp_path / "neon/YELL_528000.png").exists()


def test_neon_without_a_network_says_what_to_do(tmp_path, monkeypatch):
    pip(monkeypatch, None, "WARNING: x\nERROR: No matching distribution found for deepforest==2.1.0\n")
    with pytest.raises(
        UserError, match="No matching distribution found.*connect to the network, or put deepforest-2.1.0"
    ):
        neon.fetch(tmp_path / "neon")


def test_links_to_folders_are_followed_but_not_in_circles_and_broken_ones_are_named(tmp_path):
    write_image(tmp_path / "far/deep/a.png", np.zeros((8, 8, 3), np.uint8))
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "linked").symlink_to(tmp_path / "far")
    (tmp_path / "far/back").symlink_to(mine)
    (mine / "b.png").symlink_to(tmp_path / "far/deep/a.png")
    (mine / "notes.txt").symlink_to(tmp_path / "gone.txt")
    for pattern in ("**/*", "**/*.png"):
        assert data_set(str(mine), {"test": pattern}).splits["test"] == ("b", "linked/deep/a")
    assert data_set(str(mine), {"test": "linked/*/*"}).splits["test"] == ("linked/deep/a",)
    for name, pattern in (("c.png", "*"), ("set", "*/*.png"), ("set", "set/*")):
        (mine / name).symlink_to(tmp_path / "gone")
        with pytest.raises(UserError, match=rf"{name} is a broken link, to .*/gone: put that back, or correct"):
            data_set(str(mine), {"test": pattern})
        (mine / name).unlink()
    (tmp_path / "lost").symlink_to(tmp_path / "gone")
    with pytest.raises(UserError, match=r"lost is a broken link, to .*/gone"):
        data_set(str(tmp_path / "lost"), {"test": "*"})


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    write_image(tmp_path / "a/1.png", np.zeros((8, 8, 3), np.uint8))
    monkeypatch.setattr(os, "access", lambda path, _: path.name != "a")  # root may read all
    for pattern in ("*/*", "**/*", "a/*.png"):
        with pytest.raises(UserError, match="the folder .*/a cannot be read: correct its permissions"):
            data_set(str(tmp_path), {"test": pattern})


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_pattern_matches_both_ways_to_write_an_accent(tmp_path, form):
    write_image(tmp_path / unicodedata.normalize(form, "é/ü.png"), np.zeros((8, 8, 3), np.uint8))
    for pattern in ("\u00e9/*", "e\u0301/\u00fc.png"):
        assert len(data_set(str(tmp_path), {"test": pattern}).splits["test"]) == 1


@pytest.mark.parametrize("name", ["scene.dib", "scene.NTF", "scene.j2c"])
def test_no_format_that_is_read_is_skipped(tmp_path, name):
    (tmp_path / name).touch()
    assert data_set(str(tmp_path), {"test": "*"}).splits["test"] == ("scene",)
    (tmp_path / "other.fits").touch()
    with pytest.raises(UserError, match="other.fits is of a format that is not read: convert it"):
        data_set(str(tmp_path), {"test": "*"})


def test_a_screenshot_of_macos_keeps_its_name(tmp_path):
    (tmp_path / "Bild 9.41\u202fAM.png").touch()
    assert data_set(str(tmp_path), {"test": "*"}).splits["test"] == ("Bild 9.41\u202fAM",)


@pytest.mark.parametrize(
    "name",
    ["x" * 201, "tab\t.png", "line\n.png", os.fsdecode(b"latin\xe9.png"), "é" * 101, "a\u202eb.png", "a\u2028b.png"],
)
def test_a_name_that_results_cannot_have_is_refused_with_the_rule(tmp_path, name):
    (tmp_path / name.removesuffix(".png")).with_suffix(".png").touch()
    with pytest.raises(UserError, match="names are printable UTF-8 of at most 200 bytes: rename it"):
        data_set(str(tmp_path), {"test": "*"})


def test_a_unit_that_is_not_in_every_name_is_refused(tmp_path):
    """Its images would be units of their own, and intervals too narrow."""
    for name in ("train/x", "test/Seq01_a", "test/Seq01_b", "test/other"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (32, 32)).save(tmp_path / f"{name}.png")
    entry = {"label": "M", "images": str(tmp_path), "split": {"train": "train/*", "test": "test/*"}}
    base = {"models": {"b": {"label": "B", "arch": "bicubic"}}}
    for unit, left, first in ((r"(Seq\d+)", 1, "other"), (r"(seq\d+)", 3, "Seq01_a"), (r"(\d*)", 3, "Seq01_a")):
        config = validate(base | {"datasets": {"mine": entry | {"unit": unit}}}, "c.yaml")
        with pytest.raises(UserError, match=f"datasets.mine: `unit` finds none in {left} of 3 .* 'test/{first}'"):
            planned_set("mine", config)
    config = validate(base | {"datasets": {"mine": entry | {"unit": r"test/(Seq|o)"}}}, "c.yaml")
    assert len(planned_set("mine", config).splits["test"]) == 3
