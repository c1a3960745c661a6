"""Licences and vulnerabilities of the lock files, and the promises of SECURITY.md."""

import ast
import json
import re
import runpy
import sys

import pytest

from rssr.base import ROOT

SUPPLY = runpy.run_path(str(ROOT / "benchmarks/supply.py"))
BAD = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


def test_licences_are_what_packages_say():
    licence = SUPPLY["licence"]
    assert licence("pyiqa") == "PolyForm-Noncommercial-1.0.0" and licence("lpips") == "BSD License"
    assert licence("openai-clip") == "no licence stated" and licence("no-such-package") == "not installed here"


@pytest.mark.parametrize(
    ("said", "code", "line"),
    [
        ([{"name": "a", "version": "1", "vulns": []}], 0, "knows 0 vulnerabilities"),
        ([{"name": "a", "version": "1", "vulns": []}, BAD, UNKNOWN], 1, "b 2: PYSEC-1, fixed in 3"),
        ([{"name": "a", "version": "1", "vulns": []}, UNKNOWN], 2, "1 of 2 packages could not be checked: not found"),
        (None, 2, "not checked: pip-audit failed (no network)"),
    ],
)
def test_an_audit_ends_as_it_went(tmp_path, monkeypatch, capsys, said, code, line):
    """Also where pip-audit itself ends with 0 because it could look up nothing."""
    words = f"print('''{json.dumps({'dependencies': said})}''')" if said else "import sys; sys.exit('no network')"
    program = tmp_path / "pip-audit"
    program.write_text(f"#!{sys.executable}\n{words}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit) as end:
        SUPPLY["main"]()
    out = capsys.readouterr().out
    assert end.value.code == code and line in out and "no licence stated: conda-inject" in out


def test_every_promise_is_held_by_a_test_that_is_there():
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| **")]
    named = [re.findall(r"`(tests/\w+\.py)::(\w+)`", row) for row in rows]
    assert len(rows) >= 8 and all(named)
    for path, name in (pair for row in named for pair in row):
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert name in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)], f"{path}::{name}"
