"""Commands that tests run: `python -m rssr` in this process, and a whole workflow that is planned and run again."""

import http.server
import io
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path

import pytest
import yaml

from rssr.base import ROOT

WEIGHTS = "results/weights/{}/synthetic/x4/seed10.safetensors"  # of a model that is trained
RENDERINGS = {
    *("render_quality", "render_significance", "render_complexity", "render_quality_cost", "render_qualitative"),
    *("render_classes", "render_side_by_side", "render_ablation", "render_training", "render_training_curves"),
    *("render_aggregation", "render_distributions", "render_win_rate", "render_spectra"),
    *("render_audit", "write_provenance", "render_report"),
}
MEASUREMENTS = {"upscale_images", "score_images", "measure_spectrum", "profile_model"}
SR = "results/sr/synthetic/x4-bicubic"
IMAGE = f"{SR}/edsr_test/seed10/test_0_x0_y0.png"


@contextmanager
def serving(handler: Callable) -> Iterator[http.server.ThreadingHTTPServer]:
    """A server of this machine inside, whose address is its `url`."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        running.url = f"http://127.0.0.1:{running.server_port}"
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@contextmanager
def serving_files(folder: Path) -> Iterator[str]:
    """The address of a server of a folder's files inside."""
    with serving(partial(http.server.SimpleHTTPRequestHandler, directory=folder)) as running:
        yield running.url


@contextmanager
def offline() -> Iterator[None]:
    """Every download fails inside."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy"):
            patch.setenv(name, "http://127.0.0.1:9")
        yield


def rssr(*arguments: object, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    """`python -m rssr`, in this process."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(cwd)
        patch.setattr(sys, "argv", ["rssr", *map(str, arguments)])
        try:
            runpy.run_module("rssr", run_name="__main__")
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
            err.write(end.code + "\n" if isinstance(end.code, str) else "")
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


class Project:
    """A copy of the project in which the whole DAG of config/test.yaml has run, and changes to its configuration."""

    def __init__(self, folder: Path, scratch: Path, planner: subprocess.Popen | None = None) -> None:
        self.folder, self.changes, self.planner = folder, scratch / "changes.yaml", planner

    def change(self, **blocks: dict) -> None:
        """Lay blocks over config/test.yaml, as a second file of the configuration."""
        self.changes.write_text(yaml.safe_dump(blocks, sort_keys=False), encoding="utf-8")

    def arguments(self, *arguments: str) -> list[str]:
        changes = [str(self.changes)] if self.changes.exists() else []
        return ["--cores", "2", "--configfile", "config/test.yaml", *changes, *arguments]

    def process(self, *arguments: str) -> dict:
        """How to start a Snakemake of its own, for subprocess."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [sys.executable, "-m", "snakemake", *self.arguments(*arguments)]
        return {"args": command, "cwd": self.folder, "env": environment, "stderr": subprocess.STDOUT}

    def snakemake(self, *arguments: str) -> tuple[int, str]:
        """Exit code and output of a Snakemake of its own."""
        done = subprocess.run(**self.process(*arguments), stdout=subprocess.PIPE, text=True, timeout=1800)
        return done.returncode, done.stdout

    def run(self, *arguments: str) -> str:
        """The output of a run that succeeds."""
        code, out = self.snakemake(*arguments)
        assert code == 0, out[-3000:]
        return out

    def dry_run(self, *arguments: str) -> tuple[int, str]:
        """Exit code and output of a dry run."""
        if self.planner is None:
            return self.snakemake("--dry-run", *arguments)
        self.planner.stdin.write(json.dumps(self.arguments("--dry-run", *arguments)) + "\n")
        self.planner.stdin.flush()
        return tuple(json.loads(self.planner.stdout.readline()))

    def jobs(self, *arguments: str) -> set[tuple[str, str]]:
        """(rule, wildcards) of the jobs that a run would start now."""
        code, out = self.dry_run(*arguments)
        assert code == 0, out
        found = re.findall(r"^Job \d+: ([a-z_]+)(?: (\w+=.*)| )?$", out, re.M)  # STEP of workflow/rules/common.smk
        return {job for job in found if job[0] != "all"}

    @contextmanager
    def altered(self, name: str) -> Iterator[Path]:
        """A file or folder that may be edited or deleted inside; then it is as before, times included."""
        path, before = self.folder / name, self.changes.with_name("before")
        path.rename(before)
        try:
            shutil.copytree(before, path) if before.is_dir() else shutil.copy2(before, path)
            yield path
        finally:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            before.rename(path)


def rules(jobs):
    """The rules of some jobs, see Project.jobs()."""
    return {rule for rule, _ in jobs}


def models(jobs):
    """Rule -> the models that it runs for."""
    found = defaultdict(set)
    for rule, wildcards in jobs:
        for name, value in (part.split("=") for part in wildcards.split(",") if part):
            if name in ("model", "measured"):
                found[rule].add(value)
    return found
