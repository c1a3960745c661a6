"""Every entry of config/zoo.yaml builds, upscales an odd-sized image, is counted and learns; checkpoints load."""

import re

import pytest
import torch
import yaml

from rssr.base import ROOT
from rssr.config import validate
from rssr.config.models import entry_at
from rssr.metrics.complexity import count_macs
from rssr.models.registry import build

ENTRIES = yaml.safe_load((ROOT / "config/zoo.yaml").read_text())["models"]
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


def test_the_zoo_validates_over_the_papers_configuration():
    base = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
    for name in set(base["models"]) & set(ENTRIES):
        assert ENTRIES[name] == base["models"][name], f"{name} differs from the one of config/paper.yaml"
    assert len(validate(base | {"models": ENTRIES}, "zoo").models) == len(ENTRIES)


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


def test_sizes_of_published_weights_files():
    """Parameters in the files that the entries `*_published` name."""
    for name, count in (("ditn", 444_112), ("dctlsa", 885_328), ("craft", 753_344)):
        network = build(entry_at({key: ENTRIES[name][key] for key in ("arch", "args")}, 4)).network
        assert sum(p.numel() for p in network.parameters()) == count
