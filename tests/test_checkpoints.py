"""Weights as they are found in the wild: by path or address, in many wrappings, and three real ones on real images."""

import pytest
import torch
from objects import conv, prefixed, same, zeros

from rssr.base.errors import UserError
from rssr.base.images import read_tensor
from rssr.base.resampling import to_uint8
from rssr.base.tensors import read_weights
from rssr.datasets.degrade import degrade
from rssr.metrics.fidelity import psnr
from rssr.models.registry import build
from rssr.models.weights import load_into

CLASSES = ["aGrass", "bField", "cIndustry", "dRiverLake", "eForest", "fResident", "gParking"]


def psnr_of(model, image):
    hr = read_tensor(image)
    lr = degrade(hr, "bicubic", 4)
    with torch.inference_mode():
        return psnr(to_uint8(model(lr[None].float() / 255)), hr[None]).item()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DCTLSA_x4", "CRAFT_x4", "DITN_Real_x4"])
def test_published_checkpoints_beat_bicubic_on_rsscn7(shared, name):
    """By over 1 dB on average over five images of each class."""
    model, bicubic = build({"checkpoint": {"path": str(shared / f"weights/{name}.pth")}}), build({"arch": "bicubic"})
    images = [image for folder in CLASSES for image in sorted((shared / "rsscn7" / folder).glob("*.jpg"))[::20]]
    gains = [psnr_of(model, image) - psnr_of(bicubic, image) for image in images]
    assert len(gains) == 35 and sum(gains) / len(gains) > 1, gains


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: s,
        lambda s: {"params": s},
        lambda s: {"params": {k: v + 1 for k, v in s.items()}, "params_ema": s},
        lambda s: {"params": {"module." + k: v for k, v in s.items()}},
        lambda s: {
            "state_dict": {f"model.{k}": v for k, v in s.items()},
            "epoch": 3,
            "pytorch-lightning_version": "2.0",
        },
        lambda s: {"module." + k: v for k, v in s.items()},
        lambda s: {"state_dict": {f"net.generator.{k}": v for k, v in s.items()}},
        lambda s: {"x2": {k: v + 1 for k, v in s.items()}, "x4": s},
        lambda s: {2: {"params": {k: v + 1 for k, v in s.items()}}, 4: {"params": s}},
        lambda s: {"model_state_dict": s, "step": 10},
    ],
)
def test_every_wrapping_is_taken_off(tmp_path, wrap):
    state = conv().state_dict()
    torch.save(wrap(state), tmp_path / "w.pth")
    network = conv()
    assert load_into(network, read_weights(tmp_path / "w.pth", 4), tmp_path / "w.pth") == []
    assert same(network, state)


def test_batch_norms_of_old_files_and_compiled_parts_load(tmp_path):
    network = torch.nn.Sequential(torch.nn.BatchNorm2d(3), torch.compile(conv(), backend="eager"))
    torch.nn.init.uniform_(network[0].running_mean)
    state = network.state_dict()
    assert any("_orig_mod." in name for name in state)
    for form in (state, {name.replace("_orig_mod.", ""): value for name, value in state.items()}):
        old = {name: value for name, value in form.items() if "num_batches" not in name}
        torch.save(old, tmp_path / "w.pth")
        loaded = torch.nn.Sequential(torch.nn.BatchNorm2d(3), torch.compile(conv(), backend="eager"))
        assert load_into(loaded, read_weights(tmp_path / "w.pth"), tmp_path / "w.pth") == [] and same(loaded, state)


@pytest.mark.parametrize("prefix", ["_orig_mod.", "net_g.", "model.generator."])
def test_a_checkpoint_is_recognised_behind_prefixes(tmp_path, prefix):
    arch = {"arch": "basicsr:SRVGGNetCompact", "args": {"num_feat": 16, "num_conv": 2, "upscale": 4}}
    network = build(arch).network
    torch.save(prefixed(prefix, network.state_dict()), tmp_path / "w.pth")
    x = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(build({"checkpoint": {"path": str(tmp_path / "w.pth")}})(x), network(x).clamp(0, 1))


@pytest.mark.parametrize(("channels", "kind"), [(1, "gray"), (4, "RGBA"), (2, "2 bands")])
def test_a_checkpoint_for_other_than_rgb_is_called_so(tmp_path, channels, kind):
    args = {"num_in_ch": channels, "num_out_ch": channels, "num_feat": 16, "num_conv": 2, "upscale": 4}
    torch.save(build({"arch": "basicsr:SRVGGNetCompact", "args": args}).network.state_dict(), tmp_path / "w.pth")
    with pytest.raises(UserError, match=f"w.pth is of a network from {kind} to {kind}: name one from RGB to RGB"):
        build({"checkpoint": {"path": str(tmp_path / "w.pth")}})


def test_infinity_of_a_recognised_network_is_not_clamped_to_white(tmp_path):
    network = build({"arch": "basicsr:SRVGGNetCompact", "args": {"num_feat": 16, "num_conv": 2, "upscale": 4}}).network
    state = network.state_dict()
    state[list(state)[-1]] += torch.inf
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(UserError, match="are NaN or infinite"):
        to_uint8(build({"checkpoint": {"path": str(tmp_path / "w.pth")}})(torch.rand(1, 3, 8, 8)))


def test_what_does_not_fit_is_named_and_left_out_only_on_request(tmp_path):
    state = conv().state_dict()
    odd = {"0.weight": state["0.weight"] + 1, "0.bias": torch.zeros(5), "extra": torch.zeros(1)}
    network = conv()
    with pytest.raises(UserError, match=r"w.pth does not fit Sequential: 'extra' is unknown.*'0.bias' is \(5,\), not"):
        load_into(network, odd, tmp_path / "w.pth")
    problems = load_into(network, odd, tmp_path / "w.pth", strict=False)
    assert len(problems) == 2 and torch.equal(network[0].weight, odd["0.weight"])
    for strict in (True, False):
        with pytest.raises(UserError, match="'0.weight' is missing"):
            load_into(network, {"other": torch.zeros(1)}, tmp_path / "w.pth", strict=strict)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda value: (value * 127).to(torch.int8), "int8"),
        (lambda value: torch.quantize_per_tensor(value, 0.1, 0, torch.qint8), "qint8"),
        (lambda value: value + 1j, "complex64"),
        (lambda value: value.to_sparse(), "sparse_coo"),
        (lambda value: value.to("meta"), "without values"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*quant")
def test_weights_of_another_kind_are_never_taken_for_their_numbers(tmp_path, change, found):
    torch.save({name: change(value) for name, value in conv().state_dict().items()}, tmp_path / "w.pth")
    for strict in (True, False):
        with pytest.raises(UserError, match=f"'0.weight' is {found}, where floating-point is expected"):
            load_into(conv(), read_weights(tmp_path / "w.pth"), tmp_path / "w.pth", strict)


@pytest.mark.parametrize("plain", [1, 2])
def test_a_name_with_and_without_a_prefix_is_never_taken_for_one(tmp_path, plain):
    state = conv().state_dict()
    both = prefixed("module.", state) | dict(list(zeros(state).items())[:plain])
    torch.save(both, tmp_path / "w.pth")
    with pytest.raises(UserError, match="w.pth does not fit Sequential: .*"):
        load_into(conv(), read_weights(tmp_path / "w.pth"), tmp_path / "w.pth")
    network = conv()
    load_into(network, read_weights(tmp_path / "w.pth", key="module"), tmp_path / "w.pth")
    assert same(network, state)


def test_range_255_is_the_networks_not_the_callers():
    class Sees(torch.nn.Module):
        def forward(self, x):
            self.seen = x.max().item()
            return torch.nn.functional.interpolate(x, scale_factor=4)

    from rssr.models.upscaler import Upscaler

    network = Sees()
    out = Upscaler(network, value_range=255)(torch.ones(1, 3, 8, 8))
    assert network.seen == 255 and out.max() == 1
