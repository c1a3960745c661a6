"""The one reader of YAML files: UTF-8 or UTF-16, numbers as YAML 1.2 has them, no key twice; several files as one."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from rssr.base.errors import UserError

_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # as Windows writes "Unicode"
_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_MOST = 1_000_000  # values of a file, each alias counted as what it stands for


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, strict, and with the numbers of YAML 1.2: 1e-3 is one, 010 is ten, 1:30 is a text."""

    yaml_implicit_resolvers = {  # noqa: RUF012, as PyYAML names it
        first: [(tag, pattern) for tag, pattern in known if tag not in (_INT, _FLOAT)]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_scalar(self, node: yaml.ScalarNode) -> Any:
        """As PyYAML; what JSON writes as two escapes, such as an emoji, is one character."""
        try:
            return super().construct_scalar(node).encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            line = node.start_mark.line + 1
            raise UserError(f"half of a character is escaped in line {line}", "write the character") from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        lines: dict[str, int] = {}
        for key_node in (key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"):
            key, line = str(self.construct_object(key_node, deep=True)), key_node.start_mark.line + 1
            if key in lines:
                raise UserError(f"the key '{key}' is given twice, in lines {lines[key]} and {line}", "keep one of them")
            lines[key] = line
        return super().construct_mapping(node, deep)


_DIGITS = list("-+0123456789")
_Loader.add_implicit_resolver(_INT, re.compile(r"^[-+]?[0-9][0-9_]*$|^0x[0-9a-fA-F]+$|^0o[0-7]+$|^0b[01]+$"), _DIGITS)
_Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(
        r"^[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$"
    ),
    [*_DIGITS, "."],
)
_Loader.add_constructor(_INT, lambda _, node: int(node.value, 0 if node.value[1:2] in ("x", "o", "b") else 10))


def read(*paths: str | Path, over: Mapping[str, Any] = MappingProxyType({})) -> Any:
    """The content of a file, or of several merged key by key, later ones over earlier ones.

    In a later file `null` removes an entry of an earlier one.

    Args:
        paths: the files.
        over: what is merged over them, such as Snakemake's `--config`.

    Raises:
        UserError: for a file that cannot be read, is no YAML or has a key twice.
    """
    content: Any = {}
    for path in paths:
        found = _parsed(path)
        content = _merged(content, {} if found is None else found)
    return _merged(content, dict(over)) if over else content


def _merged(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    removed = {key for key, value in new.items() if value is None and isinstance(old.get(key), dict | list)}
    merged = old | {key: _merged(old.get(key), value) for key, value in new.items()}
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
        return None if root is None else loader.construct_document(root)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except yaml.MarkedYAMLError as error:
        where = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{path} is not YAML: {error.problem}{where}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from None


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node stands for; a node that contains itself stands for too many."""
    if id(node) not in known:
        known[id(node)] = _MOST + 1  # while it is counted
        inner = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        known[id(node)] = 1 + (sum(_size(part, known) for part in inner) if not isinstance(inner, str) else 0)
    return known[id(node)]
