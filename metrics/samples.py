"""Percentiles of timed calls, and whether they were disturbed; free of PyTorch, for what only renders them."""

from collections.abc import Sequence

import numpy as np

BUSY = 0.2  # cores of other processes above which a measurement was not alone
SPREAD = 2  # ratio of the 95th to the 5th percentile above which a measurement counts as disturbed


def percentiles(samples: Sequence[float]) -> tuple[float, float, float]:
    """The 5th percentile, the median and the 95th percentile, which tables and figures show."""
    low, median, high = np.percentile(samples, [5, 50, 95])
    return float(low), float(median), float(high)


def noisy(samples: Sequence[float]) -> bool:
    """Whether calls were disturbed, so that a second measurement might differ by more than the interval of this one.

    They were if they spread by more than SPREAD, or if the median of the second half of the calls lies outside the 5th
    to 95th percentile of the first.
    """
    low, high = np.percentile(samples, [5, 95])
    first, second = samples[: len(samples) // 2], samples[len(samples) // 2 :]
    if high > SPREAD * low or len(first) < 10:  # the percentiles of a handful of calls are no interval
        return bool(high > SPREAD * low)
    from_, to = np.percentile(first, [5, 95])
    return bool(not from_ <= np.median(second) <= to)


def ratio(samples: Sequence[float], reference: Sequence[float]) -> tuple[float, float, float]:
    """The ratio of two latencies: lower bound, ratio of the medians, upper bound.

    The ends are a 95 % percentile bootstrap interval (2000 resamples of each, fixed seed). It covers
    variation within a process, not between days or machines.
    """
    draw = np.random.default_rng(0).choice
    drawn, others = (np.median(draw(found, (2000, len(found))), axis=1) for found in (samples, reference))
    low, high = np.percentile(drawn / others, [2.5, 97.5])
    return float(low), float(np.median(samples) / np.median(reference)), float(high)
