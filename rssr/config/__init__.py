"""The configuration: what may stand in it, what each key means, and errors that name the key."""

import re
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import ValidationError

from rssr.base.errors import UserError, nearest
from rssr.config.block import Block
from rssr.config.whole import Config

__all__ = ["Config", "load", "validate"]


def load(*paths: str | Path) -> Config:
    """Read and validate a configuration file, or several, later ones over earlier ones as Snakemake merges them.

    UserError names the files and the key that is wrong.
    """
    content: Any = {}
    for path in paths:
        content = _merged(content, _read(path))
    return validate(content, ", ".join(map(str, paths)))


def _merged(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return old | {key: _merged(old.get(key), value) for key, value in new.items()}


def _read(path: str | Path) -> Any:
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from None


def validate(content: Any, origin: str) -> Config:
    """Validate a configuration that has been read; `origin` names it in errors."""
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{origin}: {_sentence(error)}") from None


def _sentence(error: ValidationError) -> str:
    """The first error as a sentence; an unknown key first, because the others often follow from it."""
    errors = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"] if "[" not in str(part))  # not "[key]", nor a union's branch
    if first["type"] == "extra_forbidden":
        *parents, key = (str(part) for part in first["loc"])
        return f"unknown key '{where}'{nearest(key, list(_block_at(parents).model_fields))}"
    if first["type"] == "literal_error":
        valid = re.findall(r"'(\w+)'", first["ctx"]["expected"]) or [first["ctx"]["expected"]]
        return f"'{where}': {first['input']!r} is unknown{nearest(str(first['input']), valid)}"
    message = first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    found = "" if first["type"] in ("missing", "value_error") else f", not {first['input']!r}"
    return f"'{where}': {message}{found}" if where else message


def _block_at(parents: list[str]) -> type[Block]:
    """The block that a path of keys leads to."""
    block: Any = Config
    for key in parents:
        if get_origin(block) in (dict, tuple):
            block = get_args(block)[1 if get_origin(block) is dict else 0]
        else:
            block = block.model_fields[key].annotation
        if type(None) in get_args(block):  # an optional block
            block = get_args(block)[0]
    return block
