"""Memory of upscaling scenes of several sizes by windows, which should be the same for all.

PYTHONPATH=. python benchmarks/scene.py [--sides 1500 3000 6000] [--out results/reference/scene.json]
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
import torch
import yaml
from rasterio.windows import Window

from rssr.base import ROOT
from rssr.base.files import write_json
from rssr.base.provenance import made_by
from rssr.models.registry import build
from rssr.steps.scenes import upscale_scene

TILE = {"size": 256, "overlap": 32}


def main() -> None:
    """Upscale a synthetic scene of every size, each in a process of its own, whose peak memory is its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="lstmconvsr_xs", help="an entry of config/config.yaml")
    parser.add_argument("--sides", nargs="+", type=int, default=[1500, 3000, 6000])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.one:
        _one(arguments.model, arguments.one)
        return
    rows = []
    for side in arguments.sides:
        command = [sys.executable, __file__, "--model", arguments.model, "--threads", str(arguments.threads)]
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "scene.tif"
            _draw(source, side)
            seconds, peak = subprocess.check_output([*command, "--one", str(source)], text=True).split()
        rows.append({"lr_side": side, "seconds": float(seconds), "peak_resident_mib": float(peak)})
        print(
            f"{side}x{side}: {rows[-1]['seconds']:.0f} s, peak resident memory {rows[-1]['peak_resident_mib']:.0f} MiB"
        )
    if arguments.out:
        facts = {"model": arguments.model, "tile": TILE, "threads": arguments.threads, "scale": 4, "device": "CPU"}
        write_json(arguments.out, made_by(**facts, scenes=rows))


def _one(model: str, source: Path) -> None:
    entry = yaml.safe_load((ROOT / "config/config.yaml").read_text())["models"][model]
    start = time.perf_counter()
    upscale_scene(build(entry), source, source.with_name("out.tif"), scale=4, overwrite=True, **TILE)
    seconds = time.perf_counter() - start
    peak_kb = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]  # Linux; of this program alone
    print(seconds, int(peak_kb) / 1024)


def _draw(path: Path, side: int) -> None:
    """A synthetic scene of random pixels."""
    random = np.random.default_rng(0)
    shape = {"height": side, "width": side, "count": 3, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", tiled=True, **shape) as file:
        for top in range(0, side, 100):
            rows = min(100, side - top)
            pixels = random.integers(0, 256, (3, rows, side), dtype="uint8")
            file.write(pixels, window=Window(0, top, side, rows))


if __name__ == "__main__":
    main()
