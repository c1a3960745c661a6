"""Potsdam, UAVid and RSSCN7: their splits, the trees they come in, mirrors, and what is refused."""

import dataclasses
import hashlib
import http.server
import io
import json
import shutil
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import pytest
import rasterio
import torch
from PIL import Image

from rssr import fetch
from rssr.code import ROOT
from rssr.config import load
from rssr.datasets import rsscn7
from rssr.datasets.card import DataSet, Mirror
from rssr.datasets.obtain import obtain
from rssr.datasets.prepare import prepare_hr
from rssr.datasets.registry import PUBLISHED, build
from rssr.datasets.tiles import tile_boxes
from rssr.errors import UserError
from rssr.files import read_csv, read_image, sha256

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


# Cards and splits.


@pytest.mark.parametrize("name", PUBLISHED)
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
        a_source = len(tile_boxes(width, height, data_set.card.tile))
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
    assert {split: list(sources) for split, sources in splits.items()} == rsscn7.draw()
    for split, count in {"train": 160, "val": 40, "test": 200}.items():
        for name in rsscn7.CLASSES:
            assert sum(source.startswith(name) for source in splits[split]) == count


def test_the_papers_configuration_names_them():
    config = load(ROOT / "config/paper.yaml")
    assert [entry.module for entry in config.datasets.values()] == list(PUBLISHED)
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
        for left, top, right, bottom in tile_boxes(80, 80, 32):
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
        np.testing.assert_array_equal(read_image(tmp_path / f"val/HR/{row['image']}.png"), expected)
        assert row["source_sha256"] == record["sha256"]["2_10"]
    (root / "img_dir/val/7_13_48_48_80_80.png").unlink()
    with pytest.raises(UserError, match=r"lacks 1 tiles of 7_13, the first at \(48, 48\)"):
        obtain(data_set, tmp_path / "downloads")


def test_the_environment_names_a_root(tmp_path, monkeypatch):
    from rssr.dag import Dag

    config = {
        "datasets": {"mine": {"label": "M", "module": "uavid"}},
        "models": {"b": {"label": "B", "arch": "bicubic"}},
    }
    monkeypatch.setenv("RSSR_ROOT_UAVID", str(tmp_path))
    assert json.loads(Dag(config, "test").dataset("mine"))["root"] == str(tmp_path)
    assert "nothing is transferred" in Dag(config, "test").fetched_from("mine")
    monkeypatch.delenv("RSSR_ROOT_UAVID")
    assert "root" not in json.loads(Dag(config, "test").dataset("mine"))


# What is refused.


def refused(data_set: DataSet, folder: Path) -> str:
    with pytest.raises(UserError) as error:
        obtain(data_set, folder)
    return str(error.value)


def test_a_folder_without_the_images_is_one_sentence(tmp_path):
    write(tmp_path / "root", {"readme.txt": b"nothing here"})
    message = refused(small("uavid", root=str(tmp_path / "root")), tmp_path / "downloads")
    assert "84 of 84 images cannot be used: seq1/000000 is missing; " in message
    assert message.endswith(" (Hugging Face)") and "get it from https://uavid.nl and set `root:`" in message
    assert "\n" not in message
    with pytest.raises(UserError, match="there is no folder"):
        obtain(small("uavid", root=str(tmp_path / "no")), tmp_path / "downloads")


def test_a_missing_tile_and_a_short_sequence_are_listed(tmp_path):
    root = write(tmp_path / "potsdam", potsdam_files())
    for tile in ("2_13", "7_13", "2_12"):  # the last one is not of the paper
        (root / f"2_Ortho_RGB/top_potsdam_{tile}_RGB.tif").unlink()
    message = refused(small("potsdam", root=str(root)), tmp_path / "a")
    assert "2 of 21 images cannot be used: 2_13 is missing; 7_13 is missing: get it from" in message
    root = write(tmp_path / "uavid", uavid_files())
    for frame in range(500, 1000, 100):
        (root / f"uavid_v1.5_official_release_image/uavid_test/seq21/Images/{frame:06d}.png").unlink()
    assert "1 of 84 images cannot be used: seq21/000900 is missing" in refused(
        small("uavid", root=str(root)), tmp_path / "b"
    )


def test_another_root_does_not_borrow_from_the_last_one(tmp_path):
    one, other = (write(tmp_path / name, potsdam_files()) for name in ("one", "other"))
    obtain(small("potsdam", root=str(one)), tmp_path / "downloads")
    (other / "2_Ortho_RGB/top_potsdam_2_10_RGB.tif").unlink()
    message = refused(small("potsdam", root=str(other)), tmp_path / "downloads")
    assert "1 of 21 images cannot be used: 2_10 is missing" in message
    assert (tmp_path / "downloads/2_11.tif").resolve().is_relative_to(other)
    assert (one / "2_Ortho_RGB/top_potsdam_2_10_RGB.tif").exists()


def test_wrong_sizes_labels_and_damaged_images_are_listed(tmp_path):
    root = write(tmp_path / "root", potsdam_files())
    where = root / "2_Ortho_RGB"
    Image.fromarray(drawn("x")[:32]).save(where / "top_potsdam_2_10_RGB.tif")
    label = np.array([[255, 0, 0], [0, 0, 255], [255, 255, 0]], np.uint8)[drawn("x")[..., 0] % 3]
    Image.fromarray(label).save(where / "top_potsdam_2_11_RGB.tif")
    Image.fromarray(drawn("x")[..., 0] % 6).save(where / "top_potsdam_3_10_RGB.tif")
    (where / "top_potsdam_4_10_RGB.tif").write_bytes(b"no image")
    message = refused(small("potsdam", root=str(root)), tmp_path / "downloads")
    assert "4 of 21 images" in message
    assert "2_10 has 64x32 pixels, not 64x64" in message
    assert "2_11 has only 3 colours: is it a label image?" in message
    assert "3_10 has 1 channels of uint8, not RGB of 8 bits: is it a label image?" in message
    assert "4_10 cannot be read as an image" in message


def test_a_changed_image_of_rsscn7_is_named(tmp_path):
    root = write(tmp_path / "root", rsscn7_files())
    (root / "RSSCN7-master/cIndustry/c007.jpg").write_bytes(b"another")
    message = refused(small("rsscn7", root=str(root)), tmp_path / "downloads")
    assert "1 of 2800 images cannot be used: cIndustry/c007 has another content than published" in message


def test_another_number_of_tiles_than_the_paper_has_is_refused(tmp_path):
    root = write(tmp_path / "root", potsdam_files())
    data_set = small("potsdam", root=str(root))
    obtain(data_set, tmp_path / "downloads")
    data_set = dataclasses.replace(data_set, card=dataclasses.replace(data_set.card, tile=32))
    with pytest.raises(UserError, match="split 'val' has 4 HR images, not 144"):
        prepare_hr(data_set, tmp_path / "downloads", "val", 32, tmp_path / "out", 1)
    assert not (tmp_path / "out/manifest.csv").exists()


@pytest.mark.parametrize("name", ["../../evil.tif", "/evil.tif"])
def test_an_archive_that_leads_out_of_itself_is_refused(tmp_path, name):
    write(tmp_path / "root", {"a.zip": zipped(potsdam_files() | {name: b"evil"})})
    assert "leads out of it" in refused(small("potsdam", root=str(tmp_path / "root")), tmp_path / "downloads")
    assert not list(tmp_path.rglob("evil.tif"))


def test_links_bombs_and_damage_in_archives_are_refused(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    data_set = small("potsdam", root=str(root))
    with zipfile.ZipFile(root / "a.zip", "w") as archive:
        link = zipfile.ZipInfo("2_Ortho_RGB/top_potsdam_2_10_RGB.tif")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert "leads out of it" in refused(data_set, tmp_path / "downloads")
    with zipfile.ZipFile(root / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("2_Ortho_RGB/top_potsdam_2_10_RGB.tif", bytes(10_000_000))
    assert "would have more than" in refused(data_set, tmp_path / "downloads")
    whole = zipped(potsdam_files())
    (root / "a.zip").write_bytes(whole[:-50])
    assert "cannot be unpacked (File is not a zip file)" in refused(data_set, tmp_path / "downloads")
    middle = 1000  # of the first image
    (root / "a.zip").write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    assert "cannot be unpacked (Bad CRC-32" in refused(data_set, tmp_path / "downloads")


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
    from rssr.dag import Dag

    root = write(tmp_path / "root", {"aGrass/a001.jpg": b"a"})
    entry = {"label": "RSSCN7", "module": "rsscn7", "root": str(root), "subset": True, "split": {"test": "*"}}
    dag = Dag({"datasets": {"r": entry}, "models": {"b": {"label": "B", "arch": "bicubic"}}}, "test")
    title = "RSSCN7 (a part, 1 of 2800 source images, own split), x4, LR by bicubic reduction (MATLAB), 8 bit"
    assert dag.title("r", "bicubic") == title


# Mirrors.


@pytest.fixture
def server(monkeypatch):
    """Serves `files` of itself; a path whose content is None breaks off, the first time only."""
    monkeypatch.setattr(fetch, "WAITS", (0, 0))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            body = self.server.files.get(self.path)
            if body is None:
                return self.send_error(404)
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body) - start))
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Type", "text/html" if body.startswith(b"<html") else "application/zip")
            self.end_headers()
            self.wfile.write(body[start : start + len(body) // 2 + 1])  # every transfer breaks off half way

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.files, running.asked = {}, []
        running.url = f"http://127.0.0.1:{running.server_port}"
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.mark.parametrize("name", PUBLISHED)
def test_mirrors_are_tried_in_turn_until_one_has_all(server, tmp_path, name):
    files = FILES[name]()
    incomplete = dict(list(files.items())[::3])
    damaged = zipped(files)[:-30]
    server.files = {
        "/page.zip": b"<html>log in</html>",
        "/damaged.zip": damaged,
        "/part.zip": zipped(incomplete),
        "/whole.zip": zipped(files),
    }
    pages = ("gone", "page", "damaged", "part", "whole", "never")
    mirrors = [Mirror("http", f"{server.url}/{page}.zip", bytes=10**6) for page in pages]
    data_set = small(name, *mirrors)
    record = obtain(data_set, tmp_path / "downloads")
    assert record["from"] == f"http: {server.url}/whole.zip"
    assert list(record["sha256"]) == data_set.sources
    assert list(dict.fromkeys(server.asked)) == [f"/{page}.zip" for page in pages[:-1]]
    assert not list((tmp_path / "downloads").glob("*.zip")) and not list((tmp_path / "downloads").glob(".*"))
    server.asked.clear()
    obtain(data_set, tmp_path / "downloads")  # whole: nothing is asked for again
    assert server.asked == []
    lost = data_set.find(tmp_path / "downloads", data_set.sources[5])
    lost.unlink()
    obtain(data_set, tmp_path / "downloads")
    assert lost.exists()


def test_what_every_mirror_lacks_is_one_sentence(server, tmp_path):
    kinds = (("http", f"{server.url}/gone.zip"), ("kaggle", "some/one"))
    data_set = small("potsdam", *(Mirror(kind, where, bytes=1000) for kind, where in kinds))
    message = refused(data_set, tmp_path / "downloads")
    assert "no mirror has the whole data set" in message and "HTTP 404" in message and "some/one: Kaggle's " in message
    assert (
        "get it from https://www.isprs.org" in message and "2_Ortho_RGB/top_potsdam_{row}_{column}_RGB.tif" in message
    )
    assert "\n" not in message


def test_kaggles_client_is_used_where_its_credentials_are(tmp_path, monkeypatch):
    (tmp_path / "whole.zip").write_bytes(zipped(uavid_files(folder="")))
    client = tmp_path / "bin/kaggle"
    client.parent.mkdir()
    client.write_text(f'#!/bin/sh\n[ "$*" = "datasets download -d some/one -p $6" ] && cp {tmp_path}/whole.zip $6/\n')
    client.chmod(0o755)
    monkeypatch.setenv("PATH", str(client.parent), prepend=":")
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    data_set = small("uavid", Mirror("kaggle", "some/one", bytes=1000))
    assert "Kaggle's credentials are not set" in refused(data_set, tmp_path / "downloads")
    (tmp_path / "kaggle.json").write_text("{}")
    assert obtain(data_set, tmp_path / "downloads")["from"] == "kaggle: some/one"


def test_hugging_face_gives_the_wanted_files_of_one_commit(tmp_path, monkeypatch):
    files = {f"images/{SEQUENCES[n]}/seq{n}_{frame}.png": encoded(f"seq{n}/{frame}")
             for n in SEQUENCES for frame in ("000000", "000100", "000900")}  # fmt: skip
    asked = {}

    def snapshot(repository, *, repo_type, revision, allow_patterns, local_dir, max_workers):
        asked.update(repository=repository, type=repo_type, revision=revision, names=allow_patterns)
        write(local_dir, {name: files[name] for name in allow_patterns})

    def dataset_info(self, repository, revision):
        return SimpleNamespace(sha="c0ffee", siblings=[SimpleNamespace(rfilename=name) for name in files])

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", dataset_info)
    data_set = small("uavid", Mirror("huggingface", "some/one", bytes=1000))
    assert len(obtain(data_set, tmp_path / "downloads")["sha256"]) == 84
    assert (asked["repository"], asked["type"], asked["revision"]) == ("some/one", "dataset", "c0ffee")
    assert len(asked["names"]) == 84 and not any("000100" in name for name in asked["names"])


def test_no_network_at_all(tmp_path, monkeypatch):
    def unreachable(self, repository, revision):
        raise RuntimeError("[Errno -2] Name or service not known")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", unreachable)
    message = refused(small("uavid", Mirror("huggingface", "some/one", bytes=1000)), tmp_path / "downloads")
    assert "some/one: the hub's client failed ([Errno -2] Name or service not known)" in message


def test_space_is_checked_before_unpacking(tmp_path, monkeypatch):
    write(tmp_path / "root", {"a.zip": zipped(uavid_files())})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    assert "unpacking" in refused(small("uavid", root=str(tmp_path / "root")), tmp_path / "downloads")


# Real sizes and real images.


def test_a_whole_orthophoto_is_read_by_windows(tmp_path, monkeypatch):
    """6000x6000 pixels in the real tree: 144 tiles, in the memory of a few rows of them."""
    from rssr.metrics.latency import cpu_peak_mb

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
        "rssr.datasets.prepare.write_image", lambda path, pixels: written.setdefault(path.stem, sha(pixels)) and ""
    )

    def prepare():
        prepare_hr(data_set, tmp_path / "downloads", "val", 512, tmp_path / "val", 2)

    peak = cpu_peak_mb(prepare)
    assert len(written) == 144
    assert peak is None or peak < 300  # the whole: 108 MB as bytes, 432 MB in float32
    whole = read_image(path)
    for left, top in ((0, 0), (512, 1024), (5488, 5488)):
        assert written[f"2_10_x{left}_y{top}"] == sha(whole[top : top + 512, left : left + 512])


def sha(pixels: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels)).hexdigest()


def test_real_rsscn7_is_what_its_checksums_say(shared, tmp_path):
    """The 700 images beside the checkout, as whoever has a part of the data set uses them."""
    root = str(shared / "rsscn7")
    with pytest.raises(UserError, match="2100 of 2800 images cannot be used: .* is missing"):
        obtain(build({"module": "rsscn7", "root": root}), tmp_path / "whole")
    part = build({"module": "rsscn7", "root": root, "subset": True, "split": {"test": "*"}})
    assert part.part == "a part, 700 of 2800 source images, own split"
    record = obtain(part, tmp_path / "part")
    assert len(record["sha256"]) == 700
    assert (ROOT / "datasets/rsscn7.sha256").read_bytes() == (shared / "rsscn7.sha256").read_bytes()


def test_bicubic_on_real_rsscn7_is_what_was_committed(shared):
    """Every fourteenth of the 700 images, reduced, enlarged and scored here."""
    from rssr.datasets.degrade import degrade, imresize, to_uint8
    from rssr.metrics.fidelity import psnr

    rows = read_csv(ROOT / "results/reference/rsscn7_700/scores/bicubic.csv")
    assert len(rows) == 700
    assert np.mean([float(row["psnr_y"]) for row in rows]) == pytest.approx(27.88, abs=0.005)
    for row in rows[::14]:
        name, number = row["image"].split("_")
        hr = torch.from_numpy(read_image(shared / f"rsscn7/{name}/{number}.jpg").copy()).permute(2, 0, 1)
        sr = to_uint8(imresize(degrade(hr, "bicubic", 4).float() / 255, 4))
        assert psnr(sr[None], hr[None], crop=4, channel="y").item() == pytest.approx(float(row["psnr_y"]), abs=1e-3)
