"""Lock files, pyproject.toml and environment.yml tell of one environment."""

import importlib.metadata
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from rssr.base import ROOT

LOCKS = ("requirements.lock", "requirements-source.lock")


def pins():
    lines = [line for name in LOCKS for line in (ROOT / name).read_text().splitlines()]
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(r.name): r for r in requirements}


def exact(requirement):
    (specifier,) = requirement.specifier
    assert specifier.operator == "==", requirement
    return specifier.version


def test_every_line_is_an_exact_pin():
    assert len(pins()) > 100
    for requirement in pins().values():
        assert exact(requirement)


def test_pyproject_is_satisfied_by_the_pins():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(exact(pins()[canonicalize_name(requirement.name)])), requirement


def test_conda_environment_agrees():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    assert pip == {"pip": [f"-r {name}" for name in LOCKS]}
    names = {"pytorch": "torch"}
    pinned = dict(line.split("=") for line in conda if "=" in line)
    assert pinned.pop("python") == "3.11"
    assert {"pytorch", "torchvision", "numpy"} <= set(pinned)
    for name, version in pinned.items():
        assert exact(pins()[names.get(name, name)]) == version


def test_installed_packages_are_the_pinned_ones():
    if not (ROOT / ".venv/installed").exists() or not sys.prefix.startswith(str(ROOT)):
        pytest.skip("this interpreter is not the one that the Makefile sets up")
    for name, requirement in pins().items():
        if requirement.marker is None or Marker(str(requirement.marker)).evaluate():
            assert importlib.metadata.version(name).split("+")[0] == exact(requirement)


def test_headless_opencv_only():
    assert "opencv-python-headless" in pins() and "opencv-python" not in pins()


def test_no_room_shadows_an_installed_package():
    """A package called `datasets` at the top would be imported instead of Hugging Face's."""
    for room in ("datasets", "models", "metrics"):
        assert not (ROOT / room / "__init__.py").exists()
    ours = "rssr.datasets.degrade, rssr.models.registry, rssr.metrics.fidelity"
    code = f"import datasets; datasets.load_dataset; import {ours}"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("module", ["rssr.config", "rssr.plan.plan", "rssr.plan.jobs", "rssr.plan.targets"])
def test_the_configuration_is_read_without_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules or 'pyiqa' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
