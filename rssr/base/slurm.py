"""What a job of a Slurm cluster knows of itself, and which jobs still work in a folder."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

MARGIN = 120  # seconds before the time limit at which a job saves its state; a third of the time left, if that is less


def _job() -> dict[str, str]:
    """What the controller knows of the job that this process runs in; empty outside of Slurm."""
    number = os.environ.get("SLURM_JOB_ID")
    return dict(re.findall(r"(\w+)=(\S+)", _told("scontrol", "show", "job", "-o", number))) if number else {}


def node() -> str | None:
    """Whether this job has its node for itself, "exclusive", or may share it, "shared"; None outside of Slurm."""
    return {"NO": "exclusive"}.get(found.get("OverSubscribe"), "shared") if (found := _job()) else None


def before_time_limit(call: Callable[[], None]) -> threading.Timer | None:
    """Call from a thread soon before this job's time limit; None where it has none."""
    try:
        end = datetime.fromisoformat(_job().get("EndTime", ""))
    except ValueError:  # no limit, or not in a job
        return None
    left = end.timestamp() - time.time()
    timer = threading.Timer(max(0.0, left - min(MARGIN, left / 3)), call)
    timer.daemon = True
    timer.start()
    return timer


def requeue() -> None:
    """Ask Slurm to start this job again from the queue, under its number; it ends this process meanwhile."""
    if subprocess.run(["scontrol", "requeue", os.environ["SLURM_JOB_ID"]]).returncode == 0:
        time.sleep(60)  # lest the end of this process counts as a failure


def jobs_in(folder: Path) -> list[str]:
    """The numbers of the user's other jobs that wait or run and work in a folder; none where there is no Slurm."""
    pairs = (line.partition(" ") for line in _told("squeue", "--me", "-h", "-o", "%A %Z").splitlines())
    own = os.environ.get("SLURM_JOB_ID")
    return [number for number, _, place in pairs if place and Path(place) == folder.resolve() and number != own]


def _told(*command: str) -> str:
    """What a command of Slurm prints; nothing where it is missing or its controller does not answer."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
