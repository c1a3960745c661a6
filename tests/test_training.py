"""The training loop: schedules by closed form, and a broken run that ends with the same bytes as an unbroken one."""

import json
import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.base.files import sha256, write_image
from rssr.config.models import Recipe
from rssr.datasets.folder import data_set
from rssr.datasets.prepare import prepare_hr, prepare_lr
from rssr.models.registry import build
from rssr.steps.training import Patches, Trainer, learning_rate

ENTRY = {"arch": "lstmconvsr", "args": {"channels": 8, "groups": [1], "arrbs": 1, "tail": "light"}, "scale": 4}


def recipe(**changes):
    content = {"iterations": 8, "batch": 2, "patch": 8, "optimiser": {"lr": 1e-3}, "ema": 0.9, "checkpoint_every": 2}
    return Recipe.model_validate(content | {"log_every": 3, "clip": 1.0} | changes).model_dump(mode="json")


@pytest.fixture
def images(tmp_path):
    """results/data/{dataset}/train of three images of random squares, which a network can learn."""
    for name in "abc":
        squares = np.random.default_rng(ord(name)).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        pixels = np.kron(squares, np.ones((8, 8, 1), np.uint8))
        write_image(tmp_path / f"own/{name}.png", pixels)
    own = data_set(str(tmp_path / "own"), {"train": "*"})
    prepare_hr(own, tmp_path, "train", None, tmp_path / "train/HR-x4", 1)
    prepare_lr(tmp_path / "train/HR-x4", tmp_path / "train/LR/x4-bicubic", "bicubic", 4, 1)
    return tmp_path / "train"


def trainer(images, folder, settings, network=None):
    torch.manual_seed(settings["seed"])
    network = network or build(ENTRY).train()
    return Trainer(
        network, settings, Patches(images / "HR-x4", images / "LR/x4-bicubic", 4, settings), folder, settings
    )


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
    patches = Patches(images / "HR-x4", images / "LR/x4-bicubic", 4, recipe())
    lr, hr = patches(3)
    assert lr.shape == (2, 3, 8, 8) and hr.shape == (2, 3, 32, 32)
    assert torch.equal(patches(3)[1], hr) and not torch.equal(patches(4)[1], hr)
    reduced = torch.nn.functional.avg_pool2d(hr, 4)  # the same place, turned the same way
    aligned = (lr - reduced).abs().mean()
    assert all((lr.flip(axis) - reduced).abs().mean() > 2 * aligned for axis in (2, 3))


def test_epochs_are_passes_over_the_images(images, tmp_path):
    assert trainer(images, tmp_path, recipe(iterations=None, epochs=10)).total == 15  # 10 epochs of 3 images by 2


class Dropping(torch.nn.Module):
    """A network that draws random numbers while it trains."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        layers = torch.nn.Conv2d(3, 48, 3, padding=1), torch.nn.Dropout(0.3), torch.nn.PixelShuffle(4)
        self.layers = torch.nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x)


@pytest.mark.parametrize("network", [lambda: None, Dropping], ids=["lstmconvsr", "dropout"])
def test_a_broken_run_resumes_exactly(images, tmp_path, network):
    whole = trainer(images, tmp_path / "whole", recipe(), network())
    expected = whole.run()

    broken = trainer(images, tmp_path / "broken", recipe(), network())
    batches = broken.patches

    def interrupted(iteration):
        if iteration == 5:
            raise KeyboardInterrupt
        return batches(iteration)

    broken.patches = interrupted
    with pytest.raises(KeyboardInterrupt):
        broken.run()
    resumed = trainer(images, tmp_path / "broken", recipe(), network())
    assert resumed.done == 4
    weights = resumed.run()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    assert resumed.curve == whole.curve
    assert [row["iteration"] for row in whole.curve] == [3, 6, 8]
    assert trainer(images, tmp_path / "whole", recipe(), network()).done == 8  # a finished run is not trained again


def test_a_checkpoint_of_another_recipe_is_not_resumed(images, tmp_path):
    first = trainer(images, tmp_path, recipe())
    first.done = 2
    first._save()
    assert trainer(images, tmp_path, recipe()).done == 2
    assert trainer(images, tmp_path, recipe(batch=3)).done == 0


def test_average_follows_the_weights(images, tmp_path):
    averaged = trainer(images, tmp_path, recipe(iterations=1, ema=0.9))
    start = {name: value.clone() for name, value in averaged._weights().items()}
    average, last = averaged.run(), averaged._weights()
    for name in start:
        torch.testing.assert_close(average[name], 0.9 * start[name] + 0.1 * last[name])
    plain = trainer(images, tmp_path / "plain", recipe(iterations=1, ema=0))
    assert all(torch.equal(plain.run()[name], last[name]) for name in last)


def test_training_lowers_the_loss(images, tmp_path):
    run = trainer(images, tmp_path, recipe(iterations=60, log_every=20, optimiser={"lr": 5e-3}))
    run.run()
    assert run.curve[-1]["loss"] < 0.8 * run.curve[0]["loss"]


def test_a_loss_that_explodes_is_named(images, tmp_path):
    network = build(ENTRY).train()
    next(network.parameters()).data.fill_(float("nan"))
    with pytest.raises(UserError, match="the loss is nan at iteration 1: lower the recipe's `lr`"):
        trainer(images, tmp_path, recipe(), network).run()


def test_patches_larger_than_an_image_are_refused(images):
    with pytest.raises(UserError, match="a.png has a side below the recipe's patch of 16 pixels"):
        Patches(images / "HR-x4", images / "LR/x4-bicubic", 4, recipe(patch=16))


def test_the_script_runs_by_hand_and_twice_the_same(images, tmp_path):
    digests = []
    for name in ("one", "two"):
        weights = tmp_path / name / "w.safetensors"
        command = [sys.executable, str(ROOT / "workflow/scripts/train_model.py"), "--model", json.dumps(ENTRY)]
        command += [
            "--recipe",
            json.dumps(recipe()),
            "--hr-dir",
            str(images / "HR-x4"),
            "--lr-dir",
            str(images / "LR/x4-bicubic"),
        ]
        result = subprocess.run(
            [*command, "--weights", str(weights)], capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}
        )
        assert result.returncode == 0, result.stderr
        digests.append(sha256(weights))
        assert list(pd.read_csv(weights.with_suffix(".csv"))["iteration"]) == [3, 6, 8]
        assert json.loads(weights.with_suffix(".json").read_text())["sha256"] == digests[-1]
    assert digests[0] == digests[1]
