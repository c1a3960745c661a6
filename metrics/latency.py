"""What a network costs while it runs: time and memory on the device at hand."""

import ctypes
import platform
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn


def measure(model: nn.Module, x: torch.Tensor, warmup: int, samples: int) -> dict[str, Any]:
    """Time single calls and find the peak memory of one.

    Args:
        model: the network, in eval mode, on x's device.
        x: its input, (B, 3, h, w).
        warmup: calls before the first timed one.
        samples: timed calls.

    Returns:
        `samples_ms`, every one; `peak_memory_mb`, above what was in use before the calls, None where the system
        cannot tell; `device`, `threads`, `backend`, `precision`.
    """
    with torch.inference_mode():
        for _ in range(warmup):
            model(x)
        on_gpu = x.device.type == "cuda"
        times = [_gpu_ms(model, x) if on_gpu else _cpu_ms(model, x) for _ in range(samples)]
        peak = _gpu_peak_mb(model, x) if on_gpu else cpu_peak_mb(lambda: model(x))
    return {
        "samples_ms": times,
        "peak_memory_mb": peak,
        "device": torch.cuda.get_device_name(x.device) if on_gpu else f"CPU ({platform.machine()})",
        "threads": torch.get_num_threads(),
        "backend": f"PyTorch eager, {_kernels(x.device)}",
        "precision": str(x.dtype).removeprefix("torch."),
    }


def _kernels(device: torch.device) -> str:
    if device.type == "cuda":
        return f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    return f"{torch.backends.cpu.get_cpu_capability()} kernels"


def _cpu_ms(model: nn.Module, x: torch.Tensor) -> float:
    start = time.perf_counter()
    model(x)
    return (time.perf_counter() - start) * 1000


def _gpu_ms(model: nn.Module, x: torch.Tensor) -> float:
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    model(x)
    end.record()
    torch.cuda.synchronize(x.device)
    return start.elapsed_time(end)


def _gpu_peak_mb(model: nn.Module, x: torch.Tensor) -> float:
    before = torch.cuda.memory_allocated(x.device)
    torch.cuda.reset_peak_memory_stats(x.device)
    model(x)
    return (torch.cuda.max_memory_allocated(x.device) - before) / 2**20


def cpu_peak_mb(call: Callable[[], None]) -> float | None:
    """Peak resident memory of one call above what was in use before, in MiB; None where the system cannot tell.

    Linux keeps a high-water mark of the resident memory that a process may reset; other systems do not.
    """
    mark = Path("/proc/self/clear_refs")
    if not mark.exists():
        return None
    with suppress(OSError, AttributeError):  # hand back what the allocator kept of earlier calls; glibc only
        ctypes.CDLL(None).malloc_trim(0)
    mark.write_text("5")
    before = _status_kb("VmRSS")
    call()
    return max(0, _status_kb("VmHWM") - before) / 1024


def _status_kb(field: str) -> int:
    return int(re.search(rf"{field}:\s+(\d+)", Path("/proc/self/status").read_text())[1])
