"""The files that results of a user's class depend on, however it imports them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from runs import rssr

from rssr.base import ROOT
from rssr.plan import dependencies
from rssr.plan.dependencies import code, own_code

# What a module nets/net.py says that uses vendor/blocks.py beside the package.
WAYS = {
    "os.path": "import os, sys\n"
    "sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'vendor'))\nimport blocks",
    "pathlib": "from pathlib import Path\nHERE = Path(__file__).resolve().parents[1]\nif True:\n"
    "    sys.path += [str(HERE / 'vendor')]\nimport blocks",
    "another module's": "from . import paths\nimport blocks",
    "in a function": "def make():\n"
    "    sys.path.append(f'{os.path.dirname(__file__)}/../vendor')\n    from blocks import Net",
    "by a text": "import importlib\nNet = importlib.import_module('vendor.blocks').Net",
    "of the package, by a text": "from importlib import import_module\nNet = import_module('.blocks', __package__).Net",
}


@pytest.fixture
def nets(tmp_path, monkeypatch):
    """A package `nets`, and a folder `vendor` beside it that is no package."""
    for name in ("nets/paths.py", "nets/blocks.py", "vendor/blocks.py", "vendor/parts.py", "vendor/other.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "nets/paths.py").write_text(
        "import os, sys\nsys.path.append(os.path.abspath(__file__ + '/../../vendor'))"
    )
    (tmp_path / "vendor/blocks.py").write_text("import parts, numpy, no_such_module\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    yield tmp_path / "nets"
    dependencies._elsewhere.cache_clear()


def tracked(module):
    return {"/".join(Path(path).parts[-2:]) for path in own_code(module)}


@pytest.mark.parametrize("way", WAYS)
def test_modules_are_tracked_however_they_are_imported(nets, way):
    (nets / "net.py").write_text(WAYS[way])
    expected = {"nets/net.py", "vendor/blocks.py", "vendor/parts.py"}
    if way == "another module's":
        expected |= {"nets/paths.py"}
    if way == "by a text":
        expected -= {"vendor/parts.py"}  # nothing says where it lies
    if way == "of the package, by a text":
        expected = {"nets/net.py", "nets/blocks.py"}
    assert tracked("nets.net") == expected


@pytest.mark.parametrize(
    "folder", ["unknown()", "os.environ['NETS']", "5", "Path('x').mkdir()", "os.system('touch x')"]
)
def test_a_folder_that_only_running_tells_is_left_out_and_nothing_runs(nets, folder, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (nets / "net.py").write_text(f"sys.path.append({folder})\nimport blocks\n")
    assert tracked("nets.net") == {"nets/net.py"} and not (tmp_path / "x").exists()


def test_modules_of_an_editable_install_are_tracked(nets, monkeypatch):
    """Its folder is in sys.path, not in PYTHONPATH."""
    monkeypatch.delenv("PYTHONPATH")
    monkeypatch.setattr(sys, "path", [*sys.path, str(nets.parent)])
    dependencies._elsewhere.cache_clear()
    (nets / "__init__.py").touch()
    (nets / "net.py").write_text("from .blocks import Net\nfrom nets import paths\n")
    assert tracked("nets.net") == {"nets/__init__.py", "nets/net.py", "nets/blocks.py", "nets/paths.py"}


def test_the_suites_own_files_are_found_as_before():
    files = code("upscale_images", "rssr.models.hsenet")
    assert {"models/hsenet.py", "rssr/base/files.py", "workflow/scripts/upscale_images.py"} <= {
        str(Path(file).absolute().relative_to(ROOT)) for file in files
    }
    assert "models/ttst/network.py" not in files


def test_plan_finds_no_module_that_the_jobs_of_a_run_do_not_find(tmp_path, monkeypatch):
    """A class beside the configuration, in another folder than the checkout: `python -m` would look there first."""
    (tmp_path / "nearby_net.py").write_text("from torch import nn\n\n\nclass Net(nn.Upsample):\n    pass\n")
    entry = "{label: N, arch: 'nearby_net:Net', args: {scale_factor: 4}, weightless: true}"
    (tmp_path / "c.yaml").write_text(f"datasets: {{s: {{label: S, module: synthetic}}}}\nmodels: {{n: {entry}}}\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])  # as `python -m` has it
    refused = rssr("plan", "--configfile", "c.yaml", cwd=tmp_path)
    assert "there is no module nearby_net: install the package, put its folder in PYTHONPATH" in refused.stderr
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path), *sys.path])  # it is in PYTHONPATH as well
    planned = rssr("plan", "--configfile", "c.yaml", cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr


def test_relative_folders_of_pythonpath_hold_in_a_run_elsewhere(tmp_path):
    """As typed: with --directory, jobs run in another folder than the one that the user is in."""
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets/far_net.py").write_text("from torch import nn\n\n\nclass Net(nn.Upsample):\n    pass\n")
    told = "from rssr.plan.dependencies import python_path; import os; os.chdir('/'); print(*python_path(), sep='|')"
    for pwd in (tmp_path, "/usr"):  # the second is that of a program that started it elsewhere
        environment = os.environ | {"PYTHONPATH": f"nets:/absolute:{ROOT}:", "PWD": str(pwd)}
        done = subprocess.run(
            [sys.executable, "-c", told], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        nets = tmp_path / "nets" if pwd == tmp_path else "nets"
        assert done.stdout.strip().split("|") == [str(nets), "/absolute", str(ROOT)]
