"""Runs of the workflow on config/test.yaml, in folders of their own, and what faults.py disturbs them with."""

import http.server
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TextIO

import yaml

from rssr.base import ROOT
from rssr.base.files import sha256

MODEL = "edsr_test"
SCORES = f"results/scores/synthetic/x4-bicubic/{MODEL}.csv"
WEIGHTS = f"results/weights/{MODEL}/synthetic/x4/seed10.safetensors"
UPSCALED = f"results/sr/synthetic/x4-bicubic/{MODEL}"
TABLE = "results/tables/synthetic/x4-bicubic/quality.csv"
CHAIN = (WEIGHTS, UPSCALED, SCORES, TABLE)  # each is made of the one before
# One network and bicubic, so that more repetitions fit in an hour.
FEWER = {"models": {"lstmconvsr_test": None, "lstmconvsr_test_without_hwd": None}, "analysis": None}
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
        self._said: dict[int, TextIO] = {}  # process -> its output
        files = (str(ROOT / "config/test.yaml"), "changes.yaml")
        command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), target, "--cores", "2"]
        self.command = [*command, "--configfile", *files]

    def start(self, room: int = resource.RLIM_INFINITY) -> subprocess.Popen:
        """Begin a run, in a process group of its own, each process of which has room for so many bytes."""
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        limited = partial(resource.setrlimit, resource.RLIMIT_AS, (room, room))
        kept = {"cwd": self.folder, "env": environment, "start_new_session": True, "preexec_fn": limited}
        with tempfile.TemporaryFile("w+") as said:  # a pipe that nobody reads would hold it up
            process = subprocess.Popen(self.command, **kept, stdout=said, stderr=subprocess.STDOUT)
            self._said[process.pid] = os.fdopen(os.dup(said.fileno()), encoding="utf-8", errors="replace")
        return process

    def finish(self, process: subprocess.Popen | None = None) -> tuple[int, str]:
        """Exit code and output of a run."""
        process = process or self.start()
        code = process.wait()
        with self._said.pop(process.pid) as said:
            said.seek(0)
            return code, said.read()

    def clear(self) -> None:
        """Remove all that a run has written."""
        for name in _ASIDE:
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def without(self, path: str) -> None:
        """Remove one of CHAIN and what is made of it, so that the next run makes them again."""
        for old in (self.folder / name for name in CHAIN[CHAIN.index(path) :]):
            shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)

    def bytes(self) -> dict[str, str]:
        """Checksums of what must be the same in every run: weights, scores, tables and images."""
        found = {}
        for pattern in ("scores/**/*.csv", "tables/**/*.*", "data/**/*.*g", "sr/**/*.png", "weights/**/*.safetensors"):
            paths = self.folder.glob(f"results/{pattern}")
            found |= {str(path.relative_to(self.folder)): sha256(path) for path in paths}
        return found

    def children(self, process: subprocess.Popen, pattern: str) -> list[int]:
        """The process ids of a run's jobs whose command has a pattern."""
        listed = subprocess.run(["ps", "-e", "-o", "pid,pgid,args"], capture_output=True, text=True).stdout
        rows = (line.split(None, 2) for line in listed.splitlines()[1:])
        group, job = str(process.pid), re.compile(f"python .*{pattern}")
        return [int(pid) for pid, of, args in rows if of == group and job.match(args)]


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGE = {"one wrong bit": _flipped, "cut in half": lambda content: content[: len(content) // 2]}


def damage(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change the content of a file, whose time stays, as a disk fails: without a word."""
    stat = path.stat()
    path.write_bytes(change(path.read_bytes()))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def address_space(process: int) -> int:
    """The largest so far of a process, in bytes; 0 if it has ended."""
    try:
        return int(re.search(r"VmPeak:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())[1]) * 1024
    except (OSError, TypeError):
        return 0


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a server of a folder's files."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@contextmanager
def file_system(folder: Path, size: str) -> Iterator[Callable[[str], None]]:
    """A file system in memory at a folder; what changes its options."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield lambda options: subprocess.run(["mount", "-o", f"remount,size={options}", folder], check=True)
    finally:
        subprocess.run(["umount", folder], check=True)


def table(rows: list[dict]) -> str:
    """The rows as Markdown."""
    lines = ["| what was done | times | lost | wrong | tracebacks | what it said |", "|---|---|---|---|---|---|"]
    keys = ("what", "times", "lost", "wrong", "tracebacks", "came")
    return "\n".join([*lines, *(f"| {' | '.join(str(row[key]).replace('|', '/') for key in keys)} |" for row in rows)])
