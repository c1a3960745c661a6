"""Weights as they are found in the wild: by path or address, in many wrappings, and three real ones on real images."""

import hashlib
import http.server
import pickle
import threading
from functools import partial

import pytest
import torch

from rssr.base.errors import UserError
from rssr.base.images import read_tensor
from rssr.base.resampling import to_uint8
from rssr.base.tensors import read_weights, scale_of
from rssr.datasets.degrade import degrade
from rssr.metrics.fidelity import psnr
from rssr.models.files import local_file, recorded
from rssr.models.registry import build
from rssr.models.weights import load_into, write_weights

CLASSES = ["aGrass", "bField", "cIndustry", "dRiverLake", "eForest", "fResident", "gParking"]


def conv():
    return torch.nn.Sequential(torch.nn.Conv2d(3, 48, 3, padding=1), torch.nn.PixelShuffle(4))


def same(network, state):
    return all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


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


def test_a_file_of_other_scales_says_what_it_has(tmp_path):
    torch.save({"x2": {"a": torch.zeros(1)}, "x3": {"a": torch.zeros(1)}}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="holds no state dict: names with tensors were expected, but 'x2', 'x3'"):
        read_weights(tmp_path / "w.pth", 4)


def test_range_255_is_the_networks_not_the_callers():
    class Sees(torch.nn.Module):
        def forward(self, x):
            self.seen = x.max().item()
            return torch.nn.functional.interpolate(x, scale_factor=4)

    from rssr.models.upscaler import Upscaler

    network = Sees()
    out = Upscaler(network, value_range=255)(torch.ones(1, 3, 8, 8))
    assert network.seen == 255 and out.max() == 1


class Infected:
    def __reduce__(self):
        return (print, ("code ran",))


@pytest.mark.parametrize("kind", ["checkpoint", "weights"])
@pytest.mark.parametrize(
    "write",
    [
        lambda path: torch.save({"params": {"w": torch.zeros(1)}, "extra": Infected()}, path),
        lambda path: path.write_bytes(pickle.dumps(Infected())),
    ],
)
def test_an_infected_file_is_refused_by_name_and_does_not_run(tmp_path, capfd, kind, write):
    path = tmp_path / "infected.pth"
    write(path)
    entry = {"arch": "basicsr:EDSR", "args": {"num_in_ch": 3, "num_out_ch": 3}} if kind == "weights" else {}
    with pytest.raises(UserError, match="infected.pth holds more than tensors"):
        build(entry | {kind: {"path": str(path)}})
    assert "code ran" not in capfd.readouterr().out


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    write_weights(folder / "w.safetensors", conv().state_dict(), scale=4)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_mirrors_are_tried_in_turn_and_a_file_is_fetched_once(server, tmp_path):
    digest = hashlib.sha256((tmp_path / "served/w.safetensors").read_bytes()).hexdigest()
    file = {"url": [f"{server}/gone.safetensors", f"{server}/w.safetensors"], "sha256": digest}
    path = local_file(file, tmp_path / "downloads")
    assert path.name.startswith(digest[:12]) and same(conv(), read_weights(path)) is False
    (tmp_path / "served/w.safetensors").unlink()
    assert local_file(file, tmp_path / "downloads") == path
    with pytest.raises(UserError, match="cannot be downloaded|has the sha256"):
        local_file(file | {"sha256": "0" * 64}, tmp_path / "downloads")


def test_an_unknown_checksum_is_recorded_at_first_use_and_then_binding(server, tmp_path):
    """Also once the file was deleted and comes again."""
    file = {"url": f"{server}/w.safetensors", "sha256": None}
    path = local_file(file, tmp_path / "downloads")
    assert recorded(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert local_file(file, tmp_path / "downloads") == path
    for spoil in (path, tmp_path / "served/w.safetensors"):
        spoil.write_bytes(b"another")
        with pytest.raises(UserError, match=f"w.safetensors.* sha256 .*but {recorded(path)} was expected"):
            local_file(file, tmp_path / "downloads")
        path.unlink(missing_ok=True)


def test_weights_for_another_scale_are_refused_in_one_sentence(tmp_path):
    path = tmp_path / "w.safetensors"
    write_weights(path, conv().state_dict(), scale=4)
    assert scale_of(path) == 4
    for kind in (
        {"arch": "torch.nn:Conv2d", "args": {}, "weights": {"path": str(path)}},
        {"checkpoint": {"path": str(path)}},
    ):
        with pytest.raises(UserError, match="w.safetensors has weights for x4, but its entry's scale is x2$"):
            build(kind | {"scale": 2})
