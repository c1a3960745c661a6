"""What all parts of the configuration share."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

from rssr.base.block import NAME, Block, OwnPath

__all__ = ["Block", "Label", "Name", "OwnPath"]

Name = Annotated[str, Field(pattern=NAME)]


def _one_line(text: str) -> str:
    """A text on one line, each letter in its composed form; ValueError for one that is empty or cannot be shown."""
    text = " ".join(unicodedata.normalize("NFC", text).split())
    if not text or any(unicodedata.category(character) in ("Cc", "Cs", "Co", "Cn") for character in text):
        raise ValueError("a text that can be shown on one line is expected, not empty, without control characters")
    return text


Label = Annotated[str, AfterValidator(_one_line)]
