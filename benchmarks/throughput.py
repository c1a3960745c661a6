"""Images per second of the chain: prepare, reduce, upscale by bicubic, score with four metrics; on one core and on two.

Reading, computing and writing overlap within a stage as far as there are cores: `busy` is the share of the cores' time
that a stage uses, and what is left of 1 is all that more overlapping could gain. Two chains side by side, in a process
and on a core each, share nothing but the machine: how much faster than one they are is what its second core can give.

PYTHONPATH=. python benchmarks/throughput.py [--tiles 2000] [--out results/reference/throughput.json]
"""

import argparse
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch
from prepare import data_set_of, draw

from rssr.base.files import read_csv, write_json
from rssr.base.provenance import made_by
from rssr.datasets.prepare import prepare_hr, prepare_lr
from rssr.models.registry import build
from rssr.steps.scoring import TestImages, score_folder
from rssr.steps.upscaling import upscale_folder

SIDE, TILE, SCALE, CROP = 8000, 400, 4, 4  # 400 tiles to a scene
METRICS = ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb")


def main() -> None:
    """Run the chain on one core and on two, compare the scores, print and write the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=2000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rates, busy, scores = {}, {}, {}
    cores = sorted(os.sched_getaffinity(0))[:2]
    with tempfile.TemporaryDirectory() as scratch:
        sources = Path(scratch) / "sources"
        sources.mkdir()
        for number in range(max(1, arguments.tiles * TILE**2 // SIDE**2)):
            draw(sources / f"{number}.tif", SIDE, number)
        for jobs in (1, 2):
            os.sched_setaffinity(0, cores[:jobs])
            rates[jobs], busy[jobs], scores[jobs] = chain(sources, Path(scratch) / f"on{jobs}", jobs)
        assert scores[1] == scores[2]
        os.sched_setaffinity(0, cores)
        with ProcessPoolExecutor(2, get_context("spawn")) as pool:
            apart = sum(pool.map(alone, [sources] * 2, [Path(scratch) / f"alone{core}" for core in cores], cores))
    speedup, at_most = rates[2]["chain"] / rates[1]["chain"], apart / rates[1]["chain"]
    for jobs, of_stage in rates.items():
        print(f"{jobs} core(s), images/s: " + ", ".join(f"{stage} {rate:.1f}" for stage, rate in of_stage.items()))
        print(f"{jobs} core(s), busy: " + ", ".join(f"{stage} {share:.0%}" for stage, share in busy[jobs].items()))
    print(f"{speedup:.2f} times on two cores, equal scores; {at_most:.2f} times by two chains side by side")
    if arguments.out:
        facts = {"images": len(scores[1]), "side": TILE, "scale": SCALE, "metrics": METRICS, "device": "CPU"}
        write_json(
            arguments.out, made_by(images_per_s=rates, busy=busy, speedup=speedup, side_by_side=at_most, **facts)
        )


def alone(sources: Path, out: Path, core: int) -> float:
    """Images per second of the chain on a core."""
    os.sched_setaffinity(0, [core])
    return chain(sources, out, 1)[0]["chain"]


def chain(sources: Path, out: Path, jobs: int) -> tuple[dict[str, float], dict[str, float], list]:
    """Images per second of each stage and of all, the share of the cores' time that each uses, and the scores."""
    hr, lr, sr = (out / name for name in ("hr", "lr", "sr"))
    torch.set_num_threads(1)
    bicubic = {"0": build({"arch": "bicubic", "scale": SCALE})}
    images = TestImages(hr, lr, "bicubic", SCALE, CROP)
    stages = {
        "prepare": lambda: prepare_hr(data_set_of(sources), sources, "test", TILE, hr, jobs, SCALE),
        "reduce": lambda: prepare_lr(hr, lr, "bicubic", SCALE, jobs),
        "upscale": lambda: upscale_folder(bicubic, 1, lr, sr, "benchmark", torch.device("cpu"), jobs),
        "score": lambda: score_folder(sr, images, METRICS, "", {}, jobs),
    }
    seconds, busy = {}, {}
    for stage, run in stages.items():
        start, used = time.perf_counter(), sum(os.times()[:4])
        rows = run()
        seconds[stage] = time.perf_counter() - start
        busy[stage] = (sum(os.times()[:4]) - used) / seconds[stage] / jobs  # of ended processes too
    count = len(read_csv(hr / "manifest.csv"))
    rates = {stage: count / t for stage, t in seconds.items()} | {"chain": count / sum(seconds.values())}
    return rates, busy, rows


if __name__ == "__main__":
    main()
