"""What all parts of the configuration share."""

from typing import Annotated

from pydantic import Field

from rssr.base.block import Block

__all__ = ["Block", "Name"]

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$")]
