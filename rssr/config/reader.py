"""The one reader of YAML files: UTF-8 or UTF-16, numbers as YAML 1.2 has them, no key twice; several files as one."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from rssr.base.block import Unquoted
from rssr.base.errors import UserError

_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # as Windows writes "Unicode"
_INT, _FLOAT, _TIME, _MERGE = (f"tag:yaml.org,2002:{name}" for name in ("int", "float", "timestamp", "merge"))
_PLAIN = {_INT, _FLOAT, *(f"tag:yaml.org,2002:{name}" for name in ("bool", "null"))}
_EMPTY = {"metrics": "{}", "degradations": "and its steps"}  # blocks whose entries may be left empty -> what adds one
_MOST = 1_000_000  # values of a file, each alias counted as what it stands for


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the numbers of YAML 1.2: 1e-3 is one, 010 is ten, 1:30 is a text, and so is a date."""

    yaml_implicit_resolvers = {  # noqa: RUF012, as PyYAML names it
        first: [(tag, pattern) for tag, pattern in known if tag not in (_INT, _FLOAT, _TIME)]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_scalar(self, node: yaml.ScalarNode) -> Any:
        """As PyYAML; what JSON writes as two escapes, such as an emoji, is one character."""
        try:
            return super().construct_scalar(node).encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            line = node.start_mark.line + 1
            raise UserError(f"half of a character is escaped in line {line}", "write the character") from None


_DIGITS = list("-+0123456789")
_Loader.add_implicit_resolver(
    _INT, re.compile(r"^[-+]?[0-9]+(_[0-9]+)*$|^0x[0-9a-fA-F]+$|^0o[0-7]+$|^0b[01]+$"), _DIGITS
)
_Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(
        r"^[-+]?(\.[0-9]+|[0-9]+(_[0-9]+)*(\.([0-9]+(_[0-9]+)*)?)?)([eE][-+]?[0-9]+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$"
    ),
    [*_DIGITS, "."],
)
_Loader.add_constructor(_INT, lambda _, node: int(node.value, 0 if node.value[1:2] in ("x", "o", "b") else 10))


def unquoted(given: Any) -> Any:
    """What Snakemake has read of `--config`, which takes what is inside of brackets for texts; null is null.

    Args:
        given: a value, a list or a mapping.

    Returns:
        The same, where texts that YAML reads as something else are Unquoted.
    """
    if isinstance(given, Mapping):
        return {key: unquoted(value) for key, value in given.items()}
    if isinstance(given, list):
        return [unquoted(value) for value in given]
    if not isinstance(given, str):
        return given
    loader = _Loader("")
    node = yaml.ScalarNode(loader.resolve(yaml.ScalarNode, given, (True, False)), given)
    if node.tag not in _PLAIN:
        return given
    text = Unquoted(given)
    text.read = loader.construct_document(node)
    return text if text.read is not None else None


def read(*paths: str | Path, over: Mapping[str, Any] = MappingProxyType({})) -> Any:
    """The content of a file, or of several merged key by key, later ones over earlier ones.

    In a later file `null` removes an entry of an earlier one.

    Args:
        paths: the files.
        over: what is merged over them, such as Snakemake's `--config`.

    Raises:
        UserError: for a file that cannot be read, is no YAML, has a key twice, or adds an entry by null.
    """
    content: Any = {}
    for path in paths:
        found = _parsed(path)
        content = _laid_over(content, {} if found is None else found, str(path))
    return _laid_over(content, dict(over), "--config") if over else content


def origin_of(keys: Sequence[Any], sources: str | Sequence[str | Path | Mapping[str, Any]]) -> str:
    """The last of the sources that have the most of the leading keys; all of them where none has the first.

    What is called by one name has that; what `--config` gave is a mapping.
    """
    if isinstance(sources, str):
        return sources

    def depth(content: Any) -> int:
        for count, key in enumerate(keys):
            try:
                content = content[key]
            except (IndexError, KeyError, TypeError):
                return count
        return len(keys)

    depths = [depth(source if isinstance(source, Mapping) else read(source)) for source in sources]
    most = max(depths, default=0)
    names = ["--config" if isinstance(source, Mapping) else str(source) for source in sources]
    found = [name for name, count in zip(names, depths, strict=True) if count == most]
    return found[-1] if most else ", ".join(names)


def _laid_over(old: Any, new: Any, source: str) -> Any:
    """A later source over earlier ones; UserError for what an entry left empty would add, where null removes."""
    for block, filled in _EMPTY.items():
        entries = [side.get(block) if isinstance(side, dict) else None for side in (old, new)]
        if all(isinstance(each, dict) for each in entries):
            for name in (name for name, value in entries[1].items() if value is None and name not in entries[0]):
                problem = f"{source}: {block}.{name} is null or left empty, and no earlier file has it to be removed"
                raise UserError(problem, f"write {name}: {filled} to add it, or leave it out")
    return _merged(old, new)


def _merged(old: Any, new: Any, in_args: bool = False) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    removed = {key for key, value in new.items() if value is None and key in old}
    # Where null is a value itself, it removes no more than an entry with entries of its own.
    removed -= {key for key in removed if (in_args or key == "sha256") and not isinstance(old[key], dict | list)}
    merged = old | {key: _merged(old.get(key), value, in_args or key == "args") for key, value in new.items()}
    return {key: value for key, value in merged.items() if key not in removed}


def _parsed(path: str | Path) -> Any:
    try:
        content = Path(path).read_bytes()
        text = content.decode(_MARKS.get(content[:2], "utf-8-sig"))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})", "correct its name or its permissions") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path} is not UTF-8 (byte 0x{content[error.start]:02x} in line {line})", "save it as UTF-8"
        ) from None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is not None and _size(root, {}) > _MOST:
            raise UserError(f"its aliases stand for more than {_MOST} values", "write it without")
        if root is not None:
            _check_keys(root, set())
        return None if root is None else loader.construct_document(root)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except yaml.MarkedYAMLError as error:
        where = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        problem = f"{error.context}, {error.problem}" if error.problem.startswith("but ") else error.problem
        raise UserError(f"{path} is not YAML: {problem}{where}", "correct that place or the line before") from None
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}", "correct the file") from None


def _inner(node: yaml.Node) -> list[yaml.Node]:
    """Keys and values, or entries; none of a scalar."""
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _check_keys(node: yaml.Node, seen: set[int]) -> None:
    """UserError for a key that a mapping has twice; before what `<<` merges becomes keys of the node too."""
    if id(node) in seen:
        return
    seen.add(id(node))
    lines: dict[str, int] = {}
    for key, _ in node.value if isinstance(node, yaml.MappingNode) else []:
        if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
            line = key.start_mark.line + 1
            if key.value in lines:
                where = f"in lines {lines[key.value]} and {line}"
                raise UserError(f"the key '{key.value}' is given twice, {where}", "keep one of them")
            lines[key.value] = line
    for part in _inner(node):
        _check_keys(part, seen)


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node stands for; a node that contains itself stands for too many."""
    if id(node) not in known:
        known[id(node)] = _MOST + 1  # while it is counted
        known[id(node)] = 1 + sum(_size(part, known) for part in _inner(node))
    return known[id(node)]
