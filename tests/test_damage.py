"""Damaged files of a run: each is noticed, named in a sentence whose remedy works, and never a silent other number."""

import json
import shutil

import numpy as np
import pytest
from safetensors.torch import load_file
from torch import nn

from rssr.base.errors import UserError
from rssr.base.files import read_csv, read_json, sha256, write_csv, write_image, write_json
from rssr.datasets.prepare import prepare_lr
from rssr.models.registry import build, with_weights
from rssr.models.weights import write_weights
from rssr.plan.fingerprints import Fingerprints
from rssr.plan.manifests import incomplete
from rssr.render.scores import read_measured, read_scores
from rssr.steps.patches import Patches
from rssr.steps.scoring import TestImages, score_folder, write_scores
from rssr.steps.upscaling import upscale_folder

PIXELS = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)


@pytest.fixture
def run(tmp_path):
    """A folder with hr, lr and sr of two images, and their scores."""
    for folder in ("hr", "lr", "sr"):  # as the scripts do first
        write_json(tmp_path / folder / "provenance.json", {"step": folder})
    digests = [write_image(tmp_path / f"hr/{name}.png", np.roll(PIXELS, n, 0), False) for n, name in enumerate("ab")]
    rows = [{"image": name, "source": name, "sha256": digest} for name, digest in zip("ab", digests, strict=True)]
    write_csv(tmp_path / "hr/manifest.csv", rows)
    prepare_lr(tmp_path / "hr", tmp_path / "lr", "bicubic", 4, 1)
    upscale_folder({"0": nn.Upsample(scale_factor=4)}, 1, tmp_path / "lr", tmp_path / "sr", "x", "cpu")
    score(tmp_path)
    return tmp_path


def score(folder):
    images = TestImages(folder / "hr", folder / "lr", [{"reduce": "bicubic"}], 4, 4)
    rows = score_folder(folder / "sr", images, ["psnr_y"], "", {}, 1)
    write_scores(folder / "s.csv", rows, folder / "sr/manifest.csv", images, ["psnr_y"], {})


def flip(path):
    """Change one bit, as a failing disk does."""
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)


STEPS = {
    "hr/a.png": lambda run: prepare_lr(run / "hr", run / "lr", "bicubic", 4, 1),
    "lr/b.png": lambda run: upscale_folder(
        {"0": nn.Upsample(scale_factor=4)}, 1, run / "lr", run / "other", "x", "cpu"
    ),
    "sr/0/a.png": score,
}


@pytest.mark.parametrize("name", STEPS)
def test_one_wrong_bit_of_an_image_is_noticed_where_it_is_used(run, name):
    flip(run / name)
    with pytest.raises(UserError, match=f"{name} is damaged .*: delete it and run again"):
        STEPS[name](run)
    if name != "sr/0/a.png":
        with pytest.raises(UserError, match=f"{name} is damaged"):
            score(run)
        with pytest.raises(UserError, match=f"{name} is damaged"):
            Patches(run / "hr", run / "lr", 4, {"patch": 8, "batch": 1, "seed": 0})


@pytest.mark.parametrize("name", STEPS)
def test_a_manifest_that_lost_lines_before_it_is_used_is_noticed(run, name):
    folder = run / name.split("/")[0]
    manifest, written = folder / "manifest.csv", (folder / "manifest.csv").read_bytes()
    for lost in (1, 2):
        manifest.write_bytes(b"".join(line for n, line in enumerate(written.splitlines(True)) if n != lost))
        with pytest.raises(UserError, match=r"manifest.csv is damaged \(its sha256 is .*\): delete it and run again"):
            STEPS[name](run)
        assert "is damaged" in incomplete(manifest)  # so Snakemake makes it again
    manifest.write_bytes(written)
    STEPS[name](run)
    assert read_json(folder / "provenance.json")["step"] == folder.name


@pytest.mark.parametrize("side", ["hr", "lr", "sr"])
def test_a_manifest_that_lost_a_line_is_noticed_without_its_record(run, side):
    path = run / side / "manifest.csv"
    (run / side / "provenance.json").unlink()
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(UserError, match=f"{side}/manifest.csv lacks b: it is damaged: delete it and run again"):
        score(run)


@pytest.mark.parametrize(
    "change",
    [lambda c: c[:-30], lambda c: b"".join(c.splitlines(keepends=True)[:-1]), lambda c: c.replace(b".", b".1", 1)],
)
def test_scores_that_are_not_as_written_are_not_shown(run, change):
    assert len(read_scores(run / "s.csv")) == 2
    (run / "s.csv").write_bytes(change((run / "s.csv").read_bytes()))
    with pytest.raises(UserError, match=r"s.csv is damaged .*: delete it and run again"):
        read_scores(run / "s.csv")


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"a,b\n", b"a,b\n1\n", b"a,b\n1,2,3\n", b"a,b\n1,\xff\n", b'a,b\n1,"2\n3,4\n', b"a,b\n1,2\n3"),
        *(b"a,b\n1,2", b"\0\0\0\0"),
    ],
)
def test_damaged_tables_are_one_sentence(tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    for read in (read_csv, read_measured):
        with pytest.raises(UserError, match=r"a.csv is damaged \(.*\): delete it and run again") as error:
            read(path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"a": 1}}', b"\0\0"])
def test_damaged_records_are_one_sentence_and_notes_are_made_anew(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a.json is damaged \(.*\): delete it and run again"):
        read_json(path)
    (tmp_path / "b").write_text("x")
    expected = Fingerprints(tmp_path / "none.json", write=False).of([tmp_path / "b"])
    assert Fingerprints(path, write=True).of([tmp_path / "b"]) == expected and list(read_json(path))


def test_one_wrong_bit_of_weights_is_noticed(tmp_path):
    path = tmp_path / "w.safetensors"
    entry = {"arch": "basicsr:EDSR", "args": {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_block": 1}}
    write_weights(path, build(entry).network.state_dict(), 4)
    build(with_weights(entry, path))  # without a record, as by hand
    write_json(path.with_suffix(".json"), {"sha256": sha256(path)})
    build(with_weights(entry, path))
    flip(path)
    assert load_file(path)  # safetensors itself has no checksum
    with pytest.raises(UserError, match="w.safetensors has the sha256 .*delete it and run again"):
        build(with_weights(entry, path))


def test_records_of_earlier_versions_are_read(run):
    facts = json.loads((run / "s.json").read_text())
    facts.pop("scores_sha256")
    write_json(run / "s.json", facts)
    assert len(read_scores(run / "s.csv")) == 2
    shutil.copy(run / "s.csv", run / "alone.csv")
    assert len(read_scores(run / "alone.csv")) == 2
