"""Which of the project's modules a script uses: Snakemake watches files, not imports."""

import ast
import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_ROOMS = ("datasets", "models", "metrics")


def module_path(module: str, root: Path = ROOT) -> Path | None:
    """The file of a module of this project (or of the user's own, at the root), None for anyone else's."""
    parts = module.split(".")
    if parts[0] == "rssr" and len(parts) > 1 and parts[1] in _ROOMS:
        parts = parts[1:]
    stem = root.joinpath(*parts)
    for candidate in (stem.with_suffix(".py"), stem / "__init__.py"):
        if candidate.exists():
            return candidate
    return None


@cache
def used_files(path: Path) -> frozenset[Path]:
    """The project's files that a file imports, directly or not, itself included; found without running any."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting += [file for name in _imports(current) if (file := module_path(name))]
    return frozenset(found)


def _imports(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def digest(paths: frozenset[Path]) -> str:
    """One checksum over the contents of files."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(path.read_bytes())
    return total.hexdigest()
