"""The entries of paper.yaml and zoo.yaml build, upscale an odd size, are counted and learn; pretrained.yaml's load."""

import re

import pytest
import torch
import yaml

from rssr.base import ROOT
from rssr.config import validate
from rssr.config.models import entry_at
from rssr.metrics.complexity import count_macs
from rssr.models.registry import build


def models_of(file):
    return yaml.safe_load((ROOT / f"config/{file}.yaml").read_text())["models"]


ZOO, PRETRAINED = models_of("zoo"), models_of("pretrained")
ENTRIES = models_of("paper") | ZOO
NETWORKS = [name for name, entry in ENTRIES.items() if "train" in entry]
# Arguments that make a network small but keep its kind, so that it runs in a second.
SMALL = {
    "num_block": 1, "num_group": 1, "num_feat": 16, "depths": [2], "num_heads": [2], "embed_dim": 32, "depth": [2],
    "squeeze_factor": 2, "n_blocks": 2, "dim": 32, "res_num": 1, "feature_channels": 8, "channels": 16, "groups": [1],
    "arrbs": 1,
}  # fmt: skip
DEFAULTS = {
    "mambairv2": {"channels": 12, "groups": [2], "heads": 2, "tokens": 8},
    "mambairv2_small": {"channels": 12, "groups": [2], "tokens": 8},
    "mambairv2_light": {"channels": 12, "groups": [2], "tokens": 8},
    "hsenet": {"channels": 8, "blocks": 1},
    "transenet": {"channels": 16, "encoder_depth": 1, "dim": 32, "heads": 2, "head_dim": 16, "mlp_dim": 32},
    "ttst": {"channels": 24, "depths": [2], "heads": [2]},
    "craft": {"depths": [2]},
    "lstmconvsr": {"channels": 16, "groups": [1], "arrbs": 1},
}


def small(name):
    entry = entry_at(ENTRIES[name], 4)
    args = {key: SMALL.get(key, value) for key, value in entry.get("args", {}).items()} | DEFAULTS.get(name, {})
    return {key: entry[key] for key in ("arch", "multiple_of") if key in entry} | {"args": args}


@pytest.mark.parametrize("over", ["config", "paper"])
def test_files_of_entries_merge_without_overwriting_any(over):
    added = [PRETRAINED] if over == "config" else [ZOO, PRETRAINED]
    base = models_of(over)
    merged = {name: entry for models in (base, *added) for name, entry in models.items()}
    assert len(merged) == sum(map(len, (base, *added)))
    config = yaml.safe_load((ROOT / f"config/{over}.yaml").read_text())
    assert len(validate(config | {"models": merged}, over).models) == len(merged)


def test_the_papers_rivals_are_in_its_configuration():
    rivals = "bicubic edsr hsenet transenet ttst swinir_light hat mambairv2_light mambairv2 lstmconvsr_s lstmconvsr"
    assert list(models_of("paper")) == rivals.split()
    assert {entry.get("train", "paper") for entry in models_of("paper").values()} == {"paper"}


@pytest.mark.parametrize("name", [name for name in NETWORKS if "literature" in ENTRIES[name]])
def test_parameter_counts_of_the_literature(name):
    stated = ENTRIES[name]["literature"]
    network = build(entry_at({key: ENTRIES[name][key] for key in ("arch", "args") if key in ENTRIES[name]}, 4)).network
    left_out = re.compile("|".join(map(re.escape, stated.get("without", []))) or "(?!)")
    counted = sum(p.numel() for key, p in network.named_parameters() if not left_out.search(key)) / 1e6
    printed, digit = float(stated["parameters_m"]), 10.0 ** -len(stated["parameters_m"].partition(".")[2])
    assert printed - digit / 2 <= counted < printed + digit, counted  # rounded, or cut off
    if stated.get("without"):
        assert any(left_out.search(key) for key, _ in network.named_parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_upscales_an_odd_size_is_counted_and_learns(name):
    model = build(small(name))
    with torch.inference_mode():
        assert model(torch.rand(1, 3, 17, 13)).shape == (1, 3, 68, 52)
        assert count_macs(model, torch.rand(1, 3, 16, 16))["total"] > 0
    model.train()
    optimiser = torch.optim.Adam(model.parameters(), 1e-4)
    lr, hr = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 64, 64)
    losses = []
    for _ in range(10):
        loss = (model(lr) - hr).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0], losses


@pytest.mark.parametrize("name", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_interpolations_are_entries_too(name):
    model = build(entry_at(ENTRIES[name], 4))
    assert model(torch.full((1, 3, 9, 13), 0.5)).sub(0.5).abs().max() < 1e-6
    assert count_macs(model, torch.rand(1, 3, 16, 16))["total"] >= 0


@pytest.mark.parametrize("name", ["edsr", "swinir_light", "omnisr", "plksr", "mambairv2_light", "hsenet"])
@pytest.mark.parametrize("scale", [2, 3])
def test_entries_follow_the_scale(name, scale):
    entry = small(name)
    entry = entry_at({key: ENTRIES[name][key] for key in ("arch", "args") if key in ENTRIES[name]}, scale) | {
        "multiple_of": entry.get("multiple_of", 1)
    }
    entry["args"] |= {
        key: value for key, value in small(name)["args"].items() if key in SMALL or key in DEFAULTS.get(name, {})
    }
    with torch.inference_mode():
        assert build(entry)(torch.rand(1, 3, 9, 12)).shape == (1, 3, 9 * scale, 12 * scale)


@pytest.mark.parametrize("name", PRETRAINED)
def test_pretrained_entries_say_what_they_are(name):
    entry = PRETRAINED[name]
    file = entry.get("checkpoint") or entry["weights"]
    urls = file["url"] if isinstance(file["url"], list) else [file["url"]]
    assert all(url.startswith("https://") for url in urls) and re.fullmatch("[0-9a-f]{64}", file["sha256"])
    assert entry["required"] is False and entry["licence"] in ("MIT", "Apache-2.0")
    assert "natural images" in entry["note"] and "pretrained" in entry["label"]


@pytest.mark.parametrize(
    ("name", "file", "count"),
    [
        ("dctlsa_pretrained", "DCTLSA_x4.pth", 885_328),
        ("craft_pretrained", "CRAFT_x4.pth", 753_344),
        ("ditn_pretrained", "DITN_Real_x4.pth", 444_112),
        ("mambairv2_light_pretrained", "MambaIRv2_light_x4.pth", 789_680),
    ],
)
def test_pretrained_entries_load_the_files_that_they_name(shared, name, file, count):
    entry = PRETRAINED[name]
    key = "checkpoint" if "checkpoint" in entry else "weights"
    model = build(entry | {key: entry[key] | {"path": str(shared / "weights" / file), "url": None}})
    assert sum(p.numel() for p in model.parameters()) == count
    with torch.inference_mode():
        assert model(torch.rand(1, 3, 17, 13)).shape == (1, 3, 68, 52)


SWINIR = {"upscale": 4, "window_size": 8, "img_size": 64, "mlp_ratio": 2, "num_heads": [6] * 6,
          "upsampler": "pixelshuffle"}  # fmt: skip
HAT = SWINIR | {"window_size": 16, "compress_ratio": 3, "squeeze_factor": 30, "embed_dim": 180}
DAT = {"upscale": 4, "depth": [6] * 6, "embed_dim": 180, "num_heads": [6] * 6}
LIGHT = {"embed_dim": 60, "upsampler": "pixelshuffledirect"}
DAT_LIGHT = LIGHT | {"split_size": [8, 32], "depth": [18], "num_heads": [6], "resi_connection": "3conv"}
# Arguments of the authors' option files, and the length of the published file, in bytes, where it is known.
RECOGNISED = [
    ("SwinIR.SwinIR", SWINIR | {"depths": [6] * 6, "embed_dim": 180}, 67_869_037),
    ("SwinIR.SwinIR", SWINIR | LIGHT | {"depths": [6] * 4, "num_heads": [6] * 4}, 17_225_941),
    # HAT-S, whose file holds the averaged weights and the last ones
    ("HAT.HAT", HAT | {"compress_ratio": 24, "squeeze_factor": 24, "depths": [6] * 6, "embed_dim": 144}, 40_544_780),
    ("HAT.HAT", HAT | {"depths": [6] * 6}, 85_137_601),
    ("HAT.HAT", HAT | {"depths": [6] * 12, "num_heads": [6] * 12}, 165_774_123),
    ("DAT.DAT", DAT | {"split_size": [8, 32], "expansion_factor": 4}, 154_692_051),
    ("DAT.DAT", DAT | {"split_size": [8, 32], "expansion_factor": 2}, 140_333_139),
    ("DAT.DAT", DAT | {"split_size": [8, 16], "expansion_factor": 2}, None),
    ("DAT.DAT", DAT | DAT_LIGHT, None),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("arch", "args", "length"), RECOGNISED)
def test_architectures_of_pretrained_files_are_recognised(tmp_path, arch, args, length):
    """Their published files are large: random weights of the same shapes, as many bytes as the file up to its frame."""
    state = build({"arch": f"spandrel:{arch}", "args": args}).network.state_dict()
    found = sum(value.numel() * value.element_size() for value in state.values())
    assert length is None or 0.99 * length < found < length
    torch.save({"params_ema": state}, tmp_path / "net.pth")
    model = build({"checkpoint": {"path": str(tmp_path / "net.pth")}})
    assert all(torch.equal(value, state[key]) for key, value in model.network.module.state_dict().items())
    if "pixelshuffledirect" in args.values():  # the others take seconds a call
        with torch.inference_mode():
            assert model(torch.rand(1, 3, 17, 13)).shape == (1, 3, 68, 52)
