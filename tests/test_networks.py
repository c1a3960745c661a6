"""Networks of users' own: what they return, raise and write into is looked at once, and said in one sentence."""

import re

import numpy as np
import pytest
import torch
from objects import a_plan
from torch import nn
from torch.nn.functional import interpolate

from rssr.base.errors import UserError
from rssr.base.files import write_csv, write_image
from rssr.metrics.complexity import count_macs
from rssr.models.registry import build
from rssr.models.upscaler import Upscaler
from rssr.plan.replicate import SINGLE
from rssr.render.tables.cost import complexity
from rssr.steps.upscaling import networks, upscale_folder

X = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """A network of one parameter whose output goes through `change`; its constructor through `init`."""

    def __init__(self, change=lambda sr: sr, init=None):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))
        self.change = change
        exec(init or "")

    def forward(self, x):
        return self.change(interpolate(x * self.gain, scale_factor=4))


class Overwriting(nn.Module):
    def forward(self, x):
        return interpolate(x.mul_(2).clamp_(0, 1), scale_factor=4)


def fails(sr):
    raise LookupError("no window\nof this size")


def no_network():
    return {}


WRONG = {
    "a tuple": lambda sr: (sr, sr),
    "a list": lambda sr: [sr],
    "a dict of sr, aux": lambda sr: {"sr": sr, "aux": sr},
    "a NoneType": lambda sr: None,
    "torch.uint8 numbers": lambda sr: (sr * 255).byte(),
    "torch.complex64 numbers": lambda sr: sr + 0j,
    "a meta tensor": lambda sr: sr.to("meta"),
    "a sparse_coo tensor": lambda sr: sr.to_sparse(),
    r"\(1, 1, 96, 96\)": lambda sr: sr[:, :1],
    r"\(1, 4, 96, 96\)": lambda sr: torch.cat([sr, sr[:, :1]], 1),
    r"\(3, 96, 96\)": lambda sr: sr[0],
    r"\(96, 96, 3\)": lambda sr: sr[0].permute(1, 2, 0),
    r"\(2, 3, 96, 96\)": lambda sr: torch.cat([sr, sr]),
    r"made \(95, 96\) from \(24, 24\), not x4: correct its `args`, where `.{scale}.` ": lambda sr: sr[..., 1:, :],
    r"LookupError: no window of this size; .*test_networks.py, line \d+": fails,
    r"SystemExit: 3; .*test_networks.py, line \d+": lambda sr: exit(3),
}
NOT_FINITE = {"NaN": torch.nan, "infinite": torch.inf, "negative": -torch.inf}


@pytest.fixture
def lr_dir(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    digest = write_image(tmp_path / "lr/scene.png", pixels)
    write_csv(tmp_path / "lr/manifest.csv", [{"image": "scene", "sha256": digest}])
    return tmp_path / "lr"


def around_network(network, around):
    """What build() makes of an entry with these further keys, around a network."""
    model = inner = build({"arch": "torch.nn:Upsample", "args": {"scale_factor": 4}} | around)
    while not isinstance(inner, Upscaler):
        inner = inner.network
    inner.network = network
    return model


def upscaled(model, lr_dir):
    upscale_folder({"0": model.eval()}, 1, lr_dir, lr_dir.parent / "net", "identity", torch.device("cpu"))


@pytest.mark.parametrize("wrong", WRONG)
def test_an_output_of_another_kind_names_model_and_image(wrong, lr_dir):
    with pytest.raises(UserError, match=f"models.net, image scene: Net .*{wrong}") as error:
        upscaled(Upscaler(Net(WRONG[wrong])), lr_dir)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", NOT_FINITE.values(), ids=NOT_FINITE)
@pytest.mark.parametrize("around", [{}, {"self_ensemble": True}, {"tile": {"size": 16, "overlap": 4}}])
def test_an_output_that_is_not_finite_is_never_an_image(value, around, lr_dir):
    def spoilt(sr):
        sr = sr.clone()
        sr[0, 1, 40, 40] = value
        return sr

    model = around_network(Net(spoilt), around)
    with pytest.raises(UserError, match=r"models.net, image scene: \d+ of the 27648 numbers .* are NaN or infinite"):
        upscaled(model, lr_dir)
    assert not list((lr_dir.parent / "net").rglob("*.png"))


def test_a_class_without_parameters_needs_no_weights():
    entry = {"arch": "torch.nn:Upsample", "args": {"scale_factor": "{scale}"}, "weightless": True}
    others = {"audit": None, "analysis": None}
    plan = a_plan(models={"net": {"label": "Net"} | entry}, **others)
    (model,) = plan.models
    assert not model.has_weights and model.replicates == [SINGLE] and plan.all_weights == []
    made = networks(model.entry, {})[SINGLE]
    torch.testing.assert_close(made(X), interpolate(X, scale_factor=4))
    for changes, message in (
        ({"weightless": False}, "a network needs weights: .*, or `weightless: true` where its class has none$"),
        ({"weights": {"path": "a"}}, "`weightless` is for a class without parameters: leave `weights`, "),
        ({"arch": "bicubic", "args": {}}, "`weightless` has no effect on an interpolation"),
    ):
        with pytest.raises(UserError, match=message):
            a_plan(models={"net": {"label": "Net"} | entry | changes}, **others)
    with pytest.raises(UserError, match="has parameters, such as 'conv_first.weight': give `weights` or `train` in"):
        build({"arch": "basicsr:EDSR", "args": {"num_in_ch": 3, "num_out_ch": 3}, "weightless": True})


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floating_point_is_read(dtype, lr_dir):
    upscaled(Upscaler(Net(lambda sr: sr.to(dtype))), lr_dir)
    assert len(list((lr_dir.parent / "net").rglob("*.png"))) == 1


@pytest.mark.parametrize("around", [{}, {"self_ensemble": True}, {"tile": {"size": 16, "overlap": 8}}])
def test_a_network_that_writes_into_its_input_harms_nobody(around):
    model, x = around_network(Overwriting(), around), X.clone()
    torch.testing.assert_close(model(x), interpolate((2 * X).clamp(0, 1), scale_factor=4))
    assert torch.equal(x, X)


@pytest.mark.parametrize(
    ("init", "said"),
    [
        ("assert False, 'only x2'", "AssertionError: only x2; .*line .*$"),
        ("import not_installed", "ModuleNotFoundError: No module named 'not_installed'"),
        ("{}['small']", "KeyError: 'small'"),
        ("raise SystemExit", "SystemExit"),
    ],
)
def test_whatever_a_constructor_raises_is_one_sentence(init, said):
    with pytest.raises(UserError, match=f"arch 'test_networks:Net' cannot be built with .*{said}"):
        build({"arch": "test_networks:Net", "args": {"init": init}})
    with pytest.raises(
        UserError, match=r"arch 'test_networks:no_network' made a dict: name a class of torch.nn.Module"
    ):
        build({"arch": "test_networks:no_network"})


@pytest.mark.parametrize(
    ("arch", "args", "said"),
    [
        ("basicsr:EDSRR", {}, "module basicsr has no class 'EDSRR', did you mean 'EDSR'\\?$"),
        ("spandrel:HAT.HATT", {}, "module spandrel.architectures.HAT has no class 'HATT', did you mean 'HAT'\\?$"),
        ("test_networks:Ex", {}, "module test_networks has no class 'Ex'; valid are: Extra, Net, Overwriting, "),
        ("runs:Net", {}, "module runs has no class 'Net'; valid are: "),
        ("basicsr:EDSR", {"features": 16, "num_feat": 8}, "the argument 'features'; valid are: .*, num_feat, "),
        ("basicsr:EDSR", {"num_feats": 16}, "does not take the argument 'num_feats', did you mean 'num_feat'\\?$"),
        ("basicsr:EDSR", {"num_feat": 8}, "does not take the arguments {'num_feat': 8}: TypeError: .*'num_in_ch'"),
        ("nets/mynet.py:Net", {}, "'nets/mynet.py:Net' names a file, .*: write nets.mynet:Net$"),
        ("./nets/mynet:Net", {}, "'./nets/mynet:Net' names a file, .*: write nets.mynet:Net$"),
        ("/tmp/x.py:Net", {}, "names a file, .*: put its folder in PYTHONPATH and write x:Net$"),
        ("~/x.py:Net", {}, "names a file, .*: put its folder in PYTHONPATH and write x:Net$"),
        ("../nets/x.py:Net", {}, "names a file, .*: put its folder in PYTHONPATH and write x:Net$"),
        ("nets\\x.py:Net", {}, "names a file, .*: put its folder in PYTHONPATH and write x:Net$"),
        ("C:\\nets\\x.py:Net", {}, "names a file, .*: put its folder in PYTHONPATH and write x:Net$"),
        (":Net", {}, "':Net' names no class: write it as package.module:Class$"),
        ("..nets:Net", {}, "'..nets:Net' names no class: write it as package.module:Class$"),
        ("nets:", {}, "'nets:' names no class"),
        ("nets:Net-2", {}, "'nets:Net-2' names no class"),
    ],
)
def test_names_that_do_not_exist_get_the_nearest(arch, args, said):
    with pytest.raises(UserError, match=said):
        build({"arch": arch, "args": args})


class Extra(nn.Module):
    """A network with options among its weights."""

    def get_extra_state(self):
        return {"width": 8}


@pytest.mark.parametrize(
    ("arch", "args", "said"),
    [
        ("torch.nn:LazyConv2d", {"out_channels": 3, "kernel_size": 1}, "a tensor whose shape is not .*'weight'"),
        ("test_networks:Extra", {}, "a dict among its weights, '_extra_state'"),
    ],
)
def test_weights_that_no_file_can_hold_are_refused_before_anything_is_done(arch, args, said):
    with pytest.raises(UserError, match=f"arch '{arch}' has {said}.*: give it as a plain tensor"):
        build({"arch": arch, "args": args})


def test_a_network_that_draws_without_a_seed_of_its_own_gives_the_same_in_every_run(lr_dir):
    found = []
    for _ in range(2):
        upscaled(Upscaler(Net(lambda sr: sr + torch.rand_like(sr))), lr_dir)
        (image,) = (lr_dir.parent / "net").rglob("*.png")
        found.append(image.read_bytes())
        image.unlink()
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", ["compiled", "scripted"])
def test_cost_that_cannot_be_traced_is_a_dash_with_a_note(kind):
    class Mixed(Net):
        def __init__(self):
            super().__init__()
            script = torch.jit.script(nn.Sequential(nn.ReLU()))
            self.go = torch.compile(nn.ReLU(), backend="eager") if kind == "compiled" else script

        def forward(self, x):
            return super().forward(self.go(x))

    macs = count_macs(Upscaler(Mixed()).eval(), X)
    assert macs["total"] is None and macs["reason"] and "\n" not in macs["reason"]
    latency = {"samples_ms": [1.0] * 3, "device_type": "cpu", "device": "CPU", "precision": "fp32", "threads": 1}
    latency |= dict.fromkeys(("images_per_s", "megapixels_per_s", "peak_memory_mib"), 1.0) | {"backend": "eager"}
    facts = {"machine": {"processor": "a CPU"}, "libraries": {"torch": "2"}, "input_shape": [1, 3, 24, 24]}
    profile = facts | {"parameters": 1, "macs": macs, "latency": latency}
    text = complexity({"net": profile}, {"net": {"label": "Net", "notes": []}}, "net").markdown()
    assert re.search(r"\| +– +\|", text) and "Net: MACs not counted, because PyTorch cannot trace it (" in text
