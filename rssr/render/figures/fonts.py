"""Fonts for texts of any script: the figures' own font, and an installed one for what it lacks."""

from contextlib import suppress
from functools import cache

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, findSystemFonts, fontManager
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

_OWN = "DejaVu Sans"  # matplotlib brings it


def cover(text: str) -> tuple[list[str], str]:
    """The families that have the characters of a text, the figures' own first; and the characters that none has."""
    families, left = [_OWN], {character for character in text if not character.isspace()} - _characters(_OWN)
    while left:
        best = max(_others(), key=lambda name: len(left & _characters(name)), default=_OWN)
        if not left & _characters(best):
            break
        families.append(best)
        left -= _characters(best)
    return families, "".join(sorted(left))


@cache
def _others() -> list[str]:
    """The families of other installed fonts, also of those that matplotlib's list, which it keeps in HOME, lacks."""
    for path in set(findSystemFonts()) - {font.fname for font in fontManager.ttflist}:
        with suppress(OSError, RuntimeError):  # as below
            fontManager.addfont(path)
    # The font of last resort has a box for every character.
    return sorted({font.name for font in fontManager.ttflist if not font.name.startswith((_OWN, "Last Resort"))})


@cache
def _characters(family: str) -> frozenset[str]:
    try:
        return frozenset(map(chr, FT2Font(findfont(FontProperties(family=family))).get_charmap()))
    except (OSError, RuntimeError):  # a format that matplotlib does not draw
        return frozenset()


def use(figure: Figure) -> None:
    """Let all texts of a figure take what their font lacks from other fonts."""
    texts = figure.findobj(Text)
    families, _ = cover("".join(text.get_text() for text in texts))
    for text in texts if len(families) > 1 else []:
        text.set_fontfamily(families)
