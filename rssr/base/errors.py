"""Errors that a user can put right: shown as one sentence, without a traceback."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input or a machine's limit.

    Args:
        problem: what is wrong: the file or key, what was found and what was expected.
        remedy: what to do, unless the problem says it.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem}: {remedy}" if remedy else problem)
        self.problem = problem
        self.remedy = remedy


def nearest(name: str, valid: Iterable[str]) -> str:
    """The end of an error about an unknown name: the nearest valid one, or all of them."""
    valid = sorted(valid)
    close = difflib.get_close_matches(name, valid, 1)
    return f", did you mean '{close[0]}'?" if close else f"; valid are: {', '.join(valid)}"
