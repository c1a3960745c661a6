"""Code of users' own, which may change what a process shares and keep states: results depend on neither."""

import functools
import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from rssr.base.devices import precision_in_use
from rssr.base.errors import UserError
from rssr.base.files import read_json
from rssr.models.batching import Batching
from rssr.models.registry import backends, build, seed
from rssr.models.upscaler import Upscaler
from rssr.models.weights import write_basicsr, write_weights
from rssr.steps.training import Trainer
from rssr.steps.upscaling import networks
from rssr.steps.weights import load, train

CPU = torch.device("cpu")
X = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
# A module that does at import and in its class what lines say.
MODULE = """
import os, random
import numpy as np
import torch
from torch import nn
{at_import}

class Net(nn.Module):
    def __init__(self, shift=0.0):
        super().__init__()
        {in_class}
        self.conv = nn.Conv2d(3, 48, 1)
        self.shift = nn.Parameter(torch.tensor(shift))

    def forward(self, x):
        return nn.functional.pixel_shuffle(self.conv(x), 4) + self.shift
"""
SETTINGS = "; ".join(
    (
        "torch.backends.fp32_precision = 'tf32'",
        "torch.backends.mkldnn.matmul.fp32_precision = 'bf16'",
        "torch.set_float32_matmul_precision('medium')",
        "torch.set_num_threads(7)",
        "os.chdir('/')",
        "torch.set_default_dtype(torch.float64)",
        "torch.set_default_device('meta')",
        "torch.set_grad_enabled(False)",
    )
)


@pytest.fixture
def own_module(tmp_path, monkeypatch, request):
    """Writes a module of another name in each test; returns its name."""
    monkeypatch.syspath_prepend(tmp_path)
    name = "own_" + "".join(letter if letter.isalnum() else "_" for letter in request.node.name)

    def written(at_import="", in_class=""):
        (tmp_path / f"{name}.py").write_text(MODULE.format(at_import=at_import, in_class=in_class or "pass"))
        return name

    return written


def initial_weights(arch, seed, monkeypatch, tmp_path):
    """What a training of an arch begins with."""
    seen = {}

    def stop(trainer, model, *_):
        seen.update(model.state_dict())
        raise InterruptedError

    monkeypatch.setattr(Trainer, "__init__", stop)
    monkeypatch.setattr("rssr.steps.weights.manifest_checksums", lambda *_: {})
    monkeypatch.setattr("rssr.steps.weights.Patches", lambda *_: None)
    with pytest.raises(InterruptedError):
        train({"arch": arch, "scale": 4}, {"seed": seed}, (tmp_path, tmp_path), tmp_path / "w.safetensors", "", CPU)
    return seen["network.conv.weight"]


def test_a_module_that_seeds_changes_no_initial_weights(own_module, monkeypatch, tmp_path):
    arch = f"{own_module(at_import='torch.manual_seed(42); random.seed(42); np.random.seed(42)')}:Net"
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    build({"arch": arch})
    drawn = random.random(), np.random.rand()  # noqa: NPY002
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    assert drawn == (random.random(), np.random.rand())  # noqa: NPY002
    first, second, again = (initial_weights(arch, seed, monkeypatch, tmp_path) for seed in (10, 11, 10))
    assert torch.equal(first, again) and not torch.equal(first, second)
    torch.manual_seed(10)
    assert torch.equal(first, nn.Conv2d(3, 48, 1).weight)


def test_a_class_that_seeds_is_refused_where_it_is_trained(own_module, monkeypatch, tmp_path):
    arch = f"{own_module(in_class='torch.manual_seed(42)')}:Net"
    build({"arch": arch})
    with pytest.raises(UserError, match=f"arch '{arch}' sets PyTorch's seed itself, .*: remove torch.manual_seed"):
        initial_weights(arch, 10, monkeypatch, tmp_path)


@pytest.mark.parametrize("where", ["at_import", "in_class"])
def test_settings_of_the_process_are_kept(own_module, where, monkeypatch):
    arch = f"{own_module(**{where: SETTINGS})}:Net"
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    before = Path.cwd(), torch.get_num_threads()
    network = build({"arch": arch})
    assert (Path.cwd(), torch.get_num_threads()) == before
    assert precision_in_use() == "fp32" and torch.backends.mkldnn.matmul.fp32_precision == "none"
    assert torch.get_float32_matmul_precision() == "highest" and torch.is_grad_enabled()
    if where == "at_import":
        assert network(X).shape == build({"arch": arch})(X).shape == (1, 3, 32, 32)
    assert torch.ones(1).dtype == torch.float32 and torch.ones(1).device == CPU
    assert not torch.overrides._get_current_function_mode_stack()


class Keeping(nn.Module):
    """A network that does something in each call."""

    def __init__(self, act):
        super().__init__()
        self.calls, self.act, self.gain = 0, act, nn.Parameter(torch.ones(1))

    def forward(self, x):
        self.calls, self.seen = self.calls + 1, x
        return interpolate(x * self.gain, scale_factor=4) + self.act(self)


def mean_of_the_first(net):
    if net.calls == 1:
        net.first = net.seen.mean()
    return net.first


STATES = {
    "counts": lambda net: 0.1 * net.calls,
    "keeps its first image": mean_of_the_first,
    "changes weights": lambda net: net.gain.data.mul_(0.9).mean(),
}
DRAWS = {
    "torch": lambda net: 0.1 * torch.rand(1),
    "numpy": lambda net: 0.1 * np.random.rand(),  # noqa: NPY002
    "random": lambda net: 0.1 * random.random(),
}


@pytest.mark.parametrize("act", STATES.values(), ids=STATES)
def test_a_network_that_keeps_a_state_is_refused_at_its_first_image(act):
    said = r"Keeping gives another output for the same image: its forward\(\) keeps a state, or draws from .*: let it"
    with pytest.raises(UserError, match=said):
        Batching(Upscaler(Keeping(act)))(X, 0)


@pytest.mark.parametrize("act", DRAWS.values(), ids=DRAWS)
def test_whatever_a_network_draws_from_its_images_are_the_same_in_any_order(act):
    found = [Batching(Upscaler(Keeping(act))) for _ in range(2)]
    forwards = [found[0](X, number)[0] for number in (5, 6)]
    backwards = [found[1](X, number)[0] for number in (6, 5)]
    assert torch.equal(forwards[0], backwards[1]) and torch.equal(forwards[1], backwards[0])
    assert not torch.equal(*forwards)


def test_only_the_first_image_of_a_users_network_is_computed_again():
    """By a copy that has seen another one, or by the network itself if that cannot be copied."""
    calls = []
    called = Batching(Upscaler(network := Keeping(lambda net: calls.append(1) or 0)))
    for number in range(3):
        called(X, number)
    assert network.calls == 3 and len(calls) == 5
    called = Batching(Upscaler(network := Keeping(lambda net: 0)))
    network.uncopied = (number for number in ())
    for number in range(3):
        called(X, number)
    assert network.calls == 4
    suites, calls = build({"arch": "hsenet"}).eval(), []
    suites.register_forward_hook(lambda *_: calls.append(1))
    called = Batching(suites)
    for number in range(3):
        called(X, number)
    assert len(calls) == 3


class Homonyms(nn.Module):
    """A network whose methods have names of this project's, and mean something else."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def seed(self):
        raise AssertionError

    def backend(self):
        raise AssertionError

    def released(self):
        raise AssertionError

    def forward(self, x):
        return interpolate(x * self.gain, scale_factor=4)


def test_methods_of_a_users_class_may_be_called_like_the_suites(tmp_path):
    write_weights(path := tmp_path / "w.safetensors", {"gain": torch.full((1,), 2.0)}, 4)
    model = build({"arch": "test_own_code:Homonyms", "weights": {"path": str(path)}})
    assert model.network.gain == 2 and backends(model, CPU) == [] and seed(model, 3) is False
    assert write_basicsr(tmp_path / "w.pth", model.network) is None
    assert backends(build({"arch": "mambairv2", "args": {"channels": 12, "groups": [1], "heads": 2}}), CPU) != []


class Fitted(Homonyms):
    def train(self, loader, epochs):
        raise AssertionError


class Layer(Homonyms):
    def seed(self, x):
        return x.mean()


def inside(part):
    return nn.Sequential(globals()[part]())


def test_methods_that_are_called_and_mean_something_else_are_one_sentence():
    said = r"train\(False\), which is called for each network, fails \(TypeError: Fitted.train\(\) .*: give a method of"
    with pytest.raises(UserError, match=said):
        build({"arch": "test_own_code:inside", "args": {"part": "Fitted"}})
    with pytest.raises(UserError, match=r"^Layer.seed\(3\), which .* fails \(AttributeError: .*another name"):
        seed(build({"arch": "test_own_code:inside", "args": {"part": "Layer"}}), 3)


@functools.cache
def shared_network():
    return Keeping(lambda net: 0)


def test_replicates_do_not_share_a_network(tmp_path):
    paths = {}
    for name in ("seed10", "seed11"):
        write_weights(path := tmp_path / f"{name}.safetensors", {"gain": torch.rand(1)}, 4)
        paths[name] = path
    said = "arch 'test_own_code:shared_network' returned the same network twice, .*: let it make a new one in each call"
    with pytest.raises(UserError, match=said):
        networks({"arch": "test_own_code:shared_network", "scale": 4}, paths)
    assert len(networks({"arch": "torch.nn:Upsample", "args": {"scale_factor": 4}}, {})) == 1


RECORD = {"sha256": "ab", "dataset": "Düsseldorf"}


@pytest.mark.parametrize(
    ("content", "stated"),
    [
        (json.dumps(RECORD, ensure_ascii=False).encode(), RECORD),
        (json.dumps(RECORD, ensure_ascii=False).encode("latin-1"), "not stated"),
        (b"", "not stated"),
        (b'{"step": 1}\n{"step": 2}\n', "not stated"),
        (b'{"lr": 1}', "not stated"),
        (b'{"sha256": "ab", "loss": NaN}', "not stated"),
        (b'{"sha256": "ab", "loss": 1e999}', "not stated"),
        (b"[" * 100000, "not stated"),
    ],
)
def test_only_a_record_beside_weights_is_taken_for_one(tmp_path, content, stated):
    entry = {"arch": "test_own_code:shared_network", "scale": 4, "weights": {"path": str(tmp_path / "given.pth")}}
    torch.save({"gain": torch.ones(1)}, tmp_path / "given.pth")
    (tmp_path / "given.json").write_bytes(content)
    load(entry, tmp_path, tmp_path / "run/w.safetensors")
    assert read_json(tmp_path / "run/w.json")["training"] == stated
