"""What all parts of the configuration share."""

from typing import Annotated

from pydantic import Field

from rssr.base.block import NAME, Block

__all__ = ["Block", "Name"]

Name = Annotated[str, Field(pattern=NAME)]
