"""python -m rssr plan: what is there, what is missing, and hours that somebody has measured or given."""

import json
import re
import subprocess
import sys
import warnings
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from runs import rssr

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.base.files import write_image
from rssr.config import load, validate
from rssr.models.registry import build, network_of
from rssr.models.weights import write_weights
from rssr.plan.artifacts import Artifact
from rssr.steps import catalogue, prospect
from rssr.steps.catalogue import facts_of
from rssr.steps.gpu_report import NETWORKS

PAPER = [ROOT / "config/paper.yaml"]


def networks(monkeypatch, speeds, step=None, made=()):
    """(network, data set) -> row, and all tables, without the jobs."""
    if step is not None:
        found = {"training": {"lstmconvsr": step}, "quick": False, "machine": {"gpu": "A GPU", "processor": "-"}}
        prospect.MEASURED.write_text(json.dumps(found))
    monkeypatch.setattr(prospect, "_dry_run", lambda files: ([], set(made)))
    monkeypatch.setattr(catalogue, "_upscale_something", lambda network: None)  # for minutes
    tables = dict(prospect.prospect(PAPER, speeds))
    return {(row["network"], row["data set"]): row for row in tables["Networks"]}, tables


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(prospect, "MEASURED", tmp_path / "training.json")


def test_hours_are_given_or_measured_and_never_invented(monkeypatch):
    rows, _ = networks(monkeypatch, {})
    assert all("unknown: no speed" in row["hours"] for row in rows.values() if "iterations" in row)
    rows, _ = networks(monkeypatch, {"": 10, "mambairv2": 2.5})
    assert rows["LSTMConvSR", "Potsdam x4"]["hours"] == "0.8 at 10 steps/s, as given"  # 27 000 / 10 / 3600
    assert rows["MambaIRv2", "UAVid x4"]["hours"] == "5.6 at 2.5 steps/s, as given"  # 50 000 / 2.5 / 3600
    assert "hours" not in rows["Bicubic", "UAVid x4"]
    step = {"samples_ms": [90, 100, 110], "patches": 16, "patch": 32}
    rows, _ = networks(monkeypatch, {}, step)
    assert rows["LSTMConvSR", "RSSCN7 x4"]["hours"] == "1.0 at 10 steps/s, measured on A GPU"  # 35 000 / 10 / 3600
    assert "unknown" in rows["LSTMConvSR-S", "RSSCN7 x4"]["hours"]
    for other in (step | {"patch": 48}, {"left_out": "out of memory"}):
        rows, _ = networks(monkeypatch, {}, other)
        assert "unknown" in rows["LSTMConvSR", "RSSCN7 x4"]["hours"]
    monkeypatch.setitem(NETWORKS, "lstmconvsr", {"arch": "lstmconvsr", "args": {"channels": 64}})
    rows, _ = networks(monkeypatch, {}, step)  # another network of that name was measured
    assert "unknown" in rows["LSTMConvSR", "RSSCN7 x4"]["hours"]
    with pytest.raises(UserError, match="there is no model 'mambairv', did you mean 'mambairv2'"):
        list(prospect.prospect(PAPER, {"mambairv": 1}))


def test_what_is_there_and_what_is_missing(monkeypatch, tmp_path):
    weights = tmp_path / "results/weights/edsr/uavid/x4/seed10.safetensors"
    weights.parent.mkdir(parents=True)
    weights.touch()
    rows, tables = networks(monkeypatch, {})
    assert len(rows) == 11 * 3
    assert rows["EDSR", "UAVid x4"]["weights"] == "there"
    assert rows["EDSR", "Potsdam x4"] == rows["HAT", "Potsdam x4"] | {
        "network": "EDSR",
        "parameters (M)": "1.518",
    }
    assert rows["EDSR", "Potsdam x4"]["iterations"] == "27,000"
    (potsdam, _, rsscn7, together) = tables["Disk and transfers"]
    trained = [float(row["parameters (M)"]) for (_, data), row in rows.items() if data == "RSSCN7 x4" and len(row) > 3]
    assert rsscn7["trainings"] == f"{4e-3 * sum(trained) * (1 + 2 * 4):.1f} GB"  # with `ema`
    assert together.keys() == {"data set", "prepared images", "SR images", "trainings"}
    assert together["SR images"] == "at most 60.8 GB"
    assert "13.32 GB from" in potsdam["transfer"]
    assert rsscn7["prepared images"] == f"{2800 * 400 * 400 * 3 * (1 + 1 / 16) / 1e9:.1f} GB"
    assert rsscn7["SR images"] == f"at most {1400 * 400 * 400 * 3 * (11 + 2 * 4) / 1e9:.1f} GB"  # two have five draws
    assert [row["data set"] for row in tables["Data sets"]] == ["Potsdam", "UAVid", "RSSCN7"]


def test_weights_that_a_run_makes_again_are_no_longer_there(monkeypatch, tmp_path):
    artifact = Artifact("weights", model="edsr", dataset="uavid", scale=4, replicate="seed10")
    (tmp_path / artifact.path).parent.mkdir(parents=True)
    (tmp_path / artifact.path).touch()
    rows, _ = networks(monkeypatch, {"edsr": 2}, made=[artifact])
    assert rows["EDSR", "UAVid x4"]["weights"] == "to be trained again on UAVid: 1 of 1 replicates"
    assert " at 2 steps/s, as given" in rows["EDSR", "UAVid x4"]["hours"]


def test_a_dry_run_says_which_weights_are_made():
    rows, made = prospect._dry_run([ROOT / "config/test.yaml"])
    config = load(ROOT / "config/test.yaml")
    networks = {name for name, model in config.models.items() if model.train or model.weights or model.checkpoint}
    assert {artifact.model for artifact in made} == networks and {artifact.kind for artifact in made} == {"weights"}
    jobs = {row["rule"]: int(row["jobs"]) for row in rows}
    assert jobs["train_model"] + jobs.get("load_weights", 0) == len(made) and jobs["total"] == sum(jobs.values()) / 2


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"arch": "basicsr:EDSRR"},
            "models.mine: arch 'basicsr:EDSRR': module .* has no class 'EDSRR', did you mean 'EDSR'",
        ),
        ({"arch": "basicsr:EDSR", "args": {"num_fea": 8}}, "models.mine: .*'num_fea', did you mean 'num_feat'"),
    ],
)
def test_a_network_that_cannot_be_built_is_known_before_the_run(tmp_path, monkeypatch, entry, message):
    monkeypatch.setattr(prospect, "_dry_run", lambda files: ([], set()))
    path = tmp_path / "mine.yaml"
    path.write_text(json.dumps({"models": {"mine": {"label": "Mine", "train": "paper"} | entry}}))
    with pytest.raises(UserError, match=message):
        list(prospect.prospect([*PAPER, path], {}))
    said = rssr("models", "--config", *PAPER, path)
    assert said.returncode == 1 and "LSTMConvSR-S" in said.stdout
    assert re.search(f"^error: {message}", said.stderr.splitlines()[-1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: write keys, or leave it out"),
        (
            "datasets: {potsdam: null, uavid: null, rsscn7: null}",
            "not {}: add one, or do not remove all of them",
        ),
        (
            "datasets: {mine: {label: M, images: ., split: {test: a.png}}}\n"
            "models: {edsr: {train: paper, train_on: mine}}",
            "models.edsr.train: the data set 'mine' has no train split: add one",
        ),
        ("datasets: {mine: {label: M, images: none, split: {test: '*'}}}", "datasets.mine: there is no folder none: "),
        (
            "models: {edsr: {train: null, weights: {path: a.pth}}}",
            "models.edsr.weights.path: there is no file a.pth: correct the path",
        ),
    ],
)
def test_what_no_run_can_be_planned_by_is_known_first_with_its_file(tmp_path, text, message):
    write_image(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        next(prospect.prospect([*PAPER, tmp_path / "mine.yaml"], {}))
    assert str(error.value).startswith(str(tmp_path / "mine.yaml")) and message in str(error.value)


def test_a_network_that_can_upscale_nothing_is_known_first(monkeypatch, tmp_path):
    monkeypatch.setattr(prospect, "_dry_run", lambda files: ([], set()))
    args = "{num_in_ch: 3, num_out_ch: 3, num_feat: 8, num_block: 1, upscale: %d}"
    mine = "{label: Mine, arch: 'basicsr:EDSR', args: %s, train: test}"
    for upscale, works in ((4, True), (2, False)):
        (tmp_path / "mine.yaml").write_text("models: {mine: " + mine % (args % upscale) + "}")
        found = prospect.prospect([ROOT / "config/test.yaml", tmp_path / "mine.yaml"], {})
        if works:
            assert any(row["network"] == "Mine" for row in next(found)[1])
        else:
            with pytest.raises(UserError, match="models.mine: EDSR made .* not x4: correct its `args`"):
                next(found)


def test_what_a_run_would_refuse_in_a_network_is_known_first(monkeypatch, tmp_path):
    """Weights of another width, where their file is here, and channels that the analysed network lacks."""
    args = {"num_in_ch": 3, "num_out_ch": 3, "num_block": 1, "num_feat": 8}
    net = build({"arch": "basicsr:EDSR", "args": args})
    write_weights(tmp_path / "net.safetensors", network_of(net).state_dict(), 4)
    mine = {"label": "Mine", "arch": "basicsr:EDSR", "weights": {"path": "net.safetensors"}}
    for changed, wrong in (
        ({"models": {"mine": mine | {"args": args}}}, None),
        (
            {"models": {"mine": mine | {"args": args | {"num_feat": 16}}}},
            "models.mine: .*net.safetensors does not fit EDSR: 'conv_first.weight' is .8, 3, 3, 3., not .16, 3, 3, 3.",
        ),
        ({"analysis": {"channels": [0, 7]}}, None),
        (
            {"analysis": {"channels": [0, 8]}},
            "models.lstmconvsr_test: analysis.channels names 8, but the network has 8 channels",
        ),
    ):
        (tmp_path / "mine.yaml").write_text(json.dumps(changed))
        found = prospect.prospect([ROOT / "config/test.yaml", tmp_path / "mine.yaml"], {})
        with pytest.raises(UserError, match=wrong) if wrong else nullcontext():
            next(found)


def warn_inside(filename):
    """A network's class; where it warns, Python takes the warning for one of a file."""

    class Warns(torch.nn.Upsample):
        def forward(self, x):
            warnings.warn_explicit("deprecated", UserWarning, filename, 1)
            return super().forward(x)

    return Warns(scale_factor=4)


def test_packages_do_not_warn_while_networks_are_tried(tmp_path):
    for file, shown in ((torch.functional.__file__, False), (str(tmp_path / "mine.py"), True)):
        entry = {"label": "N", "arch": "test_prospect:warn_inside", "args": {"filename": file}, "weightless": True}
        config = validate({"datasets": {"a": {"label": "A", "module": "synthetic"}}, "models": {"net": entry}}, "-")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            facts_of(config, "net", 4, run=True)
        assert [str(each.message) for each in caught] == ["deprecated"] * shown


def test_braces_in_the_name_of_an_image_are_no_wildcards(tmp_path):
    (tmp_path / "a.yaml").write_text('analysis: {image: "scene_{a}"}')
    assert rssr("plan", "--configfile", "config/test.yaml", tmp_path / "a.yaml").returncode == 0


def test_an_optional_model_whose_file_is_missing_is_no_error_in_the_list(tmp_path):
    entry = {"label": "Mine", "checkpoint": {"path": str(tmp_path / "none.pth")}}
    for required in (True, False):
        (tmp_path / "mine.yaml").write_text(json.dumps({"models": {"mine": entry | {"required": required}}}))
        said = rssr("models", "--config", "config/test.yaml", tmp_path / "mine.yaml")
        assert bool(said.returncode) == ("there is no file" in said.stderr) == required and "Mine" in said.stdout


def test_a_folder_of_ones_own_is_used_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setattr(prospect, "_dry_run", lambda files: ([], set()))
    write_image(tmp_path / "a.png", np.zeros((64, 64, 3), np.uint8))
    entries = 'datasets: {mine: {label: Mine, images: ".", split: {test: "*.png"}, tile: 32}}\n'
    (tmp_path / "mine.yaml").write_text(entries + "models: {bicubic: {label: Bicubic, arch: bicubic}}")
    tables = dict(prospect.prospect([tmp_path / "mine.yaml"], {}))
    assert tables["Data sets"][0]["what to do"] == "nothing"
    assert tables["Disk and transfers"][0]["transfer"] == "Mine: none, used from ."


def test_networks_are_described_before_an_entry_is_added_to_the_default(tmp_path):
    # In a folder without results: in the checkout the network may be trained already.
    (tmp_path / "config").symlink_to(ROOT / "config")
    said = rssr(*["plan", "--configfile", "config/config.yaml"], cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    row = next(line for line in said.stdout.splitlines() if line.startswith("MambaIRv2-XS (one minute)"))
    assert "0.383" in row and "to be trained on NEON" in row


def test_the_command_counts_the_jobs():
    command = ["plan", "--configfile", "config/paper.yaml"]
    result = subprocess.run([sys.executable, "-m", "rssr", *command], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    jobs = dict(line.split() for line in result.stdout.partition("Jobs")[2].splitlines() if len(line.split()) == 2)
    assert result.stdout.count("\ntotal ") == 1, "each rule once"
    assert int(jobs["profile_model"]) <= 11 and jobs["all"] == "1"
    assert all(name in result.stdout for name in ("MambaIRv2-light", "TransENet", "LSTMConvSR-S"))
