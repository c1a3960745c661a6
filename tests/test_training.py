"""The training loop: schedules by closed form, and a broken run that ends with the same bytes as an unbroken one."""

import json
import math
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.base.files import sha256, write_image
from rssr.base.images import read_tensor
from rssr.base.resampling import to_uint8
from rssr.base.tensors import read_weights
from rssr.config.models import Recipe
from rssr.datasets.folder import data_set
from rssr.datasets.prepare import prepare_hr, prepare_lr
from rssr.metrics.fidelity import psnr
from rssr.models.registry import build
from rssr.models.upscaler import Upscaler
from rssr.steps.checkpoints import Checkpoints
from rssr.steps.distributed import Team
from rssr.steps.patches import Ahead, DevicePatches, Patches
from rssr.steps.training import Trainer, learning_rate
from rssr.steps.validation import Validation

CPU = torch.device("cpu")
ENTRY = {"arch": "lstmconvsr", "args": {"channels": 8, "groups": [1], "arrbs": 1, "tail": "light"}, "scale": 4}


def recipe(**changes):
    content = {"iterations": 8, "batch": 2, "patch": 8, "optimiser": {"lr": 1e-3}, "ema": 0.9, "checkpoint_every": 2}
    seed = {"seed": changes.pop("seed", 10)}  # of the replicate, as the job gives it
    return Recipe.model_validate(content | {"log_every": 3, "clip": 1.0} | changes).model_dump(mode="json") | seed


@pytest.fixture
def images(tmp_path):
    """results/data/{dataset}/train of three images of random squares, which a network can learn."""
    for name, width in zip("abc", (8, 8, 9), strict=True):
        squares = np.random.default_rng(ord(name)).integers(0, 256, (6, width, 3), dtype=np.uint8)
        pixels = np.kron(squares, np.ones((8, 8, 1), np.uint8))
        write_image(tmp_path / f"own/{name}.png", pixels)
    own = data_set(str(tmp_path / "own"), {"train": "*"})
    prepare_hr(own, tmp_path, "train", None, tmp_path / "train/HR-x4", 1)
    prepare_lr(tmp_path / "train/HR-x4", tmp_path / "train/LR/x4-bicubic", "bicubic", 4, 1)
    return tmp_path / "train"


def trainer(images, folder, settings, network=None):
    torch.manual_seed(settings["seed"])
    network = network or build(ENTRY).train()
    return Trainer(network, settings, patches_of(images, settings), Checkpoints(folder, settings), CPU)


def patches_of(images, settings):
    return Patches(images / "HR-x4", images / "LR/x4-bicubic", 4, settings)


def test_schedules():
    cosine = recipe(schedule={"name": "cosine", "warmup": 4})
    rates = [learning_rate(i, 12, cosine) for i in range(12)]
    assert rates[:4] == pytest.approx([0.25e-3, 0.5e-3, 0.75e-3, 1e-3])
    assert rates[8] == pytest.approx(0.5e-3 * (1 + math.cos(math.pi / 2)))
    assert learning_rate(12, 12, cosine) == pytest.approx(0)
    steps = recipe(schedule={"name": "multistep", "milestones": [0.5, 0.75], "gamma": 0.5})
    assert [learning_rate(i, 8, steps) for i in (0, 3, 4, 5, 6, 7)] == pytest.approx(
        [1e-3] * 2 + [5e-4] * 2 + [2.5e-4] * 2
    )
    assert learning_rate(7, 8, recipe()) == 1e-3


def test_patches_match_and_depend_on_the_iteration_alone(images):
    patches = patches_of(images, recipe())
    lr, hr = patches(3)
    assert lr.shape == (2, 3, 8, 8) and hr.shape == (2, 3, 32, 32)
    assert torch.equal(patches(3)[1], hr) and not torch.equal(patches(4)[1], hr)
    reduced = torch.nn.functional.avg_pool2d(hr, 4)  # the same place, turned the same way
    aligned = (lr - reduced).abs().mean()
    assert all((lr.flip(axis) - reduced).abs().mean() > 2 * aligned for axis in (2, 3))


@pytest.mark.parametrize("way", [DevicePatches, Ahead])
def test_patches_are_the_same_whichever_way_they_are_cut(images, way):
    """On the device, in a thread, in any order of iterations: the bytes of those that the CPU cuts."""
    patches = patches_of(images, recipe(batch=40))  # all turns, flips and images
    batches = way(patches, CPU)
    for iteration in (0, 1, 2, 7):
        assert all(torch.equal(*pair) for pair in zip(batches(iteration), patches(iteration), strict=True))
    assert patches.on(CPU) is patches


def test_two_seeds_never_share_weights_patches_or_checkpoints(images, tmp_path):
    runs = [trainer(images, tmp_path, recipe(seed=seed, iterations=2)) for seed in (10, 11)]
    weights = [run.run() for run in runs]
    assert not any(torch.equal(one, weights[1][name]) for name, one in weights[0].items() if one.count_nonzero())
    assert list(runs[0].patches.draws(0)) != list(runs[1].patches.draws(0))
    assert runs[0].checkpoints.newest != runs[1].checkpoints.newest
    with pytest.raises(ValidationError, match="names one twice"):
        recipe(seeds=[10, 11, 10])


@pytest.mark.parametrize("change", [{"channels_last": True}, {"precision": "bf16"}, {"compile": "default"}], ids=str)
def test_options_of_speed_train_the_same_network(images, tmp_path, change):
    """Nearly: other orders of summation, and in bf16 products of 8 bits."""
    network = (lambda: Dropping(0)) if "compile" in change else (lambda: None)  # one that is compiled soon
    plain = trainer(images, tmp_path, recipe(ema=0), network())
    start = {name: value.clone() for name, value in plain.weights.items()}
    fast = trainer(images, tmp_path, recipe(ema=0, **change), network())
    assert (fast.forward is fast.network) == ("compile" not in change)
    plain.run()
    moved = sum((plain.weights[name] - start[name]).square().sum() for name in start)
    fast.run()
    apart = sum((plain.weights[name] - fast.weights[name]).square().sum() for name in start)
    assert fast.weights.keys() == start.keys()
    assert moved > 0 and apart < (0.3 if "precision" in change else 1e-3) * moved
    assert fast.losses == [] and all(value.dtype == torch.float32 for value in fast.weights.values())


def test_without_a_compiler_a_recipe_that_compiles_says_so(images, tmp_path):
    torch._dynamo.reset()
    run = trainer(images, tmp_path, recipe(compile="default"), Dropping(0))
    with (
        torch._inductor.config.patch({"cpp.cxx": (None, "/none"), "force_disable_caches": True}),
        pytest.raises(UserError, match=r"`compile: default`: .*No working C\+\+ compiler.*g\+\+.*`compile: null`"),
    ):
        run.run()


def test_epochs_are_passes_over_the_images(images, tmp_path):
    assert trainer(images, tmp_path, recipe(iterations=None, epochs=10)).total == 15  # 10 epochs of 3 images by 2


@pytest.mark.parametrize("way", [lambda patches: patches, lambda patches: DevicePatches(patches, CPU)])
def test_shares_make_up_the_batch(images, way):
    settings = recipe(batch=6)
    folders = images / "HR-x4", images / "LR/x4-bicubic"
    shares = [way(Patches(*folders, 4, settings, (rank, 3)))(4) for rank in range(3)]
    for whole, *parts in zip(patches_of(images, settings)(4), *shares, strict=True):
        assert torch.equal(torch.stack(parts, 1).flatten(0, 1), whole)


class Dropping(torch.nn.Module):
    """A network that draws random numbers while it trains."""

    def __init__(self, share=0.3):
        super().__init__()
        torch.manual_seed(1)
        layers = torch.nn.Conv2d(3, 48, 3, padding=1), torch.nn.Dropout(share), torch.nn.PixelShuffle(4)
        self.layers = torch.nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x)


@pytest.mark.parametrize("network", [lambda: None, Dropping], ids=["lstmconvsr", "dropout"])
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


def test_average_follows_the_weights(images, tmp_path):
    averaged = trainer(images, tmp_path, recipe(iterations=1, ema=0.9))
    start = {name: value.clone() for name, value in averaged.weights.items()}
    average, last = averaged.run(), averaged.weights
    for name in start:
        torch.testing.assert_close(average[name], 0.9 * start[name] + 0.1 * last[name])
    plain = trainer(images, tmp_path / "plain", recipe(iterations=1, ema=0))
    assert all(torch.equal(plain.run()[name], last[name]) for name in last)


@pytest.mark.parametrize("keep", ["last", "best"])
def test_validation_is_a_column_and_may_choose_the_weights(images, tmp_path, keep):
    """By a measure whose best is in the middle; then the real one, of a network with weights that are not its own."""
    settings = recipe(validate_every=3, keep=keep)
    measured, seen = iter([20.0, 22.0, 21.0]), []

    def measure(network, weights):
        seen.append({name: value.clone() for name, value in weights.items()})
        return next(measured)

    torch.manual_seed(10)
    parts = patches_of(images, settings), Checkpoints(tmp_path, settings), CPU
    run = Trainer(build(ENTRY).train(), settings, *parts, measure)
    kept = run.run()
    assert [row["psnr_y"] for row in run.curve] == [20.0, 22.0, 21.0]
    assert all(torch.equal(kept[name], value) for name, value in seen[1 if keep == "best" else 2].items())
    again = Trainer(build(ENTRY).train(), settings, *parts, measure).run()  # from the checkpoint
    assert all(torch.equal(again[name], kept[name]) for name in kept)

    network = build(ENTRY)
    own = {name: value.clone() for name, value in network.state_dict().items()}
    found = Validation(images / "HR-x4", images / "LR/x4-bicubic", 4, CPU)(network, kept)
    assert all(torch.equal(value, own[name]) for name, value in network.state_dict().items()) and network.training
    network.load_state_dict(kept)
    pairs = [
        [read_tensor(images / side / f"{name}.png")[None] for side in ("LR/x4-bicubic", "HR-x4")] for name in "abc"
    ]
    with torch.no_grad():
        expected = [psnr(to_uint8(network.eval()(lr / 255)), hr, 4).item() for lr, hr in pairs]
    assert found == pytest.approx(sum(expected) / 3)


def test_validation_needs_a_measure_and_rows():
    for changes, message in (({"keep": "best"}, "needs `validate_every`"), ({"validate_every": 4}, "a multiple of")):
        with pytest.raises(ValidationError, match=message):
            recipe(**changes)


def test_training_lowers_the_loss(images, tmp_path):
    run = trainer(images, tmp_path, recipe(iterations=60, log_every=20, optimiser={"lr": 5e-3}))
    run.run()
    assert run.curve[-1]["loss"] < 0.8 * run.curve[0]["loss"]


def test_a_loss_that_explodes_is_named(images, tmp_path):
    network = build(ENTRY).train()
    next(network.parameters()).data.fill_(float("nan"))
    run = trainer(images, tmp_path, recipe(), network)
    images_of_it = "on images [abc](, [abc])*"
    with pytest.raises(UserError, match=f"the loss is nan at iteration 1, {images_of_it}: lower the recipe's `lr`"):
        run.run()


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


def test_patches_larger_than_an_image_are_refused(images):
    with pytest.raises(UserError, match="a.png has a side below the recipe's patch of 16 pixels: lower"):
        patches_of(images, recipe(patch=16))


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


def script(images, settings, weights, devices=1):
    """How to start the script, for subprocess."""
    small = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_block": 1, "upscale": 4}
    command = [sys.executable, str(ROOT / "workflow/scripts/train_model.py"), "--seed", "10", "--device", "cpu"]
    command += ["--model", json.dumps({"arch": "basicsr:EDSR", "args": small, "scale": 4})]
    command += ["--recipe", json.dumps(settings), "--hr-dir", images / "HR-x4", "--lr-dir", images / "LR/x4-bicubic"]
    command += ["--devices", str(devices), "--weights", weights]
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


def test_an_output_of_another_kind_names_the_images(images, tmp_path):
    class Pair(torch.nn.Module):
        def forward(self, x):
            return x, x

    network = Upscaler(torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1), Pair()))
    with pytest.raises(UserError, match=r"iteration 1, on images [abc](, [abc])?: Sequential returned a tuple"):
        trainer(images, tmp_path / "checkpoints", recipe(), network).run()


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
