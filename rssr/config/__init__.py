"""The configuration: what may stand in it, what each key means, and errors that name the key."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from rssr.base.block import sentence
from rssr.base.errors import UserError
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
        raise UserError(f"{origin}: {sentence(error, Config)}") from None
