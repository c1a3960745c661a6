"""Which of the project's modules a script uses: Snakemake watches files, not imports."""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from rssr.base import ROOT
from rssr.base.errors import UserError

_ROOMS = ("datasets", "models", "metrics")


def module_files(module: str) -> list[Path]:
    """The file of a module of this project (or of the user's own, at the root) and its packages' __init__.py.

    Empty for anyone else's module.
    """
    parts = module.split(".")
    if parts[0] == "rssr" and len(parts) > 1 and parts[1] in _ROOMS:
        parts = parts[1:]
    stem = ROOT.joinpath(*parts)
    own = [path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.exists()]
    if not own:
        return []
    packages = [ROOT.joinpath(*parts[:i], "__init__.py") for i in range(1, len(parts))]
    return own[:1] + [path for path in packages if path.exists()]


@cache
def used_files(path: Path) -> frozenset[Path]:
    """The project's files that a file imports, directly or not, itself included; found without running any."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting += [file for name in _imports(current) for file in module_files(name)]
    return frozenset(found)


def _imports(path: Path) -> list[str]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise UserError(f"{path}, line {error.lineno}: {error.msg}", "correct the module") from None
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = [node.module] if node.module else []
            if node.level:  # relative to the file's own package
                base = [*path.relative_to(ROOT).parts[: -node.level], *base]
            module = ".".join(base)
            names += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    return names


def digest(paths: Iterable[Path]) -> str:
    """One checksum over the contents of files."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(path.read_bytes())
    return total.hexdigest()
