"""The recipes of CONTRIBUTING.md, run exactly as printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rssr.base import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?:^`(?P<path>[^`\n]+)`\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


def follow(section, folder):
    """Write the files and run the commands of a section, in its order; the output of the last command."""
    body = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)[1]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)
    out = ""
    for block in BLOCK.finditer(body):
        if block["path"]:
            path = folder / block["path"]
            path.parent.mkdir(exist_ok=True)
            path.write_text(block["text"])
            continue
        assert block["kind"] == "bash"
        command = ["bash", "-e", "-c", block["text"]]
        result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
        assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
        out = result.stdout
    return out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("section", "shown"),
    [("A model", r"\| Tiny +\|"), ("A data set", "My images, x4"), ("A metric", r"MAE: mean absolute error.*MAE ↓")],
)
def test_recipe_works_as_printed(project, section, shown):
    table = follow(section, project.folder)
    assert re.search(shown, table, re.DOTALL), table
