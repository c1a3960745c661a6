"""A broken training run: it ends with the same bytes as an unbroken one, on one device or several."""

import json
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from small_training import CPU, Counting, Drawing, Dropping, patches_of, recipe, trainer

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.base.files import sha256
from rssr.base.process import PARENT
from rssr.base.tensors import read_weights
from rssr.steps.checkpoints import Checkpoints
from rssr.steps.distributed import Team
from rssr.steps.training import Trainer
from rssr.steps.weights import train

NETWORKS = {"lstmconvsr": lambda: None, "dropout": Dropping, "numpy": Drawing, "counters": Counting}


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_a_broken_run_resumes_exactly(images, tmp_path, network):
    whole = trainer(images, tmp_path / "whole", recipe(), network())
    expected = whole.run()

    broken = trainer(images, tmp_path / "broken", recipe(), network())
    batches = broken.batches

    def interrupted(iteration):
        if iteration == 5:
            raise KeyboardInterrupt
        return batches(iteration)

    broken.batches = interrupted
    with pytest.raises(KeyboardInterrupt):
        broken.run()
    resumed = trainer(images, tmp_path / "broken", recipe(), network())
    assert resumed.done == 4
    weights = resumed.run()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    assert resumed.curve == whole.curve
    assert [row["iteration"] for row in whole.curve] == [3, 6, 8]
    assert trainer(images, tmp_path / "whole", recipe(), network()).done == 8  # a finished run is not trained again


def test_it_resumes_on_another_number_of_cores_and_keeps_both(images, tmp_path):
    first = trainer(images, tmp_path, recipe(), Dropping())
    first.run()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(before + 1)
        resumed = trainer(images, tmp_path, recipe(), Dropping())
        assert (resumed.done, resumed.threads) == (8, [before, before + 1])
    finally:
        torch.set_num_threads(before)


def test_a_checkpoint_of_another_recipe_is_not_resumed(images, tmp_path):
    first = trainer(images, tmp_path, recipe())
    first.done = 2
    first._save()
    assert trainer(images, tmp_path, recipe()).done == 2
    assert trainer(images, tmp_path, recipe(batch=3)).done == 0


def test_a_state_that_is_not_finite_is_never_saved(images, tmp_path):
    """The loss before a broken step is finite: the weights are looked at as well."""
    run = trainer(images, tmp_path, recipe())
    step, weight = run.optimiser.step, next(run.network.parameters())

    def broken():
        step()
        if run.done == 3:
            weight.data.fill_(float("inf"))

    run.optimiser.step = broken
    with pytest.raises(UserError, match="weights are not finite at iteration 4"):
        run.run()
    assert trainer(images, tmp_path, recipe()).done == 2


@pytest.mark.parametrize("harm", [lambda content: content[:-100], lambda content: content[:200] + b"x" + content[201:]])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(images, tmp_path, harm, capsys):
    whole = trainer(images, tmp_path, recipe())
    expected = whole.run()
    newest = whole.checkpoints.newest
    newest.write_bytes(harm(newest.read_bytes()))
    resumed = trainer(images, tmp_path, recipe())
    assert resumed.done == 6 and "is damaged: training resumes from the state before it" in capsys.readouterr().out
    weights = resumed.run()
    assert all(torch.equal(weights[name], expected[name]) for name in expected) and resumed.curve == whole.curve
    assert trainer(images, tmp_path, recipe()).done == 8
    for path in (newest, whole.checkpoints.before):
        path.write_bytes(harm(path.read_bytes()))
    capsys.readouterr()
    assert trainer(images, tmp_path, recipe()).done == 0
    assert [line.partition("training ")[2] for line in capsys.readouterr().out.splitlines()] == [
        "resumes from the state before it",
        "begins anew",
    ]


def test_a_full_disk_loses_the_newest_state_only(images, tmp_path, monkeypatch):
    run, unlimited = trainer(images, tmp_path, recipe()), Path.open

    def opened(path, mode="r", *arguments, **options):
        full = mode == "wb" and run.done == 6
        return unlimited(Path("/dev/full") if full else path, mode, *arguments, **options)

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(OSError, match="No space left") as error:
        run.run()
    assert error.value.filename == str(run.checkpoints.newest)
    assert {path.name for path in tmp_path.glob("*.checkpoint")} == {
        run.checkpoints.newest.name,
        run.checkpoints.before.name,
    }
    assert trainer(images, tmp_path, recipe()).done == 4


SMALL = {
    "arch": "basicsr:EDSR",
    "args": {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_block": 1, "upscale": 4},
    "scale": 4,
}


def test_how_often_something_is_written_trains_nothing_anew(images, tmp_path, capsys):
    digests = []
    for changes in ({}, {"checkpoint_every": 3, "log_every": 1}, {"batch": 3}):
        train(SMALL, recipe(**changes), (images / "HR-x4", images / "LR/x4-bicubic"), tmp_path / "w", "code", CPU)
        digests.append(sha256(tmp_path / "w"))
        assert ("resumed after iteration 8 of 8" in capsys.readouterr().out) == ("log_every" in changes)
    assert digests[0] == digests[1] != digests[2]


def script(images, settings, weights, devices=1):
    """How to start the script, for subprocess."""
    command = [sys.executable, str(ROOT / "workflow/scripts/train_model.py"), "--seed", "10", "--device", "cpu"]
    command += ["--model", json.dumps(SMALL)]
    command += ["--recipe", json.dumps(settings), "--hr-dir", images / "HR-x4", "--lr-dir", images / "LR/x4-bicubic"]
    command += ["--devices", str(devices), "--weights", weights]
    command += [f"--{key.replace('_', '-')}={settings[key]}" for key in ("checkpoint_every", "log_every")]
    return {"args": command, "env": {"PYTHONPATH": str(ROOT)}, "text": True}


def newer(path, begun):
    try:
        return path.stat().st_mtime > begun
    except FileNotFoundError:  # replaced meanwhile
        return False


def stopped(start, weights, number):
    """The process, and what it said, after a signal soon after its first checkpoint."""
    with subprocess.Popen(**start, stderr=subprocess.PIPE) as process:
        begun = time.time()
        while not any(newer(path, begun) for path in weights.parent.glob("checkpoints/[!.]*")):
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.1))
        process.send_signal(number)
        return process, process.stderr.read()


@pytest.mark.slow
def test_the_script_ends_with_the_same_bytes_however_often_it_is_killed(images, tmp_path):
    """By signals at random moments; SIGKILL loses what came after the last checkpoint, the others nothing."""
    settings = recipe(iterations=400, checkpoint_every=5, log_every=100)
    digests = []
    for name, signals in (("one", []), ("two", [signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1])):
        weights = tmp_path / name / "w.safetensors"
        start = script(images, settings, weights)
        for number in signals:
            process, told = stopped(start, weights, number)
            assert process.returncode == (-number if number == signal.SIGKILL else 1), told
            assert number == signal.SIGKILL or f"{number.name} after iteration" in told
        result = subprocess.run(**start, capture_output=True)
        assert result.returncode == 0, result.stderr
        assert ("resumed after iteration" in result.stdout) == bool(signals)
        digests.append(sha256(weights))
        assert list(pd.read_csv(weights.with_suffix(".csv"))["iteration"]) == [100, 200, 300, 400]
        assert json.loads(weights.with_suffix(".json").read_text())["sha256"] == digests[-1]
    assert digests[0] == digests[1]


@pytest.mark.slow
def test_a_training_saves_its_state_when_its_snakemake_ends_first(images, tmp_path):
    """As where a signal reaches both, and Snakemake does not wait."""
    start = script(images, recipe(iterations=100_000, checkpoint_every=5), tmp_path / "w.safetensors")
    with subprocess.Popen(["sleep", "600"]) as parent:
        start["env"] |= {PARENT: str(parent.pid)}
        with subprocess.Popen(**start, stderr=subprocess.PIPE) as process:
            while not [*tmp_path.glob("checkpoints/[!.]*")]:
                time.sleep(0.05)
            parent.kill()
            parent.wait()
            told = process.stderr.read()
    assert process.returncode == 1
    (done,) = re.findall(r"the end of Snakemake after iteration (\d+) of 100000: run the same again", told)
    settings = recipe(iterations=100_000, checkpoint_every=5)
    again = subprocess.Popen(**script(images, settings, tmp_path / "w.safetensors"), stdout=subprocess.PIPE)
    assert f"resumed after iteration {done} of" in again.stdout.readline()
    again.kill()
    again.wait()


@pytest.mark.slow
def test_two_processes_train_what_one_does_and_resume_exactly(images, tmp_path):
    """One and two have their own checkpoints; what two resume has the bytes of an unbroken run of two."""
    settings, weights = recipe(iterations=150, batch=4, checkpoint_every=5, log_every=1), tmp_path / "a/w.safetensors"
    process, told = stopped(script(images, settings, weights, 2), weights, signal.SIGTERM)
    assert process.returncode == 1 and told.count("SIGTERM after iteration") == 1, told
    found = []
    for devices, path, resumed in ((1, weights, False), (2, weights, True), (2, tmp_path / "b/w.safetensors", False)):
        result = subprocess.run(**script(images, settings, path, devices), capture_output=True)
        assert result.returncode == 0 and result.stdout.count("resumed after iteration") == resumed, result.stderr
        assert json.loads(path.with_suffix(".json").read_text())["devices"] == devices
        found.append((sha256(path), pd.read_csv(path.with_suffix(".csv")), read_weights(path)))
    (_, one, alone), (digest, two, shared), (unbroken, whole, _) = found
    assert digest == unbroken and two.equals(whole)
    assert len(one) == 150 and (one["loss"] - two["loss"]).abs().max() < 1e-5
    torch.testing.assert_close(shared, alone, rtol=1e-3, atol=1e-4)


def test_what_would_depend_on_devices_is_refused(images, tmp_path):
    with pytest.raises(ValidationError, match="a `batch` of 4 cannot be shared equally by 3 `devices`"):
        recipe(batch=4, devices=3)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1), torch.nn.BatchNorm2d(3))
    parts = patches_of(images, recipe()), Checkpoints(tmp_path, []), CPU
    with pytest.raises(UserError, match="train this network with `devices: 1`"):
        Trainer(network, recipe(), *parts, team=Team(0, 2))
