"""The command for machines with a GPU, tried on the CPU."""

import json

import pytest
import torch
from runs import rssr

from rssr.steps import gpu_report


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_a_sentence(tmp_path):
    result = rssr("gpu-report", "--out", tmp_path)
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: --device cuda: PyTorch finds no CUDA device here")


@pytest.mark.slow
def test_every_part_is_measured_and_saved(tmp_path):
    result = rssr("gpu-report", "--out", tmp_path, "--device", "cpu", "--quick")
    assert result.returncode == 0, result.stderr
    assert {path.stem for path in tmp_path.iterdir()} == set(gpu_report.PARTS)
    for part in gpu_report.PARTS:
        facts = json.loads((tmp_path / f"{part}.json").read_text())
        assert facts["quick"] and "libraries" in facts
        for name, found in facts[part].items():
            assert found["device_type"] == "cpu", (part, name, found)  # nothing on a CPU is called a GPU's time
            assert f"{part} {name}: " in result.stdout
    metrics = json.loads((tmp_path / "metrics.json").read_text())["metrics"]
    assert all(found["difference_from_cpu"] == 0 for found in metrics.values())


def test_what_fails_is_noted_and_the_rest_goes_on(tmp_path, monkeypatch):
    def broken():
        raise RuntimeError("out of memory\nand more")

    def parts(device, quick):
        yield "broken", broken
        yield "whole", lambda: {"samples_ms": [1.0], "noisy": True, "peak_memory_mib": None}

    monkeypatch.setattr(gpu_report, "PARTS", {"one": parts, "two": parts})
    lines = list(gpu_report.report(tmp_path, torch.device("cpu"), True))
    assert lines[:2] == [
        "one broken: left out, RuntimeError: out of memory",
        "one whole: 1.000 ms [1.000, 1.000], noisy",
    ]
    assert json.loads((tmp_path / "two.json").read_text())["two"]["whole"]["samples_ms"] == [1]
    monkeypatch.setattr(gpu_report, "BUDGET", -1)
    assert all("were spent" in line for line in gpu_report.report(tmp_path, torch.device("cpu"), True))


@pytest.mark.parametrize("name", gpu_report.NETWORKS)
def test_every_network_of_the_report_can_be_built(name):
    from rssr.models.registry import build

    with torch.device("meta"):
        assert build(gpu_report.NETWORKS[name]) is not None
