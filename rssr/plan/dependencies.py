"""Which of the project's files a rule depends on: Snakemake watches files, not imports."""

import ast
import hashlib
import importlib.util
import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from rssr.base import ROOT
from rssr.base.errors import UserError, is_own
from rssr.plan.module_paths import added_folders, imported_by_text

_ROOMS = ("datasets", "models", "metrics")
_SUITE = tuple(ROOT / room for room in ("rssr", *_ROOMS, "workflow"))
_SCRIPTS = ROOT / "workflow" / "scripts"
# Registries. A new name changes no existing result, and the module behind a name is an input itself.
_NAMES = {ROOT / "models" / "names.py", *(ROOT / "datasets" / f"{name}.py" for name in ("registry", "degradations"))}


def script(name: str) -> str:
    """The script of a rule."""
    return os.path.relpath(_SCRIPTS / f"{name}.py")


def code(script_name: str, *modules: str) -> list[str]:
    """The project's files that a script imports, and those of the modules that it loads dynamically."""
    files = set(used_files(_SCRIPTS / f"{script_name}.py"))
    for module in modules:
        for path in module_files(module):
            files |= used_files(path)
    return sorted(os.path.relpath(file) for file in files - _NAMES)


def own_code(module: str) -> list[str]:
    """The files of a module that is the user's own, and of what it imports; none for the suite's and installed ones."""
    files = {path for file in module_files(module) for path in used_files(file)}
    return sorted(os.path.relpath(path) for path in files if not _is_the_suites(path))


def _is_the_suites(path: Path) -> bool:
    return any(path.is_relative_to(room) for room in _SUITE)


def data_set_module(module: str | None) -> str:
    """The module of a data set of the configuration, for code()."""
    return f"rssr.datasets.{module or 'folder'}"


def data_set_lists(module: str | None) -> list[str]:
    """The lists and checksums of a data set, which lie next to its module."""
    lists = (path for path in (ROOT / "datasets").glob(f"{module or 'folder'}[._]*") if path.suffix != ".py")
    return sorted(os.path.relpath(path) for path in lists)


def page_files() -> list[str]:
    """The template, style and scripts of the report's page."""
    folder = ROOT / "rssr" / "render" / "report"
    return sorted(os.path.relpath(path) for path in (folder / "page.html", *(folder / "assets").iterdir()))


def module_files(module: str, added: tuple[Path, ...] = ()) -> list[Path]:
    """The file of a module and the __init__.py of its packages; none for an installed module.

    Args:
        module: its dotted name.
        added: folders that modules add to sys.path; their order there is unknown, so what each of them has counts.
    """
    parts = module.split(".")
    if parts[0] == "rssr" and len(parts) > 1 and parts[1] in _ROOMS:
        parts = parts[1:]
    if not module:
        return []
    beside = [path for folder in added for path in _below(folder, parts)]
    places = itertools.chain(_roots(), _elsewhere(parts[0]))
    return beside + next(filter(None, (_below(folder, parts) for folder in places)), [])


def is_somewhere(module: str) -> bool:
    """Whether a module can be there: it has a file, or its package is installed; also if there is none to look for."""
    if not module or module_files(module):
        return True
    try:
        return importlib.util.find_spec(module.partition(".")[0]) is not None
    except (ImportError, ValueError, AttributeError):  # see _elsewhere()
        return True


def python_path() -> list[str]:
    """The folders of PYTHONPATH, relative ones as they were meant where Python was started, which is no longer here."""
    starts = (os.environ.get("PWD", ""), "")  # the second one holds where a program has started it elsewhere
    found = []
    for folder in filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)):
        meant = (os.path.abspath(os.path.join(start, folder)) for start in starts)  # noqa: PTH100, PTH118
        found.append(next((path for path in meant if path in sys.path), folder))
    return found


def _below(root: Path, parts: Sequence[str]) -> list[Path]:
    """The file of a module below a folder of sys.path, and the __init__.py of its packages."""
    stem = root.joinpath(*parts)
    if own := [path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.exists()]:
        packages = [root.joinpath(*parts[:i], "__init__.py") for i in range(1, len(parts))]
        return own[:1] + [path for path in packages if path.exists()]
    return []


def _roots() -> list[Path]:
    """Where modules of this repository and of users lie: its root, and folders of PYTHONPATH without installed ones."""
    folders = [Path(folder) for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    return [ROOT, *(folder for folder in folders if folder.name not in ("site-packages", "dist-packages"))]


@cache
def _elsewhere(package: str) -> list[Path]:
    """Where a package of the user's lies that Python finds in another way, as after `pip install -e`."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError, AttributeError):  # what a module in use says of itself may be anything
        return []
    places = [] if spec is None else spec.submodule_search_locations or [spec.origin or "<"]
    return [Path(place).absolute().parent for place in places if is_own(place)]


@cache
def used_files(path: Path) -> frozenset[Path]:
    """The project's files that a file imports, directly or not, itself included; found without running any."""
    added: tuple[Path, ...] = ()
    while True:  # until no file adds another folder to sys.path, which counts for all of them
        found: set[Path] = set()
        waiting = [path]
        while waiting:
            current = waiting.pop()
            if current not in found:
                found.add(current)
                waiting += _imported(current, added)
        more = tuple(sorted({folder for file in found for folder in _read(file)[2]}))
        if more == added:
            return frozenset(found)
        added = more


@cache  # a file is imported by many, and parsing and looking for files dominate planning time
def _imported(path: Path, added: tuple[Path, ...]) -> list[Path]:
    """The project's files that a file imports directly."""
    names, relative, _ = _read(path)
    files = [file for name in names for file in module_files(name, added)]
    return list(dict.fromkeys(files + [file for folder, name in relative for file in _below(folder, name.split("."))]))


def imports(path: Path) -> list[str]:
    """The modules, and names in modules, that a file imports by their whole names; see _read()."""
    return _read(path)[0]


@cache
def _read(path: Path) -> tuple[list[str], list[tuple[Path, str]], list[Path]]:
    """What a file imports, what it imports from a folder of its own package, and what it adds to sys.path.

    UserError for a file that Python cannot read.
    """
    source = path.read_bytes()
    try:
        tree = ast.parse(source)  # which may say how their letters are written, as Python reads them
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        where = f"{path}, line {error.lineno}" if getattr(error, "lineno", None) else path
        problem = getattr(error, "msg", str(error)) or "it is nested too deeply"
        raise UserError(f"{where}: {problem}", "correct the module") from None
    names, relative = [], []
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found = [
                *filter(None, [node.module]),
                *(".".join(filter(None, [node.module, alias.name])) for alias in node.names),
            ]
            if node.level:
                relative += [(path.parents[node.level - 1], name) for name in found]
            else:
                names += found
    if _is_the_suites(path):  # whose rules name what it imports by a text, see code()
        return names, relative, []
    for name in imported_by_text(tree):
        module = name.lstrip(".")
        if level := len(name) - len(module):
            relative.append((path.parents[level - 1], module))
        else:
            names.append(module)
    return names, relative, added_folders(_statements(tree), path)


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """The statements of a file, without the expressions in them, which ast.walk() spends most of its time on."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            waiting += getattr(node, part, [])


def digest(paths: Iterable[Path]) -> str:
    """One checksum over the contents of files."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(path.read_bytes())
    return total.hexdigest()
