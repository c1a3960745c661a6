"""Work on many images at a time, over threads: reading and writing PNG and most of PyTorch run beside each other."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from tqdm import tqdm


def in_order(function: Callable, items: Iterable, jobs: int, title: str) -> list:
    """Apply a function to items, `jobs` at a time, with a progress bar; the results in the items' order."""
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(function, item) for item in items]
        try:
            return [future.result() for future in tqdm(futures, desc=title, unit="image")]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
