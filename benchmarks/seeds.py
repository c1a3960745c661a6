"""How often two methods that differ by seed noise alone are called different: over sources, and over seeds and sources.

PYTHONPATH=. python benchmarks/seeds.py --out results/reference/seeds.json
"""

import argparse
from pathlib import Path

import numpy as np

from rssr.base.files import write_json
from rssr.base.provenance import made_by
from rssr.metrics.statistics import p_value, sign_flip

SOURCES, TILES = 20, 4
SETTINGS = {"confidence": 0.95, "resamples": 1000, "seed": 0}
SEEDS = [(2, 2), (3, 3), (5, 5), (3, 1), (5, 1)]
RATIOS = {"half": 0.5, "equal": 1.0, "four times": 4.0}  # seeds' part of the error of a method's mean, to the sources'


def called_different(seeds: tuple[int, int], ratio: float, repetitions: int) -> dict[str, float]:
    """The share of repetitions, in percent, in which p is below 0.05; a method with one seed has no seed noise."""
    rng, units = np.random.default_rng(5), np.repeat(range(SOURCES), TILES)
    found = dict.fromkeys(("over sources", "over seeds and sources"), 0)
    for _ in range(repetitions):
        scores = []
        for count in seeds:
            seed = ratio * (count / SOURCES) ** 0.5 * rng.normal(size=(count, 1)) * (count > 1)
            source = rng.normal(size=SOURCES)[units]
            scores.append(30 + seed + source + 0.2 * rng.normal(size=(count, len(units))))
        found["over sources"] += sign_flip(scores[0].mean(0) - scores[1].mean(0), units) < 0.05
        found["over seeds and sources"] += p_value(*scores, units, SETTINGS) < 0.05
    return {kind: round(100 * int(count) / repetitions, 1) for kind, count in found.items()}


def main() -> None:
    """Simulate and write the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    found = {}
    for seeds in SEEDS:
        for name, ratio in RATIOS.items():
            layout = f"{seeds[0]} and {seeds[1]} seeds, seed noise {name}"
            found[layout] = called_different(seeds, ratio, arguments.repetitions)
            print(f"{layout}: {found[layout]}", flush=True)
    facts = {"sources": SOURCES, "tiles": TILES, "repetitions": arguments.repetitions, "level_percent": 5}
    write_json(arguments.out, made_by(**facts, called_different_percent=found))


main()
