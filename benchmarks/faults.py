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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from rssr.base.files import sha256, write_json
from rssr.base.provenance import made_by

ROOT = Path(__file__).resolve().parent.parent
MODEL = "edsr_test"
SCORES = f"results/scores/synthetic/x4-bicubic/{MODEL}.csv"
WEIGHTS = f"results/weights/{MODEL}/synthetic/x4/seed10.safetensors"
TABLE = "results/tables/synthetic/x4-bicubic/quality.csv"
# One network and bicubic, so that more repetitions fit in an hour.
FEWER = {"models": {"lstmconvsr_test": None, "lstmconvsr_test_without_hwd": None}, "analysis": None}
LONG = {"training": {"test": {"iterations": 300, "checkpoint_every": 10}}}  # so that kills meet the loop
_ASIDE = ("results", ".snakemake", "downloads")


class Run:
    """A folder in which the workflow runs.

    Args:
        folder: an empty folder.
        target: what is made.
        changes: blocks laid over config/test.yaml, beside FEWER.
    """

    def __init__(self, folder: Path, target: str = TABLE, changes: dict | None = None) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "changes.yaml").write_text(yaml.safe_dump(FEWER | (changes or {})))
        self.folder = folder
        files = (str(ROOT / "config/test.yaml"), "changes.yaml")
        command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), target, "--cores", "2"]
        self.command = [*command, "--configfile", *files]

    def start(self) -> subprocess.Popen:
        """Begin a run, in a process group of its own."""
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(self.command, cwd=self.folder, env=environment, start_new_session=True, **streams)

    def finish(self, process: subprocess.Popen | None = None) -> tuple[int, str]:
        """Exit code and output of a run."""
        process = process or self.start()
        said = process.communicate()[0]
        return process.returncode, said

    def clear(self) -> None:
        """Remove all that a run has written."""
        for name in _ASIDE:
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def without(self, path: str) -> None:
        """Remove a file and what was made of it in the end, so that the next run makes both again."""
        for name in (path, TABLE):
            (self.folder / name).unlink(missing_ok=True)

    def bytes(self) -> dict[str, str]:
        """Checksums of what must be the same in every run: weights, scores, tables and images."""
        found = {}
        for pattern in ("scores/**/*.csv", "tables/**/*.*", "data/**/*.*g", "sr/**/*.png", "weights/**/*.safetensors"):
            paths = self.folder.glob(f"results/{pattern}")
            found |= {str(path.relative_to(self.folder)): sha256(path) for path in paths}
        return found


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
            "came": list(dict.fromkeys(errors))[-1].replace(str(self.scratch), "...") if errors else "",
        }
        self.rows.append(row)
        print(row, flush=True)

    def killed(self, what: str, run: Run, seconds: float, expected: dict[str, str]) -> None:
        """Kill a run again and again at random moments, with and without its children; start over once it is done."""
        outputs, done = [], 0
        while done < self.kills:
            process = run.start()
            time.sleep(self.draw.uniform(0, seconds))
            if process.poll() is not None:
                outputs.append(run.finish(process)[1])
                assert run.bytes() == expected, "another run"
                run.clear()
                continue
            (os.killpg if done % 2 else os.kill)(process.pid, signal.SIGKILL)
            outputs.append(process.communicate()[0])
            done += 1
        self.note(what, outputs, run, expected, done)

    def kills_of_the_run(self) -> None:
        """SIGKILL, at any moment of the whole."""
        self.run.clear()
        self.killed("SIGKILL at random moments of the run", self.run, self.seconds, self.expected)

    def kills_of_a_training(self) -> None:
        """SIGKILL, within a training of 300 iterations."""
        run = Run(self.scratch / "training", WEIGHTS, LONG)
        started = time.monotonic()
        assert run.finish()[0] == 0
        seconds, expected = time.monotonic() - started, run.bytes()
        shutil.rmtree(run.folder / "results/weights")
        self.killed("SIGKILL at random moments of a training", run, seconds, expected)

    def a_child_dies(self) -> None:
        """The training's process is killed, Snakemake is not."""
        self.run.without(WEIGHTS)
        shutil.rmtree((self.run.folder / WEIGHTS).parent / "checkpoints")
        process = self.run.start()
        deadline = time.monotonic() + 300
        while process.poll() is None and time.monotonic() < deadline:
            if children := self._children(process.pid, "train_model.py"):
                os.kill(children[-1], signal.SIGKILL)
                break
            time.sleep(0.1)
        self.note("SIGKILL of a job's process", [self.run.finish(process)[1]], self.run, self.expected)

    @staticmethod
    def _children(group: int, name: str) -> list[int]:
        listed = subprocess.run(["ps", "-e", "-o", "pid,pgid,args"], capture_output=True, text=True).stdout
        rows = (line.split(None, 2) for line in listed.splitlines()[1:])
        return [int(pid) for pid, of, args in rows if of == str(group) and args.startswith("python ") and name in args]

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
        sr = next(path for path in self.expected if path.startswith("results/sr/") and f"/{MODEL}/" in path)
        checkpoint = next(self.run.folder.glob(f"{Path(WEIGHTS).parent}/checkpoints/*[0-9a-f].checkpoint"))
        kinds = {
            "an HR image": (image, SCORES),
            "an LR image": (lr, f"results/sr/synthetic/x4-bicubic/{MODEL}/manifest.csv"),
            "an SR image": (sr, SCORES),
            "a manifest": (f"{results}/HR-x4/manifest.csv", SCORES),
            "a table of scores": (SCORES, TABLE),
            "a record": (SCORES.replace(".csv", ".json"), TABLE),
            "weights (safetensors)": (WEIGHTS, f"results/sr/synthetic/x4-bicubic/{MODEL}/manifest.csv"),
            "a checkpoint of a training": (str(checkpoint.relative_to(self.run.folder)), WEIGHTS),
        }
        for what, (damaged, reader) in kinds.items():
            for how, change in (("one wrong bit", _flipped), ("cut in half", _halved)):
                path = self.run.folder / damaged
                stat = path.stat()
                path.write_bytes(change(path.read_bytes()))
                os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as a disk fails, without a word
                self.run.without(reader)
                outputs = [self.run.finish()[1]]
                if damaged in outputs[0] and "delete it and run again" in outputs[0]:
                    path.unlink(missing_ok=True)
                self.note(f"{what}: {how}", outputs, self.run, self.expected)

    def a_full_disk(self) -> None:
        """The file system of results fills after each tenth of what a run writes."""
        total = sum(path.stat().st_size for path in (self.run.folder / "results").rglob("*") if path.is_file())
        run = Run(self.scratch / "full")
        for tenth in range(10):
            run.clear()
            with _memory(run.folder / "results", f"{max(64, total * tenth // 10240)}k") as resize:
                code, said = run.finish()
                resize(f"{total * 4 // 1024}k")
                what = f"a disk that is full after {10 * tenth} % of the results"
                self.note(what, [said] if code else [], run, self.expected)

    def a_read_only_folder(self) -> None:
        """Results cannot be written."""
        run = Run(self.scratch / "read_only")
        with _memory(run.folder / "results", "100m") as change:
            change("100m,ro")
            said = run.finish()[1]
            change("100m,rw")
            self.note("a results folder that is read-only", [said], run, self.expected)


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def _halved(content: bytes) -> bytes:
    return content[: len(content) // 2]


@contextmanager
def _memory(folder: Path, size: str) -> Iterator[Callable[[str], None]]:
    """A file system in memory at a folder; what changes its options."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield lambda options: subprocess.run(["mount", "-o", f"remount,size={options}", folder], check=True)
    finally:
        subprocess.run(["umount", folder], check=True)


ROOT_ONLY = ("a_full_disk", "a_read_only_folder")
KILLS = ("kills_of_a_training", "kills_of_the_run")
TRIED = ("damage", "two_at_once", "the_clock_jumps", "a_child_dies", *ROOT_ONLY, *KILLS)


def table(rows: list[dict]) -> str:
    """The rows as Markdown."""
    lines = ["| what was done | times | lost | wrong | tracebacks | what it said |", "|---|---|---|---|---|---|"]
    keys = ("what", "times", "lost", "wrong", "tracebacks", "came")
    return "\n".join([*lines, *(f"| {' | '.join(str(row[key]).replace('|', '/') for key in keys)} |" for row in rows)])


def main() -> None:
    """Try all faults, or some."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="of the run, and as many of a training")
    parser.add_argument("--only", nargs="+", choices=TRIED, default=TRIED)
    parser.add_argument("--scratch", type=Path, help="a folder to keep the runs in, or one with an undisturbed run")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", type=Path, help="a page whose table between the marks is written anew")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        faults, left_out = Faults(arguments.scratch or Path(scratch), arguments.kills), {}
        for name in arguments.only:
            if name in ROOT_ONLY and os.geteuid():
                left_out[name] = "needs root, for a small file system"
                continue
            getattr(faults, name)()
            # After each, so that an interrupted command leaves what it has found.
            found = made_by(rows=faults.rows, left_out=left_out, seconds_of_a_run=round(faults.seconds))
            write_json(arguments.out, found)
    if arguments.table:
        head, mark, rest = arguments.table.read_text(encoding="utf-8").partition("<!-- faults -->\n")
        text = f"{head}{mark}{table(faults.rows)}\n{rest[rest.index('<!-- end -->') :]}"
        arguments.table.write_text(text, encoding="utf-8")
    sys.exit(any(row[key] for row in faults.rows for key in ("lost", "wrong", "tracebacks")))


if __name__ == "__main__":
    main()
