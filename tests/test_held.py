"""Weights that are kept: what users' classes have among them, whether it can be written and read, and its average."""

import pytest
import torch
import yaml
from small_training import CPU, recipe, trainer
from test_own_training import Net
from torch import nn

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.base.tensors import read_weights
from rssr.config import validate
from rssr.models.registry import backends, build, network_of, seed
from rssr.models.weights import write_weights
from rssr.steps.catalogue import facts_of
from rssr.steps.held import check_kept
from rssr.steps.weights import train


class Kept(Net):
    """A network with one thing about its weights that PyTorch allows, by `kind`."""

    def __init__(self, kind):
        nn.Module.__init__(self)  # Net sets a seed
        self.conv, self.shuffle, self.kind = nn.Conv2d(3, 48, 3, padding=1), nn.PixelShuffle(4), kind
        self.change = lambda net, sr: sr
        if kind in BUFFERS:
            self.register_buffer("odd", BUFFERS[kind]())
        self.frozen = nn.Conv2d(1, 1, 1)

    def state_dict(self, *arguments, **options):
        found = super().state_dict(*arguments, **options)
        if self.kind == "left out":
            return {name: value for name, value in found.items() if "frozen" not in name}
        return found

    def load_state_dict(self, tensors, strict=True):
        if self.kind == "refused":
            raise KeyError("epoch")
        return super().load_state_dict(tensors, strict)


BUFFERS = {
    "8 bits": lambda: torch.zeros(2).to(torch.float8_e4m3fn),
    "half complex": lambda: torch.zeros(2, dtype=torch.complex32),
    "meta": lambda: torch.zeros(2, device="meta"),
}
SOUND = {
    "whole": None,
    "left out": None,
    "expanded": lambda: torch.zeros(1).expand(4),
    "bool": lambda: torch.zeros(2, dtype=torch.bool),
    "infinite": lambda: torch.full((2,), -torch.inf),
    "complex": lambda: torch.zeros(2, dtype=torch.complex64),
    "half": lambda: torch.zeros(2).half(),
    "empty": lambda: torch.zeros(0),
}
BUFFERS |= {kind: made for kind, made in SOUND.items() if made}


@pytest.mark.parametrize("kind", ["8 bits", "half complex", "meta", "refused"])
def test_weights_that_cannot_be_kept_are_refused_before_a_training(kind):
    entry = {"arch": "test_held:Kept", "args": {"kind": kind}, "scale": 4}
    before = torch.random.get_rng_state()
    with pytest.raises(UserError, match="^the weights of Kept cannot be averaged, written and read again .*: leave st"):
        check_kept(entry)
    assert torch.equal(torch.random.get_rng_state(), before)
    models = {"net": {"label": "Net", "train": "test", **{key: entry[key] for key in ("arch", "args")}}}
    blocks = yaml.safe_load((ROOT / "config/test.yaml").read_text()) | {"analysis": None, "audit": None}
    with pytest.raises(UserError, match="models.net: the weights of Kept cannot be"):
        facts_of(validate(blocks | {"models": models}, "test"), "net", 4, run=True)


@pytest.mark.parametrize("kind", SOUND)
def test_weights_that_can_be_kept_are_not_refused(kind):
    check_kept({"arch": "test_held:Kept", "args": {"kind": kind}, "scale": 4})


@pytest.mark.parametrize("kind", ["left out", "expanded"])
def test_weights_of_a_class_with_tensors_that_no_file_has_come_back(images, tmp_path, kind):
    """A part that state_dict() leaves out is made again as it was in the training."""
    entry = {"arch": "test_held:Kept", "args": {"kind": kind}, "scale": 4}
    train(
        entry, recipe(iterations=2), [images / "HR-x4", images / "LR/x4-bicubic"], tmp_path / "w.safetensors", "", CPU
    )
    files = [{"weights": {"path": str(tmp_path / "w.safetensors")}}] * 2
    one, two = (network_of(build(entry | file)) for file in files)
    assert torch.equal(one.conv.weight, two.conv.weight) and torch.equal(one.frozen.weight, two.frozen.weight)
    assert torch.equal(one.conv.weight, read_weights(tmp_path / "w.safetensors")["conv.weight"])


def spectral(net):
    nn.utils.parametrizations.spectral_norm(net.conv)
    return net


@pytest.mark.parametrize("change", [spectral, lambda net: nn.utils.spectral_norm(net.conv) and net, nn.Module.bfloat16])
def test_the_average_of_weights_is_a_network_too(images, tmp_path, change):
    """Near the weights themselves: unit vectors of a norm have no mean, and 8 bits of bf16 no step of an average."""
    net, again = change(Net()), change(Net())
    averaged = trainer(images, tmp_path, recipe(iterations=300, ema=0.98, optimiser={"lr": 1e-3}), Narrow(net)).run()
    again.load_state_dict({name.removeprefix("net."): value for name, value in averaged.items()})
    x = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)).to(net.conv.bias.dtype)
    change_of_weights = (Net().eval()(x.float()) - net.eval()(x).float()).abs().mean()
    assert (again.eval()(x).float() - net.eval()(x).float()).abs().mean() < change_of_weights / 10


class Narrow(nn.Module):
    """A network whose input has the type of its weights, and whose output is in fp32."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x.to(self.net.conv.bias.dtype)).float()


def test_a_file_that_the_class_does_not_take_is_named(tmp_path):
    write_weights(tmp_path / "a.safetensors", Kept("refused").state_dict(), 4)
    entry = {"arch": "test_held:Kept", "args": {"kind": "refused"}, "scale": 4}
    with pytest.raises(UserError, match=r"a.safetensors cannot be loaded by Kept.load_state_dict \(KeyError: 'epoch'"):
        build(entry | {"weights": {"path": str(tmp_path / "a.safetensors")}})


class Asking(Net):
    """A network whose properties have names that methods of this project's networks have, and fail."""

    seed = backend = released = property(lambda self: 1 / 0)


def test_a_property_of_a_users_class_is_not_asked():
    model = build({"arch": "test_held:Asking", "scale": 4})
    assert not seed(model, 3) and not backends(model, "cpu") and model(torch.zeros(1, 3, 8, 8)).shape[-1] == 32
