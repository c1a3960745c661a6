"""What a user can mend: errors that are shown as one sentence, without a traceback."""

import difflib
import errno
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable

PARENT = "RSSR_SNAKEMAKE_PID"  # the Snakemake process that a script works for; unset where a script runs by hand


class UserError(Exception):
    """Bad input or a machine's limit.

    Args:
        problem: what is wrong: the file or key, what was found and what was expected.
        remedy: what to do, where the problem does not say it.
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


def run(main: Callable[[], None]) -> None:
    """Run a script's main(); a UserError becomes one line on stderr and exit code 1, as does a full disk."""
    if PARENT in os.environ:
        threading.Thread(target=_end_with, args=(int(os.environ[PARENT]),), daemon=True).start()
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.exit(f"error: no space left on the disk while writing {error.filename}: free some and run again")
    except KeyboardInterrupt:
        sys.exit("interrupted: run the same command again to go on")


def _end_with(parent: int) -> None:
    """End this process soon after Snakemake was killed, so that it does not work beside the run that comes next."""
    while True:
        try:
            os.kill(parent, 0)
        except ProcessLookupError:
            os._exit(1)
        except PermissionError:
            pass  # alive, and another user's
        time.sleep(0.5)
