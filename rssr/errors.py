"""What a user can mend: errors that are shown as one sentence, without a traceback."""

import sys
from collections.abc import Callable


class UserError(Exception):
    """Bad input or a machine's limit: the message names the file or key, what was expected and what to do."""


def run(main: Callable[[], None]) -> None:
    """Run a script's main(); a UserError becomes one line on stderr and exit code 1, as does a full disk."""
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno != 28:  # ENOSPC
            raise
        sys.exit(f"error: no space left on the disk while writing {error.filename}: free some and run again")
    except KeyboardInterrupt:
        sys.exit("interrupted: run the same command again to go on")
