"""Pairs of LR and HR images that are given: no formula makes one from the other."""

import json
import subprocess
import sys

import numpy as np
import pytest
from objects import a_plan
from PIL import Image
from test_raster import raster

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.base.files import read_csv, read_image, write_image
from rssr.config import read, validate
from rssr.datasets.folder import _listed, data_set
from rssr.datasets.prepare import prepare_given, prepare_hr
from rssr.datasets.registry import build
from rssr.plan import jobs, targets
from rssr.steps.scoring import absent_metrics

LR = np.random.default_rng(0).integers(1, 256, (30, 40, 3), dtype=np.uint8)


def pairs(folder, hr=(120, 160), lr=LR, names=("a", "b/c"), suffix=".png"):
    for name in names:
        for side, pixels in (("HR", np.zeros((*hr, 3), np.uint8)), ("LR_x4", lr)):
            path = folder / side / f"{name}{suffix if side == 'LR_x4' else '.png'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    entry = {"images": str(folder / "HR"), "split": {"train": "a*", "test": "b/*"}}
    return entry | {"lr": {"images": str(folder / "LR_x{scale}")}}


def prepared(entry, folder, tile=None):
    data_set = build(entry)
    prepare_hr(data_set, folder, "test", tile, folder / "out", 1, 4)
    prepare_given(data_set, folder / "out", folder / "lr", 4, 1)
    return read_csv(folder / "out/manifest.csv"), read_csv(folder / "lr/manifest.csv")


@pytest.mark.parametrize(("tile", "count"), [(None, 1), (32, 15), (76, 2)])
@pytest.mark.parametrize(("suffix", "hr"), [(".png", (120, 160)), ("x4.png", (123, 162))])
def test_lr_images_are_cut_where_hr_images_were(tmp_path, tile, count, suffix, hr):
    rows, of_lr = prepared(pairs(tmp_path, hr, suffix=suffix), tmp_path, tile)
    assert len(rows) == count and [row["image"] for row in rows] == [row["image"] for row in of_lr]
    for row, lr in zip(rows, of_lr, strict=True):
        left, top, right, bottom = (int(row[side]) for side in ("left", "top", "right", "bottom"))
        assert row["repeated"] == "0" and lr["hr_sha256"] == row["sha256"] and left % 4 == top % 4 == 0
        found = read_image(tmp_path / f"lr/{row['image']}.png")
        np.testing.assert_array_equal(found, LR[top // 4 : bottom // 4, left // 4 : right // 4])


def test_lr_images_of_another_depth_have_their_own_stretch_and_hide_pixels(tmp_path):
    entry = pairs(tmp_path)
    deep = LR.transpose(2, 0, 1).astype("uint16") * 10
    deep[:, :, :10] = 0
    (tmp_path / "LR_x4/b/c.png").unlink()
    raster(tmp_path / "LR_x4/b/c.tif", deep, nodata=0)
    entry["lr"]["stretch"] = [0, 2550]
    rows, _ = prepared(entry, tmp_path, 40)
    assert {row["left"] for row in rows} == {"40", "80", "120"} and rows[0]["left_out"] == "3"
    np.testing.assert_array_equal(read_image(tmp_path / f"lr/{rows[0]['image']}.png"), LR[:10, 10:20])


@pytest.mark.parametrize(
    ("hr", "tile", "message"),
    [
        ((124, 160), None, r"LR_x4/b/c.png has 40x30 pixels, not 40x31 as .*HR/b/c.png at x4: crop one of them"),
        ((120, 160), 33, "tiles of 33 pixels do not fit given LR images at x4: set a multiple as `tile`"),
    ],
)
def test_pairs_that_do_not_fit_are_refused(tmp_path, hr, tile, message):
    with pytest.raises(UserError, match=message):
        prepared(pairs(tmp_path, hr), tmp_path, tile)


def test_two_files_that_may_be_one_lr_image_are_refused_and_the_very_name_comes_first(tmp_path):
    entry = pairs(tmp_path, suffix="x4.png")
    for name in ("cx4.jpg", "c.png"):
        Image.fromarray(LR if name == "c.png" else LR[::-1]).save(tmp_path / f"LR_x4/b/{name}")
        if name == "cx4.jpg":
            with pytest.raises(UserError, match=r"b/cx4.jpg and .*b/cx4.png are both LR images of c: move one of them"):
                prepared(entry, tmp_path)
            _listed.cache_clear()
    prepared(entry, tmp_path)
    np.testing.assert_array_equal(read_image(tmp_path / "lr/b_c.png"), LR)


@pytest.mark.parametrize("name", ["b/=c", "b/+1.5", "b/c."])
def test_lr_images_are_found_whatever_results_call_the_pair(tmp_path, name):
    """A first "=" is no part of names in results, which a spreadsheet would take for a formula."""
    entry = pairs(tmp_path, names=(name,)) | {"images": str(tmp_path / "HR/b"), "split": {"test": "*"}}
    entry["lr"]["images"] += "/b"
    rows, _ = prepared(entry, tmp_path)
    np.testing.assert_array_equal(read_image(tmp_path / f"lr/{rows[0]['image']}.png"), LR)


@pytest.mark.parametrize(
    ("hr", "lr"),
    [
        *(("1", "1x4"), ("1", "1X4"), ("1", "1_x4"), ("1", "1x4m"), ("1", "1x4d")),
        *(("Canon_HR", "Canon_LR4"), ("a_HR", "a_LR"), ("a-hr", "a-lr"), ("a_HR", "a_LRx4"), ("a_HR", "a_HRx4")),
        ("caf\u00e9", "cafe\u0301"),
    ],
)
def test_lr_images_are_found_under_the_names_of_known_pairs(tmp_path, hr, lr):
    for folder, name in (("HR", hr), ("LR", lr)):
        write_image(tmp_path / folder / f"{name}.png", np.zeros((8, 8, 3), np.uint8))
        write_image(tmp_path / folder / f"another_{name}.png", np.zeros((8, 8, 3), np.uint8))
    mine = data_set(str(tmp_path / "HR"), {"test": "*"}, lr={"images": str(tmp_path / "LR")})
    assert mine.given.find(hr, 4) == tmp_path / f"LR/{lr}.png"


def test_a_plan_of_given_pairs(tmp_path):
    entry = {"label": "Mine"} | pairs(tmp_path)
    datasets = {"synthetic": {"label": "S", "module": "synthetic"}, "mine": entry}
    twice = {"bicubic": [{"reduce": "bicubic"}], "nearest": [{"reduce": "nearest"}]}
    plan = a_plan(datasets=datasets, degradations=twice)
    assert [(test.dataset, test.degradation) for test in plan.test_sets] == [
        ("synthetic", "bicubic"), ("synthetic", "nearest"), ("mine", "given"),
    ]  # fmt: skip
    mine = plan.test_sets[-1]
    assert mine.title == "Mine, x4, LR given, 8 bit, border crop 4" and mine.protocol["degradation"] == "given"
    assert (mine.name, jobs.degradation(plan, "given")) == ("Mine", "[]")
    files = targets.everything(plan)
    assert "results/data/mine/train/LR/x4-given/manifest.csv" in files and not any("mine/x4-b" in f for f in files)
    assert {training.degradation for training in plan.training_sets if training.dataset == "mine"} == {"given"}
    assert tmp_path / "LR_x4/b/c.png" in plan.own_images("mine", "test", 4)
    (tmp_path / "LR_x4/b/c.png").unlink()
    _listed.cache_clear()
    with pytest.raises(UserError, match="datasets.mine: there is no LR image called c in the folder .*LR_x4/b"):
        a_plan(datasets=datasets)
    folder = str(tmp_path / "none_x{scale}")
    datasets["mine"] |= {"lr": folder}
    with pytest.raises(UserError, match="datasets.mine: there is no folder .*/none_x4: correct `lr`, or put the im"):
        a_plan(datasets=datasets)
    with pytest.raises(UserError, match="'given' is what LR images are called"):
        a_plan(degradations={"given": [{"reduce": "bicubic"}]})


def test_the_script_cuts_them_and_a_metric_that_needs_a_formula_is_absent(tmp_path):
    entry = pairs(tmp_path)
    prepare_hr(build(entry), tmp_path, "test", None, tmp_path / "out", 1, 4)
    command = [sys.executable, str(ROOT / "workflow/scripts/degrade_images.py"), "--given", json.dumps(entry)]
    command += ["--hr-dir", tmp_path / "out", "--lr-dir", tmp_path / "lr", "--steps", "[]"]
    subprocess.run([*command, "--degradation", "given", "--scale", "4"], check=True, env={"PYTHONPATH": str(ROOT)})
    np.testing.assert_array_equal(read_image(tmp_path / "lr/b_c.png"), LR)
    assert "no formula" in absent_metrics(["lr_psnr"], [], [])["lr_psnr"]
    assert absent_metrics(["lr_psnr"], [], [{"reduce": "bicubic"}]) == absent_metrics(["psnr_y"], [], []) == {}


def test_pairs_may_lie_in_one_folder(tmp_path):
    write_image(tmp_path / "a_HR.png", np.zeros((120, 160, 3), np.uint8))
    write_image(tmp_path / "a_LR4.png", LR)
    entry = {"images": str(tmp_path), "split": {"test": "*_HR.png"}, "lr": {"images": str(tmp_path)}}
    prepared(entry, tmp_path)
    np.testing.assert_array_equal(read_image(tmp_path / "lr/a_HR.png"), LR)
    (tmp_path / "a_LR4.png").unlink()
    _listed.cache_clear()
    with pytest.raises(UserError, match="`lr` names the folder of the HR images, .*, which has no LR image of a_HR: "):
        build(entry).given.find("a_HR", 4)


def test_the_audit_which_reduces_images_itself_takes_no_given_ones(tmp_path):
    content = read(ROOT / "config/test.yaml")
    content["datasets"]["pairs"] = {"label": "Pairs"} | pairs(tmp_path)
    content["audit"]["datasets"] = ["synthetic", "pairs"]
    with pytest.raises(UserError, match="audit.datasets names 'pairs', whose LR images are given by its `lr`"):
        validate(content, "c.yaml")
    content["audit"]["datasets"] = ["synthetic"]
    assert "pairs" in validate(content, "c.yaml").datasets
