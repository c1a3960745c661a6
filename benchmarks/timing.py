"""What benchmarks share: medians of calls that take turns, and the command of a benchmark of several parts."""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from rssr.base.files import write_csv, write_json
from rssr.base.provenance import made_by
from rssr.metrics.latency import cpu_peak_mib

REPEATS = 5


def medians(calls: Mapping[str, Callable[[], object]], repeats: int = REPEATS) -> dict[str, float]:
    """Median seconds of each call, turn by turn, after one call that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(repeats + 1):
        for name, function in calls.items():
            start = time.perf_counter()
            function()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if repeat:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def measure(name: str, about: str, parts: Mapping[str, Callable[[], Any]]) -> None:
    """Time and weigh the parts in this one process, print and write {name}_{part}.json, of "growth" a CSV file too."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help=f"folder for {name}_PART.json, and {name}_growth.csv")
    parser.add_argument("--parts", nargs="+", default=list(parts), choices=parts, help="the network takes minutes")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if cpu_peak_mib(lambda: None) is None:
        parser.error("peak memory can be measured on Linux only")
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    for part in arguments.parts:
        found = parts[part]()
        if arguments.out and found:
            facts = made_by(**{part: found}, repeats=REPEATS, threads=arguments.threads, precision="float32")
            write_json(arguments.out / f"{name}_{part}.json", facts)
            if part == "growth":
                write_csv(arguments.out / f"{name}_growth.csv", found)
