"""Errors that a user can put right: shown as one sentence, without a traceback."""

import difflib
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

_INSTALLED = (
    "<",
    "built-in",
    "frozen",
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
)


class UserError(Exception):
    """Bad input or a machine's limit.

    Args:
        problem: what is wrong: the file or key, what was found and what was expected.
        remedy: what to do, unless the problem says it.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        said = f"{problem}: {remedy}" if remedy else problem
        super().__init__(said.replace("\n", "\\n"))  # as of a name with a line break: one line, whatever it names
        self.problem = problem
        self.remedy = remedy


def nearest(name: str, valid: Iterable[str]) -> str:
    """The end of an error about an unknown name: the nearest valid one, or all of them."""
    valid = sorted(valid)
    if not valid:
        return ", but there is none"
    spelled = {each.lower().replace("-", "_"): each for each in valid}  # as a label may be
    close = difflib.get_close_matches(name.lower().replace("-", "_"), spelled, 1)
    return f", did you mean '{spelled[close[0]]}'?" if close else f"; valid are: {', '.join(valid)}"


@contextmanager
def about(where: str | Callable[[], str]) -> Iterator[None]:
    """Put where it happened before a UserError of the block: the entry, the image, or what a function says then."""
    try:
        yield
    except UserError as error:
        place = where() if callable(where) else where
        raise UserError(f"{place}: {error.problem}", error.remedy) from error.__cause__


def is_own(file: str) -> bool:
    """Whether a file of code is this project's or its user's, not that of Python or an installed package."""
    return not file.startswith(_INSTALLED)


def in_words(error: BaseException) -> str:
    """An exception of a user's code on one line: type, message, and the file and line that it comes from.

    The line is the last one outside of installed packages, or inside one if the class itself is installed; none if the
    class was not even entered, as with a wrong argument, or Python did not find it.
    """
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first is the caller
    not_found = frames and frames[-1].filename.startswith("<frozen")  # what imports modules
    own = [frame for frame in frames if is_own(frame.filename)] or ([] if not_found else frames)
    said = " ".join(str(error).split())
    said = f"{type(error).__name__}: {said[:300]}" if said else type(error).__name__
    return f"{said}; {own[-1].filename}, line {own[-1].lineno}" if own else said
