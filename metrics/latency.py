"""What a network costs while it runs: time and memory on the device in use."""

import ctypes
import os
import platform
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rssr.base import slurm
from rssr.base.devices import autocast, lacks_kernels, precision_in_use, products
from rssr.base.errors import UserError
from rssr.metrics.samples import noisy, percentiles

STEADY = 0.05  # warm-up ends when the medians of the last calls and of those before them agree within this
WINDOW = 3  # calls per median
SHORTEST = 0.5  # seconds at least, over which the time of other processes is counted, in hundredths


def measure(model: nn.Module, x: torch.Tensor, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Time single calls and find the peak memory of one.

    Calls are timed by CUDA events on a GPU and by perf_counter on a CPU, after a warm-up that ends when the times are
    steady. The caller ensures that nothing else runs on the device.

    Args:
        model: the network, in eval mode, on x's device.
        x: its input, (B, 3, h, w).
        settings: a Profile of the configuration, as a dict: `warmup`, the most calls before the first timed one;
            `samples` timed calls, or as many (3 at least) as fit in `seconds`; `precision`; `compile`.

    Returns:
        `samples_ms`, every one in order; `noisy`, see noisy(); `images_per_s` and `megapixels_per_s` of output, by the
        median; `peak_memory_mib`, above what was in use before the call, None where the system does not report it;
        `input_shape`, and what the figures hold for: `device`, `device_type`, `driver`, `clocks_mhz` before and after,
        `threads`, `backend`, `precision`, `tf32`, `warmup_ms`, `others_cores`, see timed().

    Raises:
        UserError: if the model, its input and its output are not all on one device; for TF32 on a CPU.
    """
    _check_devices(x, *model.parameters(), *model.buffers())
    precision = settings.get("precision", "fp32")
    if settings.get("compile"):
        model = torch.compile(model, mode=None if settings["compile"] == "default" else settings["compile"])
    with products(precision, x.device), autocast(precision, x.device):
        without_gradients, out = _first_call(model, x)  # compiles if `compile` is set
        _check_devices(x, out)
        pixels = out.shape[0] * out.shape[2] * out.shape[3]
        del out
        with without_gradients():
            found = timed(lambda: model(x), x.device, settings)
    median = percentiles(found["samples_ms"])[1]
    return found | {
        "images_per_s": 1000 * x.shape[0] / median,
        "megapixels_per_s": pixels / median / 1000,
        "input_shape": list(x.shape),
        "backend": f"PyTorch {settings.get('compile') or 'eager'}, {_kernels(x.device)}"
        + (", kernels of fp32 for bf16" if lacks_kernels(precision, x.device) else ""),
        "precision": precision,
    }


def _first_call(model: nn.Module, x: torch.Tensor) -> tuple[Callable[[], AbstractContextManager], torch.Tensor]:
    """How a model is called, and its output: no_grad() is slower, but a network can differentiate inside of it."""
    try:
        with torch.inference_mode():
            return torch.inference_mode, model(x)
    except Exception:  # a user's class may fail in any way
        with torch.no_grad():
            return torch.no_grad, model(x)


def timed(call: Callable[[], object], device: torch.device, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Time any call that computes on one device, as measure() does with a network.

    Args:
        call: what to time.
        device: the device that it computes on.
        settings: `warmup`, `samples` and `seconds`.

    Returns:
        What measure() returns, without the throughput and what belongs to a network. `others_cores` is the number of
        cores that other processes used meanwhile, and until SHORTEST; None if the system does not report it.
    """
    timer = _gpu_ms if device.type == "cuda" else _cpu_ms
    warmup = _until_steady(lambda: timer(call, device), settings["warmup"], settings["seconds"])
    before = clocks_mhz(device)
    samples: list[float] = []
    start, of_others = time.perf_counter(), _others_seconds()
    while len(samples) < settings["samples"]:
        if len(samples) >= 3 and time.perf_counter() - start > settings["seconds"]:
            break
        samples.append(timer(call, device))
    after = clocks_mhz(device)
    time.sleep(max(0.0, SHORTEST - (time.perf_counter() - start)))
    spent = time.perf_counter() - start
    return {
        "samples_ms": samples,
        "noisy": noisy(samples),
        "others_cores": round(max(0.0, _others_seconds() - of_others) / spent, 2) if of_others is not None else None,
        "peak_memory_mib": _gpu_peak_mib(call, device) if device.type == "cuda" else cpu_peak_mib(call),
        "warmup_ms": warmup,
        "clocks_mhz": {"before": before, "after": after},
        **describe(device),
    }


def describe(device: torch.device) -> dict[str, Any]:
    """The conditions of a time: `device_type`, `device`, `driver`, `threads`, `tf32` and `node`, see base.slurm."""
    cuda = device.type == "cuda"
    return {
        "device_type": device.type,
        "device": torch.cuda.get_device_name(device) if cuda else f"CPU ({platform.machine()})",
        "driver": _nvidia_smi("driver_version", device) if cuda else None,
        "threads": torch.get_num_threads(),
        "node": slurm.node(),
        "tf32": cuda and precision_in_use() == "tf32",
    }


def clocks_mhz(device: torch.device) -> float | None:
    """The clock of a GPU's multiprocessors, or the mean over the CPU's cores; None if not reported."""
    if device.type == "cuda":
        found = _nvidia_smi("clocks.sm", device)
        return float(found) if found and found.isdigit() else None
    cpuinfo = Path("/proc/cpuinfo")
    found = re.findall(r"cpu MHz\s*:\s*([\d.]+)", cpuinfo.read_text()) if cpuinfo.exists() else []
    return round(statistics.fmean(map(float, found)), 1) if found else None


def _others_seconds() -> float | None:
    """The time that cores have spent on other processes, or a host on other machines; None if not reported."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    user, nice, system, _, _, irq, softirq, steal = map(int, stat.read_text().split()[1:9])  # without idle and waiting
    total = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    return total - sum(os.times()[:2])


def _nvidia_smi(field: str, device: torch.device) -> str | None:
    """A field reported by the driver's tool, which is asked by UUID because it may number devices differently."""
    uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
    command = ["nvidia-smi", f"--id={uuid}", f"--query-gpu={field}", "--format=csv,noheader,nounits"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _check_devices(*tensors: torch.Tensor) -> None:
    found = sorted({tensor.device.type for tensor in tensors})
    if len(found) > 1:
        raise UserError(
            f"a latency was to be measured on one device, but tensors are on {' and '.join(found)}",
            "move the network and its input to one of them",
        )


def _until_steady(call: Callable[[], float], most: int, seconds: float) -> list[float]:
    """Call until two successive medians agree, at most `most` times and `seconds` long; the times."""
    times: list[float] = []
    start = time.perf_counter()
    while len(times) < most and time.perf_counter() - start < seconds:
        times.append(call())
        if len(times) >= 2 * WINDOW:
            last, before = (statistics.median(part) for part in (times[-WINDOW:], times[-2 * WINDOW : -WINDOW]))
            if abs(last - before) < STEADY * before:
                break
    return times


def _kernels(device: torch.device) -> str:
    if device.type == "cuda":
        return f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    return f"{torch.backends.cpu.get_cpu_capability()} kernels"


def _cpu_ms(call: Callable[[], object], _: torch.device) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1000


def _gpu_ms(call: Callable[[], object], device: torch.device) -> float:
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize(device)
    start.record()
    call()
    end.record()
    torch.cuda.synchronize(device)
    return start.elapsed_time(end)


def _gpu_peak_mib(call: Callable[[], object], device: torch.device) -> float:
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    call()
    torch.cuda.synchronize(device)
    return (torch.cuda.max_memory_allocated(device) - before) / 2**20


def cpu_peak_mib(call: Callable[[], None]) -> float | None:
    """Peak resident memory of one call above what was in use before, in MiB; None if the system does not report it.

    Linux keeps a high-water mark of the resident memory that a process may reset; other systems do not.
    """
    mark = Path("/proc/self/clear_refs")
    if not mark.exists():
        return None
    with suppress(OSError, AttributeError):  # return memory that the allocator kept from earlier calls; glibc only
        ctypes.CDLL(None).malloc_trim(0)
    mark.write_text("5")
    before = _status_kib("VmRSS")
    call()
    return max(0, _status_kib("VmHWM") - before) / 1024


def _status_kib(field: str) -> int:
    return int(re.search(rf"{field}:\s+(\d+)", Path("/proc/self/status").read_text())[1])
