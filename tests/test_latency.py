"""Latency and memory: every sample is kept, devices, precision and disturbances are named."""

import os
import platform
import statistics
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from objects import Call
from torch import nn

from rssr.base.errors import UserError
from rssr.metrics.latency import clocks_mhz, cpu_peak_mib, measure
from rssr.metrics.samples import noisy

X = torch.rand(1, 3, 10, 12)


SETTINGS = {"warmup": 2, "samples": 4, "seconds": 10}


def test_a_measurement_keeps_every_sample_and_names_its_device():
    calls = []
    network = nn.Sequential(nn.Conv2d(3, 3, 1))
    network.register_forward_hook(lambda *_: calls.append(1))
    found = measure(network.eval(), X, SETTINGS)
    assert len(found["samples_ms"]) == 4 and min(found["samples_ms"]) > 0
    assert len(calls) == 1 + 2 + 4 + 1  # the first one compiles, the last one is for the memory
    assert found["device"] == f"CPU ({platform.machine()})" and found["device_type"] == "cpu"
    assert found["threads"] == torch.get_num_threads()
    assert found["precision"] == "fp32" and found["backend"].startswith("PyTorch eager")
    assert found["images_per_s"] == pytest.approx(1000 / statistics.median(found["samples_ms"]))
    assert found["megapixels_per_s"] == pytest.approx(120 / 1e6 * found["images_per_s"])
    assert set(found["clocks_mhz"]) == {"before", "after"} and found["input_shape"] == [1, 3, 10, 12]


def test_a_measurement_ends_after_the_given_seconds_but_has_three_samples():
    slow = Call(lambda x: (time.sleep(0.02), x)[1])
    assert len(measure(slow, X, SETTINGS | {"samples": 1000, "seconds": 0.01})["samples_ms"]) == 3
    assert len(measure(slow, X, SETTINGS | {"samples": 1000, "seconds": 0.5})["samples_ms"]) < 30


@pytest.mark.skipif(platform.system() != "Linux", reason="other systems do not count the time of all processes")
def test_the_cores_of_other_processes_are_counted():
    idle = Call(lambda x: (time.sleep(0.1), x)[1])
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        found = measure(idle, X, SETTINGS | {"samples": 10})
        short = measure(Call(lambda x: x), X, SETTINGS)  # counted for longer than its calls take
        busy.kill()
    # times of processes are counted in hundredths of a second, so that the sum can exceed the cores by a few percent
    assert all(0.3 < of["others_cores"] <= 1.1 * os.cpu_count() for of in (found, short))


def test_the_warm_up_ends_when_times_are_steady():
    steady = measure(Call(lambda x: (time.sleep(0.01), x)[1]), X, SETTINGS | {"warmup": 500})
    assert 6 <= len(steady["warmup_ms"]) < 100


def test_autocast_is_measured_and_named():
    seen = []
    network = nn.Sequential(nn.Conv2d(3, 3, 1)).eval()
    network.register_forward_hook(lambda *a: seen.append(a[2].dtype))
    found = measure(network, X, SETTINGS | {"precision": "bf16"})
    assert found["precision"] == "bf16" and set(seen) == {torch.bfloat16}


def test_fp32_is_not_tf32_behind_the_readers_back():
    """PyTorch's convolutions are in TF32 by default, on a GPU."""
    seen = []
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    network = Call(lambda x: (seen.append((convolutions.allow_tf32, products.allow_tf32)), x)[1])
    before = convolutions.allow_tf32, products.allow_tf32
    assert measure(network, X, SETTINGS)["tf32"] is False and set(seen) == {(False, False)}
    assert (convolutions.allow_tf32, products.allow_tf32) == before
    with pytest.raises(UserError, match="tf32 is a precision of NVIDIA's GPUs"):
        measure(network, X, SETTINGS | {"precision": "tf32"})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["fp32", "tf32"])
def test_the_precision_of_a_gpu_is_the_one_that_is_named(precision):
    found = measure(nn.Conv2d(3, 3, 1).cuda(), X.cuda(), SETTINGS | {"precision": precision})
    assert found["tf32"] is (precision == "tf32") and found["device_type"] == "cuda" and found["driver"]


def test_what_lies_on_two_devices_is_refused():
    with pytest.raises(UserError, match="tensors are on cpu and meta"):
        measure(nn.Conv2d(3, 3, 1, device="meta"), X, SETTINGS)
    with pytest.raises(UserError, match="tensors are on cpu and meta"):
        measure(Call(lambda x: x.to("meta")), X, SETTINGS)


def test_disturbed_measurements_say_so():
    rng = np.random.default_rng(0)
    quiet = rng.normal(10, 0.2, 50)
    assert not noisy(quiet) and not noisy([10.0, 11.0, 12.0])
    assert noisy([10.0, 10.0, 40.0])
    assert noisy(np.concatenate([quiet, quiet + 2]))  # it slowed down on its way


@pytest.mark.parametrize(("told", "clock"), [("1980", 1980.0), ("[N/A]", None), (None, None)])
def test_clocks_and_driver_of_a_gpu_are_the_drivers_own(tmp_path, monkeypatch, told, clock):
    """A stand-in for the driver's tool, which answers for one GPU only; None: there is no tool."""
    tool = tmp_path / "nvidia-smi"
    if told is not None:
        tool.write_text(f'#!/bin/sh\n[ "$1" = --id=GPU-77aa ] && [ "$2" = --query-gpu=clocks.sm ] && echo "{told}"\n')
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    gpu = SimpleNamespace(uuid="77aa")
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda _: gpu)
    assert clocks_mhz(torch.device("cuda")) == clock
    gpu.uuid = "other"
    assert clocks_mhz(torch.device("cuda")) is None


@pytest.mark.skipif(platform.system() != "Linux", reason="the peak of a process is known on Linux only")
def test_peak_memory_sees_what_was_freed_again():
    assert 190 < cpu_peak_mib(lambda: torch.ones(50, 2**20)) < 230  # 50 x 4 MiB
