"""The configuration: what may stand in it, what each key means, and errors that name the key."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rssr.base.block import sentence
from rssr.base.errors import UserError
from rssr.config.reader import read
from rssr.config.whole import Config

__all__ = ["Config", "load", "read", "validate"]


def load(*paths: str | Path) -> Config:
    """Read and validate a configuration file, or several, see reader.read().

    UserError names the files and the key that is wrong.
    """
    config = validate(read(*paths), ", ".join(map(str, paths)))
    config._files = tuple(Path(path).resolve() for path in paths)
    return config


def validate(content: Any, origin: str) -> Config:
    """Validate a configuration that has been read; `origin` names it in errors."""
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{origin}: {sentence(error, Config)}") from None
