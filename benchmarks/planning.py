"""Time and memory of Snakemake's planning: a dry run from nothing, and an empty rerun of a finished folder.

PYTHONPATH=. python benchmarks/planning.py [--repeats 3] [--out results/reference/planning.json]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml
from tqdm import tqdm

from rssr.base import ROOT
from rssr.base.files import write_csv, write_image, write_json
from rssr.base.provenance import made_by
from rssr.plan.plan import Plan
from rssr.plan.targets import everything

# (models, data sets, images of each): growth over entries, and a zoo of models on sets of the size of Potsdam's.
SIZES = [(10, 1, 10), (100, 1, 10), (1000, 1, 10), (45, 3, 2016)]


def main() -> None:
    """Draw a folder of each size, plan it before and after its run, print and write the least seconds and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    found = []
    for models, sets, images in tqdm(SIZES):
        with tempfile.TemporaryDirectory() as scratch:
            row = {"models": models, "data_sets": sets, "images_of_each": images, "load": os.getloadavg()}
            plan = draw(Path(scratch), models, sets, images)
            row["from_nothing"] = least(arguments.repeats, "This was a dry-run", "--dry-run")
            pretend(plan, images)
            # Snakemake's records, as a run writes them.
            measured("", "--touch", "--forceall", "--scheduler", "greedy", "--quiet", "all")
            row["empty_rerun"] = least(arguments.repeats, "Nothing to be done")
            os.chdir(ROOT)
        tqdm.write(str(row))
        found.append(row)
    if arguments.out:
        facts = {"repeats": arguments.repeats, "figures": "the least of the repeats", "models": "interpolations"}
        out = arguments.out if arguments.out.is_absolute() else ROOT / arguments.out
        write_json(out, made_by(**facts, planning=found))


def draw(folder: Path, models: int, sets: int, images: int) -> Plan:
    """A configuration of interpolations and of folders with images, which are links to one; its plan."""
    os.chdir(folder)  # where paths of a run begin
    Path("downloads").mkdir()
    for number in range(sets):
        links(Path(f"images/{number}"), images)
    config = {
        "datasets": {
            f"set_{n}": {"label": f"Set {n}", "images": f"images/{n}", "split": {"test": "*.png"}} for n in range(sets)
        },
        "models": {f"model_{n}": {"label": f"Model {n}", "arch": "bicubic"} for n in range(models)},
    }
    Path("config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return Plan(config, "config.yaml")


def links(folder: Path, count: int) -> list[str]:
    """`count` images of a folder, which are one file; their names."""
    names = [f"image_{number:05}" for number in range(count)]
    write_image(folder / f"{names[0]}.png", np.zeros((8, 8, 3), np.uint8))
    for name in names[1:]:
        os.link(folder / f"{names[0]}.png", folder / f"{name}.png")
    return names


def pretend(plan: Plan, images: int) -> None:
    """Every file of a finished run: manifests and their images as they are, others empty."""
    for test in plan.test_sets:
        for model in (None, *(model.name for model in plan.models)):
            for kind in ("sr",) if model else ("hr", "lr"):
                artifact = test.artifact(kind, model=model)
                replicate = "0" if model else ""
                names = links(artifact.folder / replicate, images)
                rows = [{"image": name, "source": name, "replicate": replicate, "sha256": "0" * 64} for name in names]
                Path(artifact.beside(f"{kind}_record").path).write_text("{}")
                write_csv(Path(artifact.path), rows)  # its checksum goes into the record
    others = ["results/provenance.json", "results/report/index.html", "results/report/files/style.css"]
    for path in map(Path, [*everything(plan), *others]):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def least(repeats: int, expected: str, *options: str) -> dict[str, float]:
    """The least of several calls of measured()."""
    found = [measured(expected, *options) for _ in range(repeats)]
    return {key: min(each[key] for each in found) for key in found[0]}


def measured(expected: str, *options: str) -> dict[str, float]:
    """What a Snakemake in the working directory takes; RuntimeError if it fails or does not say what is expected."""
    command = [sys.executable, "-m", "snakemake", "-s", ROOT / "Snakefile", "--cores", "2", *options]
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen([*command, "--configfile", "config.yaml"], stdout=said, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read()
        if process.returncode or expected not in text:
            raise RuntimeError(text[-2000:])
    cpu = usage.ru_utime + usage.ru_stime  # a busy machine spoils the wall clock, and CPU time less
    return {"seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2), "peak_mib": round(usage.ru_maxrss / 1024)}


if __name__ == "__main__":
    main()
