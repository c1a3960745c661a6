"""Networks of users that act on their weights in eval mode, draw what no file has, or differentiate while they run."""

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import interpolate, pad, pixel_shuffle

from rssr.base.files import read_json, write_json
from rssr.base.shared_state import seed_generators
from rssr.config import Config
from rssr.metrics.complexity import count_macs
from rssr.metrics.latency import measure
from rssr.models.batching import Batching
from rssr.models.registry import build, network_of
from rssr.models.weights import write_weights
from rssr.render.scores import not_loaded
from rssr.steps.export import export
from rssr.steps.weights import load

X = torch.rand(1, 3, 8, 9, generator=torch.Generator().manual_seed(0))


class Branches(nn.Module):
    """Two convolutions in train mode, as in RepVGG."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 48, 3, padding=1), nn.Conv2d(3, 48, 1)

    def forward(self, x):
        return pixel_shuffle(self.a(x) + self.b(x), 4)


class Merging(Branches):
    """Adds one branch to the other in eval mode, as loralib does."""

    def train(self, mode=True):
        if mode != self.training:
            self.a.weight.data += pad(self.b.weight.data, (1, 1, 1, 1)) * (-1 if mode else 1)
        return super().train(mode)

    def forward(self, x):
        return pixel_shuffle(self.a(x) + (self.b(x) if self.training else self.b.bias[:, None, None]), 4)


class Replacing(Branches):
    """Replaces both by one convolution in eval mode."""

    def eval(self):
        if hasattr(self, "b"):
            self.a.weight.data += pad(self.b.weight.data, (1, 1, 1, 1))
            self.a.bias.data += self.b.bias.data
            del self.b
        return super().eval()

    def forward(self, x):
        return pixel_shuffle(self.a(x) + (self.b(x) if self.training else 0), 4)


@pytest.fixture
def of_branches(tmp_path):
    network = Branches()
    write_weights(path := tmp_path / "w.safetensors", network.state_dict(), 4)
    return network, path


@pytest.mark.parametrize("name", ["Branches", "Merging", "Replacing"])
@pytest.mark.parametrize("more", [{}, {"self_ensemble": True}, {"tile": {"size": 16, "overlap": 4}}], ids=str)
def test_weights_are_loaded_before_eval_is_called(of_branches, name, more):
    plain, path = of_branches
    entry = {"scale": 4, "weights": {"path": str(path)}} | more
    model, expected = (build(entry | {"arch": f"test_modes:{each}"}) for each in (name, "Branches"))
    assert not any(part.training for part in model.modules())
    torch.testing.assert_close(model(X), expected(X))
    assert all(part.training for part in build(entry | {"arch": f"test_modes:{name}"}, training=True).modules())
    if not more:
        torch.testing.assert_close(model(X), plain(X))


@pytest.mark.parametrize("name", ["Merging", "Replacing"])
def test_files_have_the_weights_of_train_mode(of_branches, tmp_path, name):
    plain, path = of_branches
    entry = {"arch": f"test_modes:{name}", "weights": {"path": str(path)}}
    load(entry | {"scale": 4}, tmp_path, tmp_path / "loaded/w.safetensors")
    data = {"s": {"module": "synthetic", "label": "S"}}
    config = Config.model_validate({"datasets": data, "models": {"net": entry | {"label": "N"}}})
    export(config, "net", 4, "safetensors", tmp_path / "exported.safetensors")
    for made in ("loaded/w.safetensors", "exported.safetensors"):
        found = load_file(tmp_path / made)
        assert found.keys() == plain.state_dict().keys()
        assert all(torch.equal(found[name], value) for name, value in plain.state_dict().items())


class Fourier(nn.Module):
    """Random numbers that are in no file."""

    def __init__(self):
        super().__init__()
        self.register_buffer("frequencies", torch.randn(3), persistent=False)
        self.gain = nn.Parameter(torch.rand(1))

    def forward(self, x):
        return interpolate(x * self.gain, scale_factor=4)


@pytest.mark.parametrize(
    ("record", "seed"),
    [
        ({"sha256": "ab", "recipe": {"seed": 11}}, 11),
        ({"sha256": "ab", "training": {"sha256": "ab", "recipe": {"seed": 12}}}, 12),
        ({"sha256": "ab", "training": "not stated"}, 0),
        (None, 0),
    ],
)
def test_what_no_file_has_is_as_it_was_in_training(tmp_path, record, seed):
    write_weights(path := tmp_path / "w.safetensors", {"gain": torch.ones(1)}, 4)
    if record:
        write_json(path.with_suffix(".json"), record)
    seed_generators(seed)
    expected = Fourier().frequencies
    torch.manual_seed(5)
    found = network_of(build({"arch": "test_modes:Fourier", "weights": {"path": str(path)}}))
    assert torch.equal(found.frequencies, expected) and found.gain == 1
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(1)), "the process draws on as before"


def test_what_a_file_lacks_is_the_same_in_every_process_and_noted(of_branches, tmp_path):
    state = Branches().state_dict()
    torch.save({name: value for name, value in state.items() if name != "b.weight"} | {"c": X}, tmp_path / "w.pth")
    entry = {"arch": "test_modes:Branches", "scale": 4, "strict": False, "weights": {"path": str(tmp_path / "w.pth")}}
    made = [tmp_path / f"{number}/w.safetensors" for number in range(2)]
    for path in made:
        load(entry, tmp_path, path)
    one, other = map(load_file, made)
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    record = made[0].with_suffix(".json")
    assert read_json(record)["misfits"] == ["'b.weight' is missing", "'c' is unknown to the network"]
    assert not_loaded(record) == ["1 tensor not loaded from its file: initial values"]
    load(entry | {"weights": {"path": str(of_branches[1])}}, tmp_path, made[0])
    assert not_loaded(record) == []


class Solving(nn.Module):
    """A step along the gradient of a data term, as of deep unrolling."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, x):
        with torch.enable_grad():
            guess = x.clone().requires_grad_()
            (slope,) = torch.autograd.grad((self.gain * guess).square().sum() / 2, guess)
            return interpolate(guess - 0.5 * slope, scale_factor=4)


def test_a_network_may_differentiate_while_it_runs():
    model = build({"arch": "test_modes:Solving"})
    expected = interpolate(X / 2, scale_factor=4)
    found, _ = Batching(model)(X, 0)
    assert torch.equal(found, (expected[0] * 255).round().to(torch.uint8))
    assert len(measure(model, X, {"warmup": 1, "samples": 3, "seconds": 1})["samples_ms"]) == 3
    assert "reason" not in count_macs(model, X)
    with torch.no_grad():
        assert not model(X).requires_grad
    assert model(X).requires_grad
