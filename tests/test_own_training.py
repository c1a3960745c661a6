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
            *("--checkpoint-every", 2, "--log-every", 3),
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


class Merging(Net):
    """Two branches in training, whose sum replaces them for good in evaluation, as RepVGG's do."""

    def __init__(self):
        super().__init__(lambda net, sr: net.merged(sr) if hasattr(net, "merged") else net.one(sr) + net.two(sr))
        self.one, self.two = nn.Conv2d(48, 48, 1), nn.Conv2d(48, 48, 1)

    def train(self, mode=True):
        if not mode and not hasattr(self, "merged"):
            merged = nn.Conv2d(48, 48, 1)
            for name in ("weight", "bias"):
                getattr(merged, name).data = getattr(self.one, name).data + getattr(self.two, name).data
            del self.one, self.two
            self.merged = merged
        return super().train(mode)


def twice():
    conv = nn.Conv2d(48, 48, 1)
    return Net(lambda net, sr: net.second(net.first(sr)), first=conv, second=conv)


@pytest.mark.parametrize("make", [Merging, twice], ids=["merged in evaluation", "a layer under two names"])
def test_given_weights_are_validated(images, make):
    """Twice, by what the network gives in train mode, where it is the same."""
    measure = Validation(images / "HR-x4", images / "LR/x4-bicubic", 4, CPU, make)
    for factor in (0.5, 1):
        net = make()
        with torch.no_grad():
            for value in net.parameters():
                value *= factor
            expected = sum(measure._psnr(net, *pair) for pair in measure.pairs) / 3
        assert measure(net.state_dict()) == pytest.approx(expected, abs=1e-3)


def replaced(net, sr):
    """A forward() that puts other tensors in the places of a weight and of a buffer."""
    if net.training:
        net.conv.weight.data = net.conv.weight.data.clamp(-0.1, 0.1)
        net.seen = net.seen + 1
    return sr


@pytest.mark.parametrize("ema", [0, 0.5])
def test_tensors_that_forward_replaces_are_kept(images, tmp_path, ema):
    net = Net(replaced)
    net.register_buffer("seen", torch.zeros(()))
    start = net.conv.weight.detach().clamp(-0.1, 0.1)
    kept = trainer(images, tmp_path, recipe(iterations=2, ema=ema), net).run()
    assert kept["seen"] == 2  # what a buffer counts has no average
    assert ema or torch.equal(kept["conv.weight"], net.conv.weight)
    assert not torch.equal(kept["conv.weight"].clamp(-0.1, 0.1), start)


def late(net, sr):
    net.late = nn.Conv2d(48, 48, 1)
    return net.late(sr)


def exchanged(net, sr):
    net.conv.weight = nn.Parameter(net.conv.weight.detach())
    return sr


@pytest.mark.parametrize(("change", "name"), [(late, "late.weight"), (exchanged, "conv.weight")])
def test_layers_that_an_optimiser_cannot_know_are_refused(images, tmp_path, change, name):
    run = trainer(images, tmp_path, recipe(), Net(change))
    with pytest.raises(UserError, match=f"the network makes, replaces or removes '{name}' while it runs: make every"):
        run.run()
    assert run.done == 0
