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


@pytest.fixture(scope="session")
def rendered(tmp_path_factory) -> Path:
    """A folder with a fake run and its report; not to be changed."""
    from fake_report import write_fake_run

    folder = tmp_path_factory.mktemp("fake")
    write_fake_run(folder)
    return folder


@pytest.fixture
def fake(rendered, tmp_path, monkeypatch) -> Path:
    """A copy of the fake run, from which the test runs."""
    shutil.copytree(rendered, tmp_path / "fake")
    monkeypatch.chdir(tmp_path / "fake")
    return tmp_path / "fake"


@pytest.fixture(scope="module")
def browser():
    """Chromium, without a window."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        pytest.skip(f"none of {', '.join(names)} is installed")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, rendered):
    """A function that opens the report; in the end nothing was complained of and nothing was asked for outside it."""
    folder, complaints, contexts = rendered / "results/report", [], []

    def open_page(width: int = 1024, theme: str = "light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
        inside = (folder.as_uri(), "data:")
        page.on(
            "request", lambda request: request.url.startswith(inside) or complaints.append(f"outside: {request.url}")
        )
        page.goto((folder / "index.html").as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def images(tmp_path) -> Path:
    """Prepared images to train on."""
    from small_training import three_images

    return three_images(tmp_path)
