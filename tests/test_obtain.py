"""Getting external data sets: roots and mirrors, archives, and what is refused."""

import http.server
import shutil
import zipfile
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import pytest
from field_trees import (
    FILES,
    SEQUENCES,
    drawn,
    encoded,
    potsdam_files,
    refused,
    rsscn7_files,
    small,
    uavid_files,
    write,
    zipped,
)
from PIL import Image
from runs import serving

from rssr.base import fetch
from rssr.base.errors import UserError
from rssr.datasets.card import Mirror
from rssr.datasets.obtain import obtain
from rssr.datasets.registry import EXTERNAL


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
    assert "1 of 2800 images cannot be used: cIndustry/c007 differs from the file that its publisher offers" in message


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

    with serving(Handler) as running:
        running.files, running.asked = {}, []
        yield running


@pytest.mark.parametrize("name", EXTERNAL)
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
