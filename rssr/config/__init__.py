"""The configuration: what may stand in it, what each key means, and errors that name the key."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rssr.base.block import error_of, sentence
from rssr.base.errors import UserError
from rssr.config.reader import origin_of, read, unquoted
from rssr.config.whole import Config

__all__ = ["Config", "load", "read", "unquoted", "validate"]


def load(*paths: str | Path) -> Config:
    """Read and validate a configuration file, or several, see reader.read().

    UserError names the file and the key that is wrong.
    """
    config = validate(read(*paths), paths)
    config._files = tuple(Path(path).resolve() for path in paths)
    return config


def validate(content: Any, origin: str | Sequence[str | Path | Mapping[str, Any]]) -> Config:
    """Validate a configuration that has been read.

    Args:
        content: the configuration.
        origin: what errors call it, or the files that it was read from; what `--config` gave stands for itself.
    """
    try:
        config = Config.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{origin_of(error_of(error)['loc'], origin)}: {sentence(error, Config)}") from None
    config._origin = origin
    return config
