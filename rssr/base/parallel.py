"""Work on many images at a time, over threads: reading and writing PNG and most of PyTorch run beside each other."""

import ctypes
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from tqdm import tqdm

# Of glibc's mallopt(): the freed bytes at the end of a heap above which they are given back, and the size from which a
# block is asked of the system by itself; 32 MiB is the most that it takes for the latter.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT = 2**25


def usable_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def in_order(function: Callable, items: Iterable, jobs: int, title: str) -> list:
    """Apply a function to items, `jobs` at a time, with a progress bar; the results in the items' order."""
    _keep_memory()
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(function, item) for item in items]
        try:
            return [future.result() for future in tqdm(futures, desc=title, unit="image")]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _keep_memory() -> None:
    """Have glibc keep the memory of an image for the next one.

    By default it gives back at once what an image took and asks for it again, which costs a fault per page, and threads
    of a process wait for each other there.
    """
    with suppress(OSError, AttributeError):  # glibc only
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_TRIM_THRESHOLD, 16 * _KEPT)
        mallopt(_MMAP_THRESHOLD, _KEPT)
