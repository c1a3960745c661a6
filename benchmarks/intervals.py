"""How often intervals cover the mean when tiles of a source are alike: over tiles, by percentiles, by bootstrap-t.

PYTHONPATH=. python benchmarks/intervals.py --out results/reference/statistics.json
"""

import argparse
from pathlib import Path

import numpy as np

from rssr.base.files import write_json
from rssr.base.provenance import made_by
from rssr.metrics.statistics import interval

CORRELATION = 0.8  # of two tiles of one source
LAYOUTS = {
    "30 sources of 20 tiles": [20] * 30,
    "15 sources of 20 tiles": [20] * 15,
    "15 sources of 5 to 61 tiles": list(range(5, 65, 4)),
    "10 sources of 20 tiles": [20] * 10,
    "5 sources of 20 tiles": [20] * 5,
    "5 sources of 12, 4, 4, 2 and 2 tiles": [12, 4, 4, 2, 2],
}


def percentile(values: np.ndarray, units: np.ndarray, resamples: int) -> tuple[float, float]:
    """The percentile interval that resamples whole sources."""
    counts = np.bincount(units)
    sums = np.bincount(units, values)
    drawn = np.random.default_rng(0).integers(len(counts), size=(resamples, len(counts)))
    return tuple(np.quantile(sums[drawn].sum(1) / counts[drawn].sum(1), [0.025, 0.975]))


def coverage(sizes: list[int], skewed: bool, repetitions: int) -> dict[str, float]:
    """The share of repetitions, in percent, in which each kind of 95 % interval holds the true mean of zero."""
    rng, units = np.random.default_rng(5), np.repeat(np.arange(len(sizes)), sizes)
    covered = dict.fromkeys(("over tiles", "percentile over sources", "bootstrap-t over sources"), 0)
    for _ in range(repetitions):
        effect = rng.exponential(size=len(sizes)) - 1 if skewed else rng.normal(size=len(sizes))
        values = CORRELATION**0.5 * effect[units] + (1 - CORRELATION) ** 0.5 * rng.normal(size=len(units))
        found = (
            interval(values, None, resamples=1000),
            percentile(values, units, 1000),
            interval(values, units, resamples=1000),
        )
        for kind, (low, high) in zip(covered, found, strict=True):
            covered[kind] += low <= 0 <= high
    return {kind: round(100 * count / repetitions, 1) for kind, count in covered.items()}


def main() -> None:
    """Simulate and write the coverages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    found = {}
    for layout, sizes in LAYOUTS.items():
        for name, skewed in (("normal", False), ("exponential", True)):
            found[f"{layout}, {name}"] = coverage(sizes, skewed, arguments.repetitions)
            print(f"{layout}, {name}: {found[f'{layout}, {name}']}", flush=True)
    facts = {"correlation": CORRELATION, "repetitions": arguments.repetitions, "nominal_percent": 95}
    write_json(arguments.out, made_by(**facts, coverage_percent=found))


main()
