"""The whole of config/test.yaml on a Slurm beside the same run on this machine: wall times, jobs, equal bytes.

PYTHONPATH=. python benchmarks/cluster.py --out results/reference/cluster.json

Needs a Slurm that `sinfo` sees, and nothing else that runs. Each run starts from nothing, in a folder of its own.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rssr.base import ROOT
from rssr.base.files import sha256, write_json
from rssr.base.provenance import made_by

CONFIG = ROOT / "config/test.yaml"
PROFILE = str(ROOT / "profiles/slurm")
# The profile names its partitions from the folder of the run, which is another here.
ON_SLURM = ("--workflow-profile", PROFILE, "--slurm-partition-config", f"{PROFILE}/partitions.yaml")
WAYS = {"here": ("--cores", "all"), "slurm": ON_SLURM}
SAME = ("scores/**/*.csv", "tables/*/*/quality.*", "sr/**/*.png", "weights/**/*.safetensors")


def main() -> None:
    """Run both, in turn, compare, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    nodes = subprocess.run(
        ["sinfo", "-h", "-N", "-o", "%N %P %c %m"], capture_output=True, text=True, check=True
    ).stdout
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory(dir=Path.home()) as scratch:  # which the nodes see, too
        for number in range(arguments.rounds):
            folders = {way: Path(scratch) / f"{way}{number}" for way in WAYS}
            for way, folder in folders.items():
                start = time.monotonic()
                said = run(way, folder)
                seconds[way].append(time.monotonic() - start)
                print(f"{way}: {seconds[way][-1]:.0f} s", flush=True)
            bytes_of = {way: digests(folder) for way, folder in folders.items()}
            assert bytes_of["here"] and bytes_of["here"] == bytes_of["slurm"], "other results"
    jobs, steps = said.count("has been submitted with SLURM jobid"), re.findall(r"of (\d+) steps", said)[-1]
    ratio = sum(seconds["slurm"]) / sum(seconds["here"])
    print(f"{steps} steps in {jobs} jobs of Slurm, {ratio:.2f} times the wall time of a run here, equal bytes")
    if arguments.out:
        facts = {"seconds": seconds, "ratio": ratio, "jobs": jobs, "steps": int(steps), "nodes": nodes.splitlines()}
        write_json(arguments.out, made_by(**facts, same=SAME))


def run(way: str, folder: Path) -> str:
    """The whole DAG in a folder; what it said."""
    files = ["-s", str(ROOT / "Snakefile"), "--directory", str(folder), "--configfile", str(CONFIG)]
    command = [sys.executable, "-m", "snakemake", *files, *WAYS[way]]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def digests(folder: Path) -> dict[str, str]:
    """Checksums of what must not depend on where it was made."""
    results = folder / "results"
    return {str(path.relative_to(results)): sha256(path) for pattern in SAME for path in results.glob(pattern)}


if __name__ == "__main__":
    main()
