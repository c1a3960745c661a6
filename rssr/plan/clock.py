"""Files from the future, as a wrong clock leaves them, with which Snakemake would discard every result made of them."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from rssr.base.errors import UserError

_SLACK = 60  # seconds that the clock of another machine, whose files these are, may differ
_LEAST = 1  # second: a step takes longer, so its results are younger in any case


def bring_back(paths: Iterable[str | Path], own: Iterable[str | Path]) -> list[Path]:
    """Set files from the future to the present. The order of all in time stays, so that nothing is made again.

    Args:
        paths: files, some of which may not exist.
        own: folders of the run, whose files may be changed.

    Returns:
        The files that were set.

    Raises:
        UserError: for a file from the future that is not in a folder of the run; none is changed then.
    """
    now, folders = time.time_ns(), [Path(folder).absolute() for folder in own]
    times = {path: path.stat().st_mtime_ns for path in map(Path, paths) if path.exists()}
    late = {path: moment for path, moment in times.items() if moment > now}
    others = [path for path in late if not any(path.absolute().is_relative_to(folder) for folder in folders)]
    for path in others:
        if (moment := late.pop(path)) > now + _SLACK * 10**9:
            day = time.strftime("%Y-%m-%d", time.localtime(moment / 10**9))
            raise UserError(
                f"{path} is from the future, {day}",
                "correct the clock of this machine, or set the time of the file with touch",
            )
    if max(late.values(), default=now) <= now + _LEAST * 10**9:
        return []
    order = sorted({*late.values()})
    for path, moment in late.items():
        os.utime(path, ns=(now, now - len(order) + order.index(moment)))
    return list(late)
