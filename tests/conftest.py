"""Fixtures that several test files use."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from runs import Project

import rssr.models.basicsr_import  # noqa: F401, before any test imports basicsr

_DEFINED = re.compile(r"^def (\w+)\(([^)]*)\)", re.MULTILINE)
ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

# The same examples at every run; `pytest --hypothesis-profile=default` draws others.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")


# Several processes of pytest-xdist share the cores.
if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 0)):
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // workers))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Tests that need the finished run go to one process, so that it is made once; each other one to any."""
    from xdist.scheduler import LoadScopeScheduling

    defined = [found for path in (ROOT / "tests").glob("*.py") for found in _DEFINED.findall(path.read_text("utf-8"))]
    need, before = {"finished"}, set()
    while need != before:  # fixtures need it through each other
        before = need
        need = need | {name for name, arguments in defined if need & set(re.findall(r"\w+", arguments))}

    class ByFinishedRun(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            name = nodeid.split("::")[-1].split("[")[0]
            return "finished" if name in need else nodeid

    return ByFinishedRun(config, log)


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


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A project in which the whole DAG of config/test.yaml has run; not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in names:
        if (ROOT / name).exists() and not name.startswith(("results/reference/default/", "tests/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    Project(folder, folder).run()
    return folder


@pytest.fixture
def project(finished, tmp_path) -> Project:
    """A fresh copy of the finished project, times included, so that Snakemake sees it as finished."""
    shutil.copytree(finished, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project", tmp_path)


@pytest.fixture(scope="session")
def _planner(finished):
    command = [sys.executable, ROOT / "tests/planner.py"]
    with subprocess.Popen(command, cwd=finished, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()


@pytest.fixture
def planned(finished, _planner, tmp_path) -> Project:
    """The finished project itself, for dry runs only."""
    return Project(finished, tmp_path, _planner)
