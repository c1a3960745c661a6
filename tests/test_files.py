"""Files that are whole or absent."""

import io
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.base.files import (
    check_digest,
    decode_png,
    encode_png,
    from_here,
    read_csv,
    read_image,
    read_json,
    replacing,
    sha256,
    size_in_words,
    write_csv,
    write_image,
    write_json,
)

PIXELS = np.zeros((8, 8, 3), np.uint8)


def test_sizes_have_a_unit_in_which_they_are_not_zero():
    sizes = {1.25e9: "1.2 GB", 1e8: "0.1 GB", 99e6: "99.0 MB", 1e5: "0.1 MB", 99e3: "99.0 kB", 120: "0.1 kB"}
    assert {size: size_in_words(size) for size in sizes} == sizes


def test_a_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_what_was_there(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(RuntimeError), replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert (tmp_path / "a.txt").read_text() == "old"


def test_names_may_be_as_long_as_names_can_be(tmp_path):
    path = tmp_path / ("x" * 251 + ".png")
    write_image(path, PIXELS)
    np.testing.assert_array_equal(read_image(path), PIXELS)
    with replacing(tmp_path / "a.png") as one, replacing(tmp_path / "b.png") as other:
        assert one.suffix == ".png"
        one.write_text("a")
        other.write_text("b")
    assert [(tmp_path / f"{name}.png").read_text() for name in "ab"] == ["a", "b"]


def test_what_cannot_be_written_is_called_as_the_user_calls_it(tmp_path):
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / ("x" * 256)):
        with pytest.raises(OSError) as error, replacing(path) as temporary:
            temporary.write_text("content")
        assert str(error.value.filename) == str(path)
    with pytest.raises(OSError) as error, replacing(tmp_path / "out"):
        (tmp_path / "input").read_text()
    assert Path(error.value.filename) == tmp_path / "input", "what the block reads keeps its name"
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")  # noqa: PTH110
def test_full_disk_is_one_sentence_and_leaves_nothing(tmp_path):
    """The temporary file is a link to /dev/full, which answers every write as a full disk does."""
    script = f"""
from pathlib import Path
import numpy as np
from rssr.base.process import run
from rssr.base.files import replacing, write_image
path = Path({str(tmp_path)!r}) / "a.png"
with replacing(path) as temporary:
    temporary.touch()
temporary.symlink_to("/dev/full")
path.unlink()
run(lambda: write_image(path, np.zeros((300, 300, 3), np.uint8)))
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert result.returncode == 1
    assert result.stderr.strip() == (
        f"error: no space left on the disk while writing {tmp_path}/a.png: free some and run again"
    )
    assert list(tmp_path.iterdir()) == []


def test_unreadable_images_are_named(tmp_path):
    path = tmp_path / "a.png"
    with pytest.raises(UserError, match="there is no file .*a.png: correct its name, or run again"):
        read_image(path)
    path.write_text("not an image")
    with pytest.raises(UserError, match="a.png cannot be read as an image"):
        read_image(path)
    write_image(path, np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(UserError, match="a.png cannot be read as an image"):
        read_image(path)


def test_images_and_tables_survive_a_round_trip(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    write_image(tmp_path / "a.png", pixels)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), pixels)
    write_csv(tmp_path / "a.csv", [{"x": 1 / 3, "y": "a,b"}])
    assert float(read_csv(tmp_path / "a.csv")[0]["x"]) == 1 / 3


def test_wrong_checksum_is_named(tmp_path):
    (tmp_path / "a").write_text("x")
    check_digest(tmp_path / "a", sha256(tmp_path / "a"))
    with pytest.raises(UserError, match="has the sha256 .* but 0000"):
        check_digest(tmp_path / "a", "0" * 64)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1), (40, 33)])
def test_png_keeps_every_pixel(shape):
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for pixels, compress in itertools.product((noise, np.full_like(noise, 7)), (True, False)):
        file = encode_png(pixels, compress)
        with Image.open(io.BytesIO(file)) as image:
            image.verify()
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(file))), pixels)
    with pytest.raises(ValueError, match="uint8 is expected"):
        encode_png(noise.astype(float))


def test_png_of_photographs_is_hardly_larger_than_pils():
    coarse = np.random.default_rng(0).integers(40, 215, (24, 24, 3), dtype=np.uint8)
    pixels = np.asarray(Image.fromarray(coarse).resize((256, 256), Image.Resampling.BICUBIC)).astype(int)
    pixels = np.clip(pixels + np.random.default_rng(1).normal(0, 4, pixels.shape), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    assert len(encode_png(pixels)) < 1.2 * len(file.getvalue())


def test_what_the_checkout_has_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped = "models/weights/edsr_xs.safetensors"
    assert from_here("elsewhere.pth") == "elsewhere.pth"
    assert Path(from_here(shipped)).samefile(ROOT / shipped) and not Path(from_here(shipped)).is_absolute()
    (tmp_path / shipped).parent.mkdir(parents=True)
    (tmp_path / shipped).write_text("my own")
    assert from_here(shipped) == shipped
    monkeypatch.chdir(ROOT)
    assert from_here(shipped) == shipped


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("[1, 2]", r"it holds list, and not an object"),
        ("3", "it holds int"),
        ("null", "it holds NoneType"),
        ('{"a": ', "Expecting value"),
        ('{"a": ' * 100_000, "recursion"),
    ],
)
def test_a_record_that_is_no_object_is_damaged(tmp_path, content, why):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(UserError, match=rf"a\.json is damaged \(.*{why}.*\): delete it and run again"):
        read_json(tmp_path / "a.json")


def test_what_a_record_lacks_is_asked_for_in_vain(tmp_path):
    record = {"absent": {"lpips": "no network"}, "images": [{"name": "a"}]}
    write_json(tmp_path / "a.json", record)
    found = read_json(tmp_path / "a.json")
    assert found == record and found.get("profile") is None and json.loads(json.dumps(found)) == record
    for ask in (lambda: found["profile"], lambda: found["absent"]["psnr"], lambda: found["images"][0]["side"]):
        with pytest.raises(UserError, match=r"a\.json is damaged \(it has no '(profile|psnr|side)'\)"):
            ask()
    write_csv(tmp_path / "a.csv", [{"image": "a"}])
    with pytest.raises(UserError, match=r"a\.csv is damaged \(it has no 'source'\)"):
        read_csv(tmp_path / "a.csv")[0]["source"]


@pytest.mark.parametrize(
    ("free", "log", "said"),
    [
        (2**10, "all is lost\n", "error: no space left on the disk of .: free some and run again\n"),
        (2**40, "all is lost\n", ""),
        (2**10, "error: a\nb\nerror: c\nerror: a\n", "error: a\nerror: c\n"),
    ],
)
def test_what_a_full_disk_has_no_room_to_log_is_said_at_the_end(tmp_path, free, log, said):
    (tmp_path / "a.log").write_text(log)
    code = (
        "import shutil, collections; from rssr.base.process import repeat_errors\n"
        f"shutil.disk_usage = lambda _: collections.namedtuple('Usage', 'free')({free})\n"
        "repeat_errors(['a.log'], '.')"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, said)


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 7, 3), (36, 50, 3)])
def test_uncompressed_images_are_decoded_as_by_pillow_and_no_others(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    content = encode_png(pixels, compress=False)
    np.testing.assert_array_equal(decode_png(content), pixels)
    np.testing.assert_array_equal(Image.open(io.BytesIO(content)), pixels)
    damaged = [bytes([*content[:at], content[at] ^ 1, *content[at + 1 :]]) for at in range(len(content))]
    for other in (encode_png(pixels), b"", content[:40], content[:-1], content + b"x", *damaged):
        assert decode_png(other) is None


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_a_folder_is_no_file_to_write(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=" is a folder: name a file in it$"), replacing(Path(name)):
        pass
    assert not any(tmp_path.iterdir())
