"""Parameters and multiply-accumulates by closed form; what a measurement says of itself."""

import platform

import pytest
import torch
from torch import nn

from rssr.metrics.complexity import count_macs, count_parameters
from rssr.metrics.latency import cpu_peak_mb, measure
from rssr.models.lstmconvsr import LSTMConvSR

NETWORK = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.SiLU(), nn.Conv2d(8, 4, 1), nn.PixelShuffle(2)).eval()
X = torch.rand(1, 3, 10, 12)


def test_parameters_and_macs_of_convolutions():
    assert count_parameters(NETWORK) == 3 * 8 * 9 + 8 + 8 * 4 + 4
    macs = count_macs(NETWORK, X)
    assert macs["total"] == macs["by_operator"]["conv"] == (3 * 8 * 9 + 8 * 4) * 10 * 12
    assert "aten::silu" in macs["not_counted"]


def test_macs_of_matrix_products():
    linear = nn.Linear(6, 5).eval()
    assert count_macs(linear, torch.rand(7, 6))["total"] == 7 * 6 * 5


def test_our_network_can_be_traced():
    network = LSTMConvSR(channels=8, groups=(1,), arrbs=1, mlp_ratio=1, tail="light").eval()
    macs = count_macs(network, torch.rand(1, 3, 9, 12))
    arrb = 2 * (8 * 8 * 9) * 10 * 12  # sides are even inside
    assert macs["by_operator"]["conv"] > arrb
    with torch.inference_mode():
        assert network(torch.rand(1, 3, 9, 12)).shape == (1, 3, 36, 48)


def test_a_measurement_keeps_every_sample_and_names_its_device():
    calls = []
    network = nn.Sequential(nn.Conv2d(3, 3, 1))
    network.register_forward_hook(lambda *_: calls.append(1))
    found = measure(network.eval(), X, warmup=2, samples=4)
    assert len(found["samples_ms"]) == 4 and min(found["samples_ms"]) > 0
    assert len(calls) == 2 + 4 + 1  # the last one for the memory
    assert found["device"] == f"CPU ({platform.machine()})"
    assert found["threads"] == torch.get_num_threads()
    assert found["precision"] == "float32" and found["backend"].startswith("PyTorch eager")


@pytest.mark.skipif(platform.system() != "Linux", reason="the peak of a process is known on Linux only")
def test_peak_memory_sees_what_was_freed_again():
    assert 190 < cpu_peak_mb(lambda: torch.ones(50, 2**20)) < 230  # 50 x 4 MiB
