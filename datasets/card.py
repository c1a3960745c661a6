"""What every data set says of itself, and what it offers to the rules."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Card:
    """The facts of a data set; they stand in the provenance of its prepared images.

    Attributes:
        licence: licence and terms of the images.
        citation: where the images come from.
        page: a page for humans.
        gsd_m: ground sampling distance in metres, as text where it varies.
        tile: HR tile side in pixels, or None for whole images.
    """

    licence: str
    citation: str
    page: str
    gsd_m: str
    tile: int | None


@dataclass(frozen=True)
class DataSet:
    """A data set that the rules can get and prepare.

    Attributes:
        card: its facts.
        splits: split -> names of its source images, in order, known before anything is fetched.
        fetch: gets the source images into a folder, checked; called again, it gets only what is missing.
        find: (folder, source) -> the path of a source image in that folder.
    """

    card: Card
    splits: Mapping[str, tuple[str, ...]]
    fetch: Callable[[Path], None]
    find: Callable[[Path, str], Path]
