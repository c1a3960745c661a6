"""Faults that machines bring, on config/test.yaml: what was done to a run, what came, and whether anything was lost.

PYTHONPATH=. python benchmarks/faults.py --kills 100 --out results/reference/faults.json --table docs/faults.md

Every run is in a folder of its own, on the code of this checkout. After each fault the same command runs again, as its
message says; then all scores and tables have to be those of an undisturbed run, to the byte. Full and read-only disks
need root, for a small file system in memory; without it they are skipped, with that reason.
"""

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import yaml
from disturbed import (
    DAMAGE,
    FEWER,
    MODEL,
    ROOT,
    SCORES,
    TABLE,
    UPSCALED,
    WEIGHTS,
    Run,
    address_space,
    damage,
    file_system,
    serving,
    table,
)
from PIL import Image

from rssr.base.files import read_image, read_json, sha256, write_json
from rssr.base.provenance import code_version, made_by

ROOM = 2**30  # bytes that upscaling lacks where memory ends
LONG = {"training": {"test": {"iterations": 300, "checkpoint_every": 10}}}  # so that kills meet the loop


class Faults:
    """The faults that were tried, and what came.

    Args:
        scratch: a folder for all runs.
        kills: SIGKILLs of the run, and as many of a training.
    """

    def __init__(self, scratch: Path, kills: int) -> None:
        self.scratch, self.kills, self.rows = scratch, kills, []
        self.draw = random.Random(0)
        self.run = Run(scratch / "run")
        started = time.monotonic()
        code, said = self.run.finish()
        self.seconds = time.monotonic() - started  # few where --scratch has a run already
        assert code == 0, said[-3000:]
        self.expected = self.run.bytes()

    def note(self, what: str, outputs: list[str], run: Run, expected: dict[str, str], times: int = 1) -> None:
        """Run again, compare, and add a row."""
        code, said = run.finish()
        found = run.bytes()
        outputs = [*outputs, said]
        errors = [found for text in outputs for found in re.findall(r"error: .*", text)]  # behind a progress bar
        row = {
            "what": what,
            "times": times,
            "lost": sum(name not in found for name in expected) + (code != 0),
            "wrong": sum(found.get(name, digest) != digest for name, digest in expected.items()),
            "tracebacks": sum("Traceback (most recent call last)" in text for text in outputs),
            "came": (errors[-1] if errors else said[-1000:] if code else "–").replace(str(self.scratch), "..."),
        }
        self.rows.append(row)
        print(row, flush=True)
        if row["lost"] or row["wrong"]:  # the next fault is to meet a whole run
            run.clear()
            run.finish()

    def told(self, what: str, run: Run, damaged: str, expected: dict[str, str]) -> None:
        """Run, delete the damaged file where the message says so, and add a row."""
        said = run.finish()[1]
        if damaged in said and "delete it and run again" in said:
            (run.folder / damaged).unlink(missing_ok=True)
        self.note(what, [said], run, expected)

    def killed(self, what: str, run: Run, seconds: float, again: Callable[[], None]) -> None:
        """Kill a run again and again at random moments, with and without its children; start over once it is done."""
        outputs, done, expected, anew = [], 0, run.bytes(), True
        again()
        while done < self.kills:
            process, started = run.start(), time.monotonic()
            with suppress(subprocess.TimeoutExpired):
                process.wait(self.draw.uniform(0, seconds))
                outputs.append(run.finish(process)[1])
                assert process.returncode == 0 and run.bytes() == expected, "another run"
                seconds = time.monotonic() - started if anew else seconds  # of a machine that is less busy, perhaps
                again()
                anew = True
                continue
            (os.killpg if done % 2 else os.kill)(process.pid, signal.SIGKILL)
            outputs.append(run.finish(process)[1])
            done, anew = done + 1, False
            print(f"{what}: {done} of {self.kills}", end="\r", flush=True)
        self.note(what, outputs, run, expected, done)

    def kills_of_the_run(self) -> None:
        """SIGKILL, at any moment of the whole."""
        self.killed("SIGKILL at random moments of the run", self.run, self.seconds, self.run.clear)

    def kills_of_a_training(self) -> None:
        """SIGKILL, within a training of 300 iterations, whose images are there."""
        run = Run(self.scratch / "training", WEIGHTS, LONG)
        weights = run.folder / "results/weights"
        assert run.finish()[0] == 0
        shutil.rmtree(weights)
        started = time.monotonic()
        assert run.finish()[0] == 0
        seconds = time.monotonic() - started
        self.killed("SIGKILL at random moments of a training", run, seconds, partial(shutil.rmtree, weights))

    def a_child_dies(self) -> None:
        """The training's process is killed, Snakemake is not."""
        self.run.without(WEIGHTS)
        shutil.rmtree((self.run.folder / WEIGHTS).parent / "checkpoints")
        process = self.run.start()
        while process.poll() is None:
            if children := self.run.children(process, "train_model.py"):
                os.kill(children[-1], signal.SIGKILL)
                break
            time.sleep(0.1)
        self.note("SIGKILL of a job's process", [self.run.finish(process)[1]], self.run, self.expected)

    def two_at_once(self) -> None:
        """A second run in the folder of a living one."""
        self.run.without(SCORES)
        first = self.run.start()
        while not list(self.run.folder.glob(".snakemake/locks/*.lock")) and first.poll() is None:
            time.sleep(0.05)
        second = self.run.finish()[1]
        assert "lock" in second.lower() or first.poll() == 0
        self.note("two runs at once: the second is refused", [self.run.finish(first)[1]], self.run, self.expected)

    def the_clock_jumps(self) -> None:
        """All files are from the future, then from the past."""
        for name, moment in (("2040", 2208988800), ("1990", 631152000)):
            for number, path in enumerate(sorted((self.run.folder / "results").rglob("*"))):
                os.utime(path, (moment + number % 7, moment + number % 7), follow_symlinks=False)
            self.run.without(SCORES)
            self.note(f"a clock that jumps: all files are of {name}", [], self.run, self.expected)

    def damage(self) -> None:
        """One wrong bit, or half of a file, in each kind of file that a later step reads."""
        results = "results/data/synthetic/test"
        image = next(path for path in self.expected if path.startswith(f"{results}/HR"))
        lr = image.replace("HR-x4", "LR/x4-bicubic")
        sr = next(path for path in self.expected if path.startswith(UPSCALED))
        checkpoint = next(self.run.folder.glob(f"{Path(WEIGHTS).parent}/checkpoints/*[0-9a-f].checkpoint"))
        kinds = {
            "an HR image": (image, SCORES),
            "an LR image": (lr, UPSCALED),
            "an SR image": (sr, SCORES),
            "a manifest": (f"{results}/HR-x4/manifest.csv", SCORES),
            "a table of scores": (SCORES, TABLE),
            "a record": (SCORES.replace(".csv", ".json"), TABLE),
            "weights (safetensors)": (WEIGHTS, UPSCALED),
            "a checkpoint of a training": (str(checkpoint.relative_to(self.run.folder)), WEIGHTS),
        }
        for what, (damaged, reader) in kinds.items():
            for how, change in DAMAGE.items():
                damage(self.run.folder / damaged, change)
                self.run.without(reader)
                self.told(f"{what}: {how}", self.run, damaged, self.expected)

    def a_cached_download(self) -> None:
        """Weights that were downloaded are damaged where they are kept, and fetched again."""
        served = self.scratch / "served"
        served.mkdir(exist_ok=True)
        shutil.copy(self.run.folder / WEIGHTS, served / "w.safetensors")
        with serving(served) as address:
            weights = {"url": f"{address}/w.safetensors", "sha256": sha256(served / "w.safetensors")}
            run = Run(
                self.scratch / "download",
                changes={"models": FEWER["models"] | {MODEL: {"train": None, "weights": weights}}},
            )
            code, said = run.finish()
            assert code == 0, said[-3000:]
            expected = run.bytes()
            for how, change in DAMAGE.items():
                (cached,) = run.folder.glob("downloads/**/*.safetensors")
                damage(cached, change)
                shutil.rmtree(run.folder / "results/weights")
                run.without(UPSCALED)
                self.told(f"a cached download: {how}", run, str(cached.relative_to(run.folder)), expected)

    def memory_ends(self) -> None:
        """The address space has no room for an image of 2048 pixels a side in a network, whole; tiles have."""
        folder, result = self.scratch / "memory", "large/x4-bicubic"
        (folder / "images").mkdir(parents=True, exist_ok=True)
        small = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(small).resize((2048, 2048), Image.Resampling.BICUBIC).save(folder / "images/a.png")
        entry = yaml.safe_load((ROOT / "config/config.yaml").read_text())["models"]["edsr_xs"]
        entry["weights"]["path"] = str(ROOT / entry["weights"]["path"])
        large = {"label": "Large", "images": "images", "split": {"test": "*.png"}}
        changes = {"datasets": {"large": large}, "models": FEWER["models"] | {MODEL: None, "edsr_xs": entry}}
        run = Run(folder, f"results/tables/{result}/quality.csv", changes)
        process, most = run.start(), 0
        while process.poll() is None:
            for child in run.children(process, "upscale_images.*edsr_xs"):
                most = max(most, address_space(child))
            time.sleep(0.05)
        code, said = run.finish(process)
        assert code == 0, said[-3000:]
        whole, expected = read_image(next(folder.glob(f"results/sr/{result}/edsr_xs/*/*.png"))), run.bytes()
        for old in ("sr", "scores", "tables"):
            shutil.rmtree(folder / "results" / old)
        outputs = [run.finish(run.start(most - ROOM))[1]]
        (tiled,) = (read_image(path) for path in folder.glob(f"results/sr/{result}/edsr_xs/*/*.png"))
        apart = int(abs(whole.astype(int) - tiled).max())
        if apart <= 1:  # what is made of tiles may be a level apart
            made, now = ("results/sr", "results/scores", "results/tables"), run.bytes()
            expected |= {name: now.get(name, digest) for name, digest in expected.items() if name.startswith(made)}
        self.note("memory that ends in upscaling", outputs, run, expected)
        (said,) = re.findall(".*in tiles of.*", (folder / f"results/tables/{result}/quality.md").read_text())
        self.rows[-1]["came"] = f"{said.removeprefix('- ')} (levels of difference from the whole: at most {apart})"

    def a_full_disk(self) -> None:
        """The file system of results fills after each tenth of what a run writes."""
        total = sum(path.stat().st_size for path in (self.run.folder / "results").rglob("*") if path.is_file())
        run = Run(self.scratch / "full")
        for tenth in range(10):
            run.clear()
            with file_system(run.folder / "results", f"{max(64, total * tenth // 10240)}k") as resize:
                code, said = run.finish()
                resize(f"{total * 4 // 1024}k")
                what = f"a disk that is full after {10 * tenth} % of the results"
                self.note(what, [said] if code else [], run, self.expected)

    def a_read_only_folder(self) -> None:
        """Results cannot be written."""
        run = Run(self.scratch / "read_only")
        with file_system(run.folder / "results", "100m") as change:
            change("100m,ro")
            said = run.finish()[1]
            change("100m,rw")
            self.note("a results folder that is read-only", [said], run, self.expected)


ROOT_ONLY = ("a_full_disk", "a_read_only_folder")
KILLS = ("kills_of_a_training", "kills_of_the_run")
TRIED = (
    *("damage", "a_cached_download", "two_at_once", "the_clock_jumps", "a_child_dies", "memory_ends"),
    *(*ROOT_ONLY, *KILLS),
)


def main() -> None:
    """Try all faults, or some."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="of the run, and as many of a training")
    parser.add_argument("--only", nargs="+", choices=TRIED, default=TRIED, help="and keep the other rows of --out")
    parser.add_argument("--scratch", type=Path, help="a folder to keep the runs in, or one with an undisturbed run")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", type=Path, help="a page whose table between the marks is written anew")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        faults, left_out = Faults(arguments.scratch or Path(scratch), arguments.kills), {}
        before = read_json(arguments.out)["rows"] if arguments.out.exists() else []
        rows = {name: [row for row in before if row["fault"] == name] for name in TRIED}
        for name in arguments.only:
            if name in ROOT_ONLY and os.geteuid():
                left_out[name] = "needs root, for a small file system"
            else:
                faults.rows.clear()
                getattr(faults, name)()
                rows[name] = [{"fault": name, "code": code_version(), **row} for row in faults.rows]
            # After each, so that an interrupted command leaves what it has found.
            every = [row for of_name in rows.values() for row in of_name]
            write_json(arguments.out, made_by(rows=every, left_out=left_out, seconds_of_a_run=round(faults.seconds)))
    if arguments.table:
        head, mark, rest = arguments.table.read_text(encoding="utf-8").partition("<!-- faults -->\n")
        text = f"{head}{mark}{table(every)}\n{rest[rest.index('<!-- end -->') :]}"
        arguments.table.write_text(text, encoding="utf-8")
    sys.exit(any(row[key] for row in every for key in ("lost", "wrong", "tracebacks")))


if __name__ == "__main__":
    main()
