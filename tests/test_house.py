"""The house: imports between rooms point one way, files stay small, names are taken apart in one place."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from rssr.base import ROOT
from rssr.plan.dependencies import imports

ROOMS = ("base", "config", "plan", "steps", "render", "datasets", "models", "metrics", "scripts")
# A room -> the rooms that it may use; itself not named.
ARROWS = {
    "base": set(),
    "datasets": {"base"},
    "models": {"base"},
    "metrics": {"base"},
    "config": {"base", "datasets", "models", "metrics"},
    "plan": {"base", "config", "datasets", "models", "metrics"},
    "steps": {"base", "config", "plan", "datasets", "models", "metrics"},
    "render": {"base", "config", "plan", "metrics"},
    "scripts": {"base", "config", "plan", "steps", "render", "datasets", "models", "metrics"},
}
# Of datasets, models and metrics these read what exists by name, never how it works.
NAMES_ONLY = {
    "config": {
        "rssr.datasets.degradations",
        "rssr.datasets.registry",
        "rssr.models.entry",
        "rssr.models.names",
        "rssr.metrics.registry",
    },
    "plan": {
        "rssr.datasets.card",
        "rssr.datasets.degradations",
        "rssr.datasets.registry",
        "rssr.models.entry",
        "rssr.models.names",
        "rssr.metrics.registry",
    },
    # Cards of metrics, and pure functions of scores.
    "render": {
        "rssr.metrics.bootstrap",
        "rssr.metrics.fidelity",
        "rssr.metrics.samples",
        "rssr.metrics.protocol",
        "rssr.metrics.registry",
        "rssr.metrics.statistics",
    },
}


def files_of(room: str) -> list[Path]:
    if room == "scripts":
        return sorted((ROOT / "workflow/scripts").glob("*.py"))
    folder = ROOT / room if room in ("datasets", "models", "metrics") else ROOT / "rssr" / room
    return sorted(folder.rglob("*.py"))


def modules_of(path: Path) -> set[str]:
    """The modules of this project that a file imports, as far as they are modules."""
    return {name for name in imports(path) if name.startswith("rssr.")}


def room_of(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_one_way(room):
    for path in files_of(room):
        used = {room_of(module) for module in modules_of(path)} & set(ROOMS)
        assert used - {room} <= ARROWS[room], f"{path}: {used - {room} - ARROWS[room]}"


def test_the_arrows_form_no_cycle():
    assert list(TopologicalSorter(ARROWS).static_order())[0] == "base"


def test_no_modules_import_each_other():
    graph = {}
    for room in ROOMS[:-1]:
        for path in files_of(room):
            inside = path.relative_to(ROOT / "rssr" if (ROOT / "rssr") in path.parents else ROOT).with_suffix("")
            name = ".".join(("rssr", *inside.parts)).removesuffix(".__init__")
            graph[name] = modules_of(path)
    graph = {name: {other for other in used if other in graph and other != name} for name, used in graph.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the modules


@pytest.mark.parametrize("room", NAMES_ONLY)
def test_names_only(room):
    outside = {"datasets", "models", "metrics"}
    for path in files_of(room):
        used = {module for module in modules_of(path) if room_of(module) in outside}
        known = {name for module in used for name in NAMES_ONLY[room] if f"{module}.".startswith(f"{name}.")}
        assert all(any(f"{module}.".startswith(f"{name}.") for name in known) for module in used), f"{path}: {used}"


def test_files_and_functions_stay_small():
    for folder in ("rssr", "datasets", "models", "metrics", "tests", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert text.count("\n") <= 300, f"{path} is longer"
            for node in ast.walk(ast.parse(text)) if folder == "rssr" else ():
                if isinstance(node, ast.FunctionDef):
                    assert node.end_lineno - node.lineno < 60, f"{path}: {node.name}"
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 200, path
    for path in files_of("scripts"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 40, path


def test_names_are_taken_apart_in_one_place():
    """Paths and stems of results/ are parsed by plan/artifacts.py alone."""
    suspicious = re.compile(
        r"\.stem\.(split|partition|rpartition|removeprefix|removesuffix|replace)|\.rpartition\(|re\.\w+\(.*stem"
    )
    for room in ("plan", "steps", "render", "scripts"):
        for path in files_of(room):
            if path.name != "artifacts.py":
                found = suspicious.search(path.read_text(encoding="utf-8"))
                assert found is None, f"{path}: {found[0]}"
