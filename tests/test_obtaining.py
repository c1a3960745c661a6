"""Weights that cannot be had: their models have no row, the tables say why; downloads that runs share."""

import hashlib
import os
from functools import partial
from pathlib import Path
from unittest import mock

import pytest
import yaml
from runs import serving_files

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.base.files import read_json, replacing
from rssr.models.files import remote_path
from rssr.plan import targets
from rssr.plan.plan import Plan
from rssr.steps.obtaining import DOWNLOADS, link_tree, obtain

CONTENT = b"weights"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
NETWORK = {"arch": "basicsr:EDSR", "args": {"num_in_ch": 3, "num_out_ch": 3}}


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Of tmp_path/served, with the working directory in tmp_path."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "served").mkdir()
    (tmp_path / "served/there.pth").write_bytes(CONTENT)
    with serving_files(tmp_path / "served") as url:
        yield url


def plan_of(fetch, required=False, **files):
    config = yaml.safe_load((ROOT / "config/test.yaml").read_text(encoding="utf-8"))
    for name, file in files.items():
        config["models"][name] = NETWORK | {"label": name.upper(), "required": required, "weights": file}
    config["audit"]["models"] = config["analysis"]["models"] = ["bicubic", *files]
    return Plan(config, "test", partial(obtain, fetch=fetch))


def left_out(plan):
    return {model.name: model.unavailable for model in plan.left_out}


def test_a_row_without_its_weights_stops_no_other(server):
    files = {
        "there": {"url": f"{server}/there.pth", "sha256": DIGEST},
        "gone": {"url": [f"{server}/gone.pth", f"{server}/away.pth"], "sha256": DIGEST[::-1]},
        "changed": {"url": f"{server}/there.pth", "sha256": "0" * 64},
        "local": {"path": "mine.pth"},
    }
    plan = plan_of(True, **files)
    reasons = left_out(plan)
    assert set(reasons) == {"gone", "changed", "local"} and "there" in {model.name for model in plan.models}
    place = str(remote_path(files["gone"], DOWNLOADS))
    for part in (f"{place} cannot be downloaded", "404", f"download {server}/away.pth", f"(sha256 {DIGEST[::-1]})"):
        assert part in reasons["gone"]
    assert DIGEST in reasons["changed"] and "0" * 64 in reasons["changed"]
    assert reasons["local"] == "there is no file mine.pth: correct its `path`"
    assert f"GONE: no row at x4, since {reasons['gone']}" in plan.notes_at(4)
    assert {model.name for _, model in plan.audited} == {model.name for _, model in plan.analysed}
    wanted = targets.everything(plan)
    assert any("/there/" in path for path in wanted) and not any("/gone/" in path for path in wanted)
    missing = read_json(DOWNLOADS / "missing.json")
    assert missing[place] == files["gone"] | {"reason": reasons["gone"]} and len(missing) == 3


def test_a_dry_run_changes_nothing_and_the_next_run_tries_again(server, tmp_path):
    file = {"url": f"{server}/late.pth", "sha256": DIGEST}
    assert left_out(plan_of(False, late=file)) == {}  # nobody has tried yet
    assert not (tmp_path / "downloads").exists()
    found = left_out(plan_of(True, late=file))
    assert left_out(plan_of(False, late=file)) == found != {}  # the last run's word
    remote_path(file, DOWNLOADS).write_bytes(b"another file, brought by hand")
    assert left_out(plan_of(True, late=file)) == left_out(plan_of(False, late=file)) != found
    remote_path(file, DOWNLOADS).write_bytes(CONTENT)
    assert left_out(plan_of(False, late=file)) == {}
    remote_path(file, DOWNLOADS).unlink()
    (tmp_path / "served/late.pth").write_bytes(CONTENT)
    assert left_out(plan_of(True, late=file)) == {} == read_json(DOWNLOADS / "missing.json")


def test_an_unknown_checksum_is_in_the_notes(server):
    file = {"url": f"{server}/there.pth", "sha256": None}
    origin = "weights loaded from there.pth"
    assert plan_of(False, required=True, new=file).model_at("new", 4).notes == [origin]
    for fetch in (True, False):
        model = plan_of(fetch, required=True, new=file).model_at("new", 4)
        assert model.notes == [origin, f"checksum of its weights recorded at first use: sha256 {DIGEST}"]
    assert model.weights_file == file  # the null is no default
    with pytest.raises(UserError, match=r"models.new: .*gone.pth cannot be downloaded"):
        plan_of(True, required=True, new={"url": f"{server}/gone.pth", "sha256": None})


def test_required_files_are_not_looked_for_before_their_job(server):
    assert left_out(plan_of(True, required=True, gone={"url": f"{server}/gone.pth", "sha256": DIGEST})) == {}
    with pytest.raises(UserError, match=r"models.local.weights.path: there is no file mine.pth: correct the path"):
        plan_of(True, required=True, local={"path": "mine.pth"})
    assert not Path("downloads").exists()


@pytest.mark.parametrize("linked", [True, False])
def test_a_linked_tree_is_whole_and_its_own(tmp_path, monkeypatch, linked):
    source = tmp_path / "source"
    (source / "neon").mkdir(parents=True)
    for name in ("neon/scene.tif", "neon/.archive.zip.part"):
        (source / name).write_text("theirs")
    (tmp_path / "other/a").mkdir(parents=True)
    (source / "out").symlink_to("../other")
    (source / "neon/in").symlink_to("scene.tif")
    if not linked:
        monkeypatch.setattr(os, "link", mock.Mock(side_effect=OSError("another disk")))
    copy = tmp_path / "runs/copy"
    copy.parent.mkdir()
    link_tree(source, copy)
    assert {path.name for path in copy.rglob("*") if path.is_file()} == {"scene.tif", "in"}
    assert (copy / "out/a").samefile(tmp_path / "other/a") and (copy / "neon/in").samefile(copy / "neon/scene.tif")
    assert (copy / "neon/scene.tif").samefile(source / "neon/scene.tif") == linked
    with replacing(copy / "neon/scene.tif") as temporary:
        temporary.write_text("mine")
    assert (source / "neon/scene.tif").read_text() == "theirs"
    (source / "later.pth").write_text("later")
    link_tree(source, copy)
    assert (copy / "later.pth").read_text() == "later" and (copy / "neon/scene.tif").read_text() == "mine"
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]
