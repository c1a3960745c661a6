"""Training of users' own classes: what stands in their weights, what they share, and how they fail."""

import json
import runpy
import sys

import pytest
import torch
from small_training import CPU, recipe, three_images, trainer
from torch import nn

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.config.measuring import Profile
from rssr.steps.validation import Validation


class Net(nn.Module):
    """A convolution whose output goes through `change`, a function of the network and that output."""

    def __init__(self, change=lambda net, sr: sr, **parts):
        super().__init__()
        torch.manual_seed(1)
        self.conv, self.shuffle, self.change = nn.Conv2d(3, 48, 3, padding=1), nn.PixelShuffle(4), change
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.shuffle(self.change(self, self.conv(x)))


class Half(Net):
    """A network of half the scale."""

    def __init__(self):
        super().__init__()
        self.conv, self.shuffle = nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2)


class Backward(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        raise AssertionError("no second order")


def hooked(net, sr):
    sr.register_hook(lambda gradient: 1 / 0)
    return sr


def looked_up(net, sr):
    return sr + net.table(torch.zeros(1, dtype=torch.long)).mean()


@pytest.mark.parametrize("step", ["train_model", "profile_model"])
def test_a_job_says_which_entry_fails(tmp_path, monkeypatch, step):
    images, model = three_images(tmp_path), {"arch": "test_own_training:Half", "scale": 4}
    of_step = {
        "train_model": [
            *("--hr-dir", images / "HR-x4", "--lr-dir", images / "LR/x4-bicubic", "--seed", 1),
            *("--recipe", json.dumps(recipe()), "--weights", "results/weights/wrong/tiny/x4/seed1.safetensors"),
        ],
        "profile_model": ["--profile", Profile().model_dump_json(), "--out", "results/profile/x4/wrong.json"],
    }[step]
    monkeypatch.chdir(tmp_path)
    script = str(ROOT / f"workflow/scripts/{step}.py")
    arguments = [script, "--model", json.dumps(model), "--device", "cpu", *of_step]
    monkeypatch.setattr(sys, "argv", list(map(str, arguments)))
    with pytest.raises(SystemExit, match="^error: models.wrong: .*Half made .* not x4: correct its `args`"):
        runpy.run_path(script, run_name="__main__")


FAILURES = {
    r"AssertionError: no second order; .*test_own_training.py, line \d+": lambda: Net(
        lambda net, sr: Backward.apply(sr)
    ),
    r"ZeroDivisionError: division by zero; .*test_own_training.py, line \d+": lambda: Net(hooked),
    r"RuntimeError: .*sparse": lambda: Net(looked_up, table=nn.Embedding(2, 3, sparse=True)),
}


@pytest.mark.parametrize("said", FAILURES)
@pytest.mark.parametrize("clip", [None, 1.0])
def test_whatever_fails_in_a_step_is_one_sentence(images, tmp_path, said, clip):
    with pytest.raises(UserError, match=rf"the network cannot be trained \({said}.*\): correct its class") as error:
        trainer(images, tmp_path, recipe(clip=clip), FAILURES[said]()).run()
    assert "\n" not in str(error.value)


def test_complex_weights_are_trained_and_averaged(images, tmp_path):
    phase = nn.Parameter(torch.ones(48, 1, 1, dtype=torch.complex64))
    run = trainer(images, tmp_path, recipe(iterations=1), Net(lambda net, sr: (sr * net.phase).abs(), phase=phase))
    average = run.run()["phase"]
    assert not torch.equal(phase, torch.ones_like(phase))
    torch.testing.assert_close(average, 0.9 + 0.1 * phase.detach())


def masked(net, sr):
    scores = torch.zeros(4, 4) + net.mask
    return sr * scores.softmax(-1).sum() / 4


@pytest.mark.parametrize("ema", [0, 0.9])
def test_a_mask_of_infinite_numbers_is_no_failure(images, tmp_path, ema):
    net, mask = Net(masked), torch.full((4, 4), -torch.inf).triu(1)
    net.register_buffer("mask", mask.clone())
    assert torch.equal(trainer(images, tmp_path, recipe(ema=ema), net).run()["mask"], mask)
    run = trainer(images, tmp_path / "broken", recipe(ema=ema, checkpoint_every=1), net)
    step = run.optimiser.step
    run.optimiser.step = lambda: (step(), run.network.conv.weight.data.fill_(torch.inf))
    with pytest.raises(UserError, match="weights are not finite at iteration 1"):
        run.run()


def test_layers_under_two_names_are_validated(images):
    conv = nn.Conv2d(48, 48, 1)
    net = Net(lambda net, sr: net.second(net.first(sr)), first=conv, second=conv)
    measure = Validation(images / "HR-x4", images / "LR/x4-bicubic", 4, CPU)
    own = {name: value.clone() for name, value in net.state_dict().items()}
    others = {name: 0.5 * value for name, value in own.items()}
    found = measure(net, others), measure(net, own)
    assert all(torch.equal(value, own[name]) for name, value in net.state_dict().items()) and net.training
    net.load_state_dict(others)
    assert found[0] == measure(net, net.state_dict()) != found[1]
