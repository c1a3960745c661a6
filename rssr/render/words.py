"""Numbers and lists in words, for captions, notes and pages."""

from collections.abc import Sequence


def counted(number: int, thing: str) -> str:
    """A number of things, as in "1 image" and "2 images"."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def joined(names: Sequence[str]) -> str:
    """At least two names, as in "A, B and C"."""
    return f"{', '.join(names[:-1])} and {names[-1]}"
