"""Work on many images at a time, over threads: reading and writing PNG and most of PyTorch run beside each other."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from tqdm import tqdm


def usable_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def in_order(function: Callable, items: Iterable, jobs: int, title: str) -> list:
    """Apply a function to items, `jobs` at a time, with a progress bar; the results in the items' order."""
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(function, item) for item in items]
        try:
            return [future.result() for future in tqdm(futures, desc=title, unit="image")]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
