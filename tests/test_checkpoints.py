"""Weights as they are found in the wild: by path or address, in many wrappings, and three real ones on real images."""

import argparse
import gzip
import hashlib
import http.server
import pathlib
import pickle
import threading
import warnings
import zipfile
from functools import partial

import numpy as np
import pytest
import torch

from rssr.base.errors import UserError
from rssr.base.files import encode_png
from rssr.base.images import read_tensor
from rssr.base.resampling import to_uint8
from rssr.base.tensors import choose_weights, read_weights, scale_of
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


def zeros(state):
    return {name: torch.zeros_like(value) for name, value in state.items()}


def prefixed(prefix, state, dots=True):
    return {prefix + (name if dots else name.replace(".", "")): value for name, value in state.items()}


def optimiser(state):
    moments = {number: {"exp_avg": value, "step": torch.tensor(1.0)} for number, value in enumerate(state.values(), 1)}
    return {"state": moments, "param_groups": [{"lr": 1e-3}]}


WILD = {  # what a training code leaves -> where the right weights are in it
    "state_dict_ema": lambda s: {"state_dict": zeros(s), "state_dict_ema": s},
    "ema": lambda s: {"model": zeros(s), "ema": s, "optimizer": optimiser(s), "epoch": 3},
    "model_ema": lambda s: {"model": zeros(s), "model_ema": prefixed("module.", s) | {"n_averaged": torch.tensor(3)}},
    "ema.generator": lambda s: {"G": zeros(s), "ema": {"generator": s, "discriminator": zeros(s)}},
    "ema.shadow": lambda s: {"params": zeros(s), "ema": {"decay": 0.999, "shadow": s}},
    "params-ema": lambda s: {"params": zeros(s), "params-ema": s},
    "swa_state_dict": lambda s: {"swa_state_dict": s, "state_dict": zeros(s)},
    "state_dict.generator_ema": lambda s: {
        "state_dict": prefixed("generator.", zeros(s)) | prefixed("generator_ema.", s) | prefixed("loss.vgg.", zeros(s))
    },
    "ema_model": lambda s: prefixed("online_model.", zeros(s)) | prefixed("ema_model.", s) | {"step": torch.tensor(3)},
    "state_dict.model_ema": lambda s: {
        "state_dict": prefixed("model.", zeros(s))
        | prefixed("model_ema.", s, dots=False)
        | {"model_ema.decay": torch.ones(1)}
    },
    "module.net_g_ema": lambda s: prefixed("module.net_g.", zeros(s)) | prefixed("module.net_g_ema.", s),
    "generator": lambda s: {"discriminator": zeros(s), "generator": s},
    "netG": lambda s: {"netG": s, "best": torch.tensor(30.0), "loss_net": {"vgg": torch.zeros(1)}},
    "whatever": lambda s: {"whatever": s, "optimizer": optimiser(s), "lr_scheduler": {"last_epoch": 3}},
    "params": lambda s: {"params": s, "best_psnr": np.float64(30), "curve": np.arange(3.0), "iter": np.int64(9)},
    "model": lambda s: {"model": s, "args": argparse.Namespace(out=pathlib.PurePosixPath("a").name, lr=1e-3)},
    "": lambda s: s | {"total_ops": torch.zeros(1), "0.total_params": torch.zeros(1)},
    "net": lambda s: {"net": prefixed("_orig_mod.module.", s)},
}


@pytest.mark.parametrize("taken", WILD)
def test_averaged_weights_come_first_and_the_record_says_which(tmp_path, taken):
    state = conv().state_dict()
    torch.save(WILD[taken](state), tmp_path / "w.pth")
    tensors, found = choose_weights(tmp_path / "w.pth", 4)
    network = conv()
    assert found == taken and load_into(network, tensors, tmp_path / "w.pth") == [] and same(network, state)


@pytest.mark.parametrize(
    ("key", "wild"),
    [
        *(("state_dict", "state_dict_ema"), ("model", "ema"), ("generator", "state_dict.generator_ema")),
        *(("online_model.", "ema_model"), ("G", "ema.generator"), ("ema.discriminator", "ema.generator")),
    ],
)
def test_a_key_chooses_other_weights(tmp_path, key, wild):
    torch.save(WILD[wild](conv().state_dict()), tmp_path / "w.pth")
    entry = {"arch": "test_checkpoints:conv", "weights": {"path": str(tmp_path / "w.pth"), "key": key}}
    assert not any(value.any() for value in build(entry).state_dict().values())
    with pytest.raises(UserError, match="holds no weights under the key 'modle'"):
        build(entry | {"weights": {"path": str(tmp_path / "w.pth"), "key": "modle"}})


def test_networks_that_nothing_tells_apart_are_named(tmp_path):
    torch.save({"one": conv().state_dict(), "two": conv().state_dict()}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="holds several networks: one, two: name one of them with `key`"):
        read_weights(tmp_path / "w.pth", 4)


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


def test_infinity_of_a_recognised_network_is_not_clamped_to_white(tmp_path):
    network = build({"arch": "basicsr:SRVGGNetCompact", "args": {"num_feat": 16, "num_conv": 2, "upscale": 4}}).network
    state = network.state_dict()
    state[list(state)[-1]] += torch.inf
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(UserError, match="are NaN or infinite"):
        to_uint8(build({"checkpoint": {"path": str(tmp_path / "w.pth")}})(torch.rand(1, 3, 8, 8)))


@pytest.mark.parametrize("suffix", ["pth", "safetensors", "ckpt", "bin"])
def test_the_content_decides_how_a_file_is_read(tmp_path, suffix):
    state, path = conv().state_dict(), tmp_path / f"w.{suffix}"
    write_weights(tmp_path / "w", state, scale=2)
    (tmp_path / "w").rename(path)
    assert read_weights(path).keys() == state.keys() and scale_of(path) == 2
    torch.save({"params": state}, path)
    assert read_weights(path).keys() == state.keys() and scale_of(path) is None


def scripted(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(conv(), torch.rand(1, 3, 8, 8)).save(str(path))


NO_WEIGHTS = {
    "is a Git LFS pointer": lambda path: path.write_text(
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{0:064}\n"
    ),
    "is a page in HTML": lambda path: path.write_text("\n <!DOCTYPE html><html>quota exceeded</html>"),
    "is a JSON text": lambda path: path.write_text('{"error": "not found"}'),
    "is a text that begins with '404: Not Found'": lambda path: path.write_text("404: Not Found\n"),
    "is a TorchScript program": scripted,
    "is a ZIP archive: unpack it": lambda path: zipfile.ZipFile(path, "w").writestr("net.pth", "x"),
    "is a gzip archive": lambda path: path.write_bytes(gzip.compress(b"x")),
    "is an HDF5 file": lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(80)),
    r"cannot be read as weights \(it is empty\): get it again": lambda path: path.touch(),
    "is a picture": lambda path: path.write_bytes(encode_png(np.zeros((2, 2, 3), np.uint8))),
}


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("said", NO_WEIGHTS)
def test_what_is_no_file_of_weights_is_called_what_it_is(tmp_path, said, suffix):
    path = tmp_path / f"w.{suffix}"
    NO_WEIGHTS[said](path)
    with pytest.raises(UserError, match=f"w.{suffix} {said}") as error:
        read_weights(path, 4)
    assert "\n" not in str(error.value)


def test_a_damaged_list_of_an_archive_is_one_sentence(tmp_path):
    """Found by benchmarks/fuzz.py."""
    torch.save(conv().state_dict(), path := tmp_path / "w.pth")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02")] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="w.pth (cannot be read|holds more)"):
        read_weights(path)


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
        with pytest.raises(UserError, match="has weights for x4, but its entry's scale is x2: name another file"):
            build(kind | {"scale": 2})
