"""What a job of a Slurm cluster knows of itself, which jobs still work in a folder, and the partitions of a site."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from rssr.base.errors import UserError

# A partition of no site. A job that fits no other goes there, and Slurm refuses it at once instead of letting it wait.
NOWHERE = "no-partition-takes-this-job"
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


def partitions() -> dict[str, dict[str, int]]:
    """The partitions of this site, as profiles/slurm/partitions.yaml states them: their largest node and time limit.

    Returns:
        Name -> `max_runtime` in minutes where there is a limit, `max_threads`, `max_mem_mb` where nodes state it, and
        `max_gpu` where nodes have some; NOWHERE is the last.

    Raises:
        UserError: if `sinfo` names none.
    """
    found: dict[str, dict[str, int]] = {}
    for line in _told("sinfo", "-h", "-o", "%R|%l|%c|%m|%G").splitlines():
        name, limit, cores, memory, devices = line.split("|")
        node = {"max_threads": int(cores.rstrip("+")), "max_mem_mb": int(memory.rstrip("+"))}
        node["max_gpu"] = sum(map(int, re.findall(r"\bgpu(?::[^:,(]+)?:(\d+)", devices)))
        node["max_runtime"] = _minutes(limit)
        largest = found.setdefault(name, {})
        largest |= {key: max(value, largest.get(key, 0)) for key, value in node.items()}
    if not found:
        raise UserError("`sinfo` names no partition here", "run this on a login node of the cluster")
    unstated = {"max_gpu": 0, "max_mem_mb": 1, "max_runtime": 0}  # what sinfo prints, or _minutes() gives, for nothing
    kept = {name: {key: v for key, v in node.items() if v != unstated.get(key)} for name, node in found.items()}
    return kept | {NOWHERE: {"max_gpu": 10**6}}


def _minutes(limit: str) -> int:
    """A time limit as Slurm prints it, [days-]hours:minutes:seconds or minutes:seconds; 0 for none."""
    if not (parts := re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):\d+", limit)):
        return 0
    days, hours, minutes = (int(part or 0) for part in parts.groups())
    return (24 * days + hours) * 60 + minutes


def _told(*command: str) -> str:
    """What a command of Slurm prints; nothing where it is missing or its controller does not answer."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
