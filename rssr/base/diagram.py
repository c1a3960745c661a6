"""A network as rows of boxes: what steps/architecture.py finds and render/figures/architecture.py draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Box:
    """A part of a level.

    Attributes:
        text: what it is, in lines.
        kind: a map of features, an operator of long or of short range, another, or a sum or product of two.
    """

    text: str
    kind: Literal["map", "long", "short", "other", "sum"]


@dataclass(frozen=True)
class Skip:
    """An arrow around boxes.

    Attributes:
        start: index of the box that it leaves.
        end: index of the box that it reaches.
        above: whether it is drawn above the boxes, not below them.
    """

    start: int
    end: int
    above: bool = True


@dataclass(frozen=True)
class Level:
    """A level of a network as a row of boxes.

    Attributes:
        title: what it is.
        parameters: how many it has.
        boxes: from left to right, each with an arrow to the next.
        skips: arrows around boxes.
        unlinked: indices of boxes that have no arrow to the next.
    """

    title: str
    parameters: int
    boxes: Sequence[Box]
    skips: Sequence[Skip] = ()
    unlinked: Sequence[int] = ()


@dataclass(frozen=True)
class Diagram:
    """A network.

    Attributes:
        levels: from the whole to the smallest block.
        orders: the orders that its ViL blocks read maps in.
    """

    levels: Sequence[Level]
    orders: Sequence[str] = ()
