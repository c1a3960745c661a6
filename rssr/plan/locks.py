"""Whether this process may change files, and the locks that a killed Snakemake left behind.

Snakemake marks a run by files in .snakemake/locks, which outlive a SIGKILL and then stop every later run. Each run of
this Snakefile therefore also holds a lock of the operating system, which is released when its process ends. A process
that gets this lock exclusively knows that no other run is alive.
"""

import fcntl
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

from rssr.base.errors import UserError
from rssr.base.slurm import jobs_in

# Options of the command line with which Snakemake runs no job.
_LOOKING = (
    *("dryrun", "lint", "list_rules", "list_target_rules", "summary", "detailed_summary", "dag", "rulegraph"),
    *("filegraph", "d3dag", "list_changes", "list_input_changes", "list_params_changes", "list_untracked", "report"),
    *("containerize", "archive", "cleanup_metadata", "unlock", "print_compilation", "list_conda_envs"),
    *("conda_cleanup_envs", "delete_all_output", "delete_temp_output"),
)
_held: list[IO] = []  # open for as long as the process lives


def clear_stale_locks(folder: Path) -> bool:
    """Clear Snakemake's locks below `folder` if no other run is alive, and hold our own until this process ends.

    Args:
        folder: the .snakemake of the working directory.

    Returns:
        Whether a stale lock was cleared.

    Raises:
        UserError: if jobs of the killed run still work on a cluster: a new run would submit them twice.
    """
    folder.mkdir(exist_ok=True)
    file = (folder / "alive").open("w")
    _held.append(file)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another run is alive, or the file system has no such locks: Snakemake's own stand
        stale = []
    else:
        stale = list(folder.glob("locks/*.lock"))
        if stale and (living := jobs_in(folder.resolve().parent)):
            raise UserError(
                f"Slurm jobs of a killed run are still running in this folder: {', '.join(living)}",
                f"wait until they end, or run `scancel {' '.join(living)}`, then run again",
            )
        for lock in stale:
            lock.unlink(missing_ok=True)
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_SH)  # shared: runs on disjoint targets can live side by side
    return bool(stale)


def only_looking() -> bool:
    """Whether Snakemake was started with an option that runs no job, such as a dry run, so that nothing may change.

    Asked of Snakemake's own parser, since a Snakefile is read before Snakemake exposes its mode.
    """
    from snakemake.cli import parse_args

    try:
        _, options = parse_args(sys.argv[1:])
    except SystemExit:  # started by another program, through Snakemake's API
        return True
    return any(getattr(options, name, False) for name in _LOOKING)
