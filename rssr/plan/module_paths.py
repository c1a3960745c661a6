"""The folders that a module adds to sys.path and the modules that it imports by a text, found without running it."""

import ast
import os.path
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any


class _Place(PurePosixPath):
    """A path that can be joined and taken apart, and nothing else: what reads or writes is missing."""

    def resolve(self, *_: Any) -> "_Place":
        return type(self)(os.path.realpath(self))

    absolute = expanduser = resolve

    @classmethod
    def cwd(cls) -> "_Place":
        return cls(Path.cwd())


_PURE = {name: getattr(os.path, name) for name in ("join", "dirname", "abspath", "realpath", "normpath", "expanduser")}
_OS = {"path": SimpleNamespace(**_PURE, pardir=os.pardir), "pardir": os.pardir, "sep": os.sep, "getcwd": os.getcwd}
# What modules call these by; whatever else a text needs leaves its folder unknown.
_NAMES = {"os": SimpleNamespace(**_OS), "osp": _OS["path"], "str": str, "Path": _Place, "__builtins__": {}}
_NAMES |= {"pathlib": SimpleNamespace(Path=_Place), "getcwd": os.getcwd, **_PURE}
_ADDING = {"sys.path.append", "sys.path.insert", "sys.path.extend", "site.addsitedir"}


def added_folders(statements: Iterable[ast.AST], path: Path) -> list[Path]:
    """The folders that statements of a file add to sys.path, as far as they follow from the file's own place."""
    known = _NAMES | {"__file__": str(path.absolute())}
    found: list[Any] = []
    for node in sorted(statements, key=lambda node: getattr(node, "lineno", 0)):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                known[name] = _value(value, known)
            case ast.Expr(value=ast.Call(func=func, args=[*_, value])) if ast.unparse(func) in _ADDING:
                found.append(_value(value, known))
            case ast.AugAssign(target=target, value=value) if ast.unparse(target) == "sys.path":
                found.append(_value(value, known))
    each = [part for value in found for part in (value if isinstance(value, list | tuple) else [value])]
    return [Path(part).absolute() for part in each if isinstance(part, str | PurePosixPath)]


def _value(expression: ast.expr, known: dict[str, Any]) -> Any:
    """The value of an expression of names that are known; None for any other.

    No more can be called than what is known here: no name with an underscore leads out of it.
    """
    names = {node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "") for node in ast.walk(expression)}
    if any(name.startswith("_") for name in names - {"__file__"}):
        return None
    try:
        return eval(compile(ast.Expression(expression), "sys.path", "eval"), dict(known))
    except Exception:
        return None


def imported_by_text(tree: ast.AST) -> Iterator[str]:
    """The texts that import_module() and __import__() are called with; of the own package with a dot."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr=called) | ast.Name(id=called), args=[ast.Constant(value=str(name)), *_]
            ):
                if called in ("import_module", "__import__") and name.strip("."):
                    yield name
