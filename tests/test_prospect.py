"""python -m rssr plan: what is there, what is missing, and hours that somebody has measured or given."""

import json
import subprocess
import sys

import pytest

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.steps import prospect
from rssr.steps.gpu_report import NETWORKS

PAPER = [ROOT / "config/paper.yaml"]


def networks(monkeypatch, speeds, step=None):
    """(network, data set) -> row, and all tables, without the jobs."""
    if step is not None:
        found = {"training": {"lstmconvsr": step}, "quick": False, "machine": {"gpu": "A GPU", "processor": "-"}}
        prospect.MEASURED.write_text(json.dumps(found))
    monkeypatch.setattr(prospect, "_jobs", lambda files: [])
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
    assert rows["EDSR", "Potsdam x4"] == rows["HAT", "Potsdam x4"] | {"network": "EDSR"}
    assert rows["EDSR", "Potsdam x4"]["iterations"] == "27,000"
    (potsdam, _, rsscn7) = tables["Disk and transfers"]
    assert "13.32 GB from" in potsdam["transfer"]
    assert rsscn7["prepared images"] == f"{2800 * 400 * 400 * 3 * (1 + 1 / 16) / 1e9:.1f} GB"
    assert rsscn7["SR images"] == f"at most {1400 * 400 * 400 * 3 * 11 / 1e9:.1f} GB"
    assert [row["data set"] for row in tables["Data sets"]] == ["Potsdam", "UAVid", "RSSCN7"]


def test_the_command_counts_the_jobs():
    command = ["plan", "--configfile", "config/paper.yaml"]
    result = subprocess.run([sys.executable, "-m", "rssr", *command], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    jobs = dict(line.split() for line in result.stdout.partition("Jobs")[2].splitlines() if len(line.split()) == 2)
    assert result.stdout.count("\ntotal ") == 1, "each rule once"
    assert int(jobs["profile_model"]) <= 11 and jobs["all"] == "1"
    assert all(name in result.stdout for name in ("MambaIRv2-light", "TransENet", "LSTMConvSR-S"))
