"""Objects of the plan for tests that need one and do not care which."""

import torch
import yaml
from torch import nn

from rssr.base import ROOT
from rssr.plan.plan import Plan
from rssr.plan.test_set import TestSet


def a_plan(**changes) -> Plan:
    """The plan of config/test.yaml with other blocks."""
    config = yaml.safe_load((ROOT / "config/test.yaml").read_text(encoding="utf-8"))
    return Plan(config | changes, "test")


def a_test_set(dataset: str = "tiny", scale: int = 4, degradation: str = "bicubic", **changes) -> TestSet:
    """A test set; what is not given is as of a folder of a user's images."""
    fields = {
        "label": "Tiny",
        "name": "Tiny",
        "steps": ({"reduce": "bicubic"},),
        "conditions": f"x{scale}, LR by {degradation}, 8 bit, border crop {scale}",
        "crop": scale,
        "classes": "",
        "unit": "",
        "protocol": {"scale": scale, "degradation": degradation, "rounding": "8 bit", "crop": scale, "split": "own"},
        "module": "folder",
        "redistributable": True,
    }
    return TestSet(dataset, scale, degradation, **(fields | changes))


class Call(nn.Module):
    """A function as a network, so that it can be traced."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def conv():
    return torch.nn.Sequential(torch.nn.Conv2d(3, 48, 3, padding=1), torch.nn.PixelShuffle(4))


def same(network, state):
    return all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def zeros(state):
    return {name: torch.zeros_like(value) for name, value in state.items()}


def prefixed(prefix, state, dots=True):
    return {prefix + (name if dots else name.replace(".", "")): value for name, value in state.items()}


def check_exports(model):
    """Exported, compiled and with its channels last a network gives the same; an export leaves nothing behind."""
    x = torch.rand(2, 3, 13, 18)
    with torch.no_grad():
        expected = model(x)
        torch.testing.assert_close(torch.export.export(model, (x,)).module()(x), expected)
        torch.testing.assert_close(torch.compile(model, fullgraph=True, backend="aot_eager")(x), expected)
        last = model.to(memory_format=torch.channels_last)
        torch.testing.assert_close(last(x.to(memory_format=torch.channels_last)), expected)
        torch.testing.assert_close(model(x), expected)
