"""How a script runs: errors become one sentence, and it ends when the Snakemake that started it is killed."""

import argparse
import atexit
import errno
import io
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from rssr.base import ROOT, slurm
from rssr.base.errors import UserError

_TIME_LIMIT = "Slurm's time limit"
_TO_SAVE = 60  # seconds for a process that saves its work when its Snakemake ends
_stoppable: list[list[str]] = []  # what asked each open block of stop_signals() to stop
_FULL = 2**20  # bytes that are left of a full disk, at most
PARENT = "RSSR_SNAKEMAKE_PID"  # the Snakemake process that a script works for; unset where a script runs by hand


class Parser(argparse.ArgumentParser):
    """A parser of options whose errors are one sentence, without all the options before it."""

    def error(self, message: str) -> NoReturn:  # noqa: D102, as of argparse
        self.exit(2, f"error: {message}: run {self.prog} --help\n")


def run(main: Callable[[], None]) -> None:
    """Run a script's main(); a UserError becomes one line on stderr and exit code 1, as does what a file refuses."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the shell, as by 2>&-
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115, it stays open
    if isinstance(sys.stdout, io.TextIOWrapper):  # letters that an output which is no UTF-8 lacks; stderr has this
        sys.stdout.reconfigure(errors="backslashreplace")
    if Path(sys.path[0]) == Path.cwd() != ROOT:  # where `python -m` looks, and the jobs of a run do not
        del sys.path[0]
    if PARENT in os.environ:
        threading.Thread(target=_end_with, args=(int(os.environ[PARENT]),), daemon=True).start()
    try:
        with _bars_closed():
            main()
    except UserError as error:
        sys.exit(f"error: {error}")
    except BrokenPipeError:  # whoever reads the output has enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        sys.exit(f"error: {refused(error)}")
    except KeyboardInterrupt:
        sys.exit("interrupted: run the same command again to resume")


def refused(error: OSError) -> UserError:
    """What the system refused as an error for users; the error itself is raised again if it names no file."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" while writing {error.filename}" if error.filename else ""
        return UserError(f"no space left on the disk{where}", "free some and run again")
    if error.filename is None:
        raise error
    why = f"cannot be read or written ({error.strerror})"
    return UserError(f"{error.filename} {why}", "correct its name, or the permissions of its folder")


@contextmanager
def _bars_closed() -> Iterator[None]:
    """What is printed after the block begins a line, although an exception has left a progress bar in it."""
    try:
        yield
    finally:
        for bar in list(getattr(tqdm, "_instances", ())):
            bar.close()


def repeat_errors(logs: Iterable[str | Path], folder: str = "results") -> None:
    """Repeat the errors of scripts from Snakemake's logs, each once, as the last lines that this process prints.

    A script whose own log lies on a full disk, as the folder, could not write its error: that is said in its place.
    """
    full = Path(folder).exists() and shutil.disk_usage(folder).free < _FULL

    def repeat() -> None:
        lines = [line for log in logs for line in Path(log).read_text("utf-8", "replace").splitlines()]
        errors = list(dict.fromkeys(line for line in lines if line.startswith("error: ")))
        if full and not errors:
            errors = [f"error: no space left on the disk of {folder}: free some and run again"]
        for line in errors:
            sys.stderr.write(f"{line}\n")

    atexit.register(repeat)  # Snakemake goes on printing, and its log is written by a thread


@contextmanager
def stop_signals() -> Iterator[list[str]]:
    """What asked this process to stop while the block ran, so that it can save its work first.

    SIGTERM ends jobs everywhere, and so does the end of Snakemake, which it may reach first; SIGUSR1 is a warning that
    Slurm can be asked for. Soon before the time limit of a job of Slurm it is stopped too and, if the block ends by
    SystemExit for it, started again from the queue.
    """
    received: list[str] = []
    _stoppable.append(received)
    timer = slurm.before_time_limit(lambda: received.append(_TIME_LIMIT))
    signals = signal.SIGTERM, signal.SIGUSR1
    before = [signal.signal(number, lambda code, _: received.append(signal.Signals(code).name)) for number in signals]
    try:
        yield received
    except SystemExit:  # work is left, and its state is saved
        if received[:1] == [_TIME_LIMIT]:
            slurm.requeue()
        raise
    finally:
        _stoppable.remove(received)
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
        if timer:
            timer.cancel()


def _end_with(parent: int) -> None:
    """End this process soon after Snakemake has ended, so that it does not overlap with the next run.

    Work that stop_signals() guards is saved first.
    """
    while True:
        try:
            os.kill(parent, 0)
        except ProcessLookupError:
            for received in _stoppable:
                received.append("the end of Snakemake")
            time.sleep(_TO_SAVE if _stoppable else 0)
            os._exit(1)
        except PermissionError:
            pass  # alive, and another user's
        time.sleep(0.5)
