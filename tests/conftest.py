"""Fixtures that several test files use."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

import rssr.models.basicsr_import  # noqa: F401, before any test imports basicsr

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

# The same examples at every run; `pytest --hypothesis-profile=default` draws others.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002, third-party code draws from it


@pytest.fixture(scope="session")
def shared() -> Path:
    """The oracles that lie beside the checkout on the machines of the project's developers."""
    if not SHARED.exists():
        pytest.skip("the folder with the oracles is not beside this checkout")
    return SHARED


class Project:
    """A copy of the project with its own results, run by its own Snakemake processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "config/test.yaml", *arguments]

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )

    def jobs(self, *arguments: str) -> set[tuple[str, str]]:
        """(rule, wildcards) of the jobs that a run would start now."""
        result = self.snakemake("--dry-run", *arguments)
        assert result.returncode == 0, result.stdout
        jobs, rule = set(), None
        for line in result.stdout.splitlines():
            if line.startswith(("rule ", "localrule ")):
                rule = line.split()[1].rstrip(":")
                jobs.add((rule, ""))
            elif line.startswith("    wildcards: "):
                jobs.remove((rule, ""))
                jobs.add((rule, line.removeprefix("    wildcards: ")))
        return {job for job in jobs if job[0] != "all"}

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A project in which the whole DAG of config/test.yaml has run; not to be changed."""
    folder = tmp_path_factory.mktemp("finished") / "project"
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in names:
        if (ROOT / name).exists() and not name.startswith(("results/reference/default/", "tests/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    result = Project(folder).snakemake()
    assert result.returncode == 0, result.stdout[-3000:]
    return folder


@pytest.fixture
def project(finished, tmp_path) -> Project:
    """A fresh copy of the finished project, times included, so that Snakemake sees it as finished."""
    shutil.copytree(finished, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")
