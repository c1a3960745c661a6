"""What the tables of scores share: metrics as columns, and what captions and notes say of scores."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from rssr.metrics.bootstrap import EXACT, FEWEST
from rssr.metrics.registry import METRICS
from rssr.plan.replicate import weights_of
from rssr.plan.test_set import TestSet
from rssr.render.tables.table import ARROWS, Column
from rssr.render.words import counted

Replicates = Mapping[str, Mapping[str, pd.DataFrame]]


def conditions_of(tests: Iterable[TestSet]) -> list[str]:
    """Notes on how test sets were upscaled, one note per distinct set of conditions."""
    names: dict[str, list[str]] = {}
    for test in tests:
        names.setdefault(test.conditions, []).append(test.name)
    return [f"{'; '.join(of_these)}: {words}." for words, of_these in names.items()]


def metrics_of(numbers: pd.DataFrame) -> list[str]:
    """The metrics that are columns of a data frame, in the order of the registry."""
    return [name for name in METRICS if name in numbers]


def metric_column(metric: str, key: str | None = None, over: str = "") -> Column:
    """The column of a metric's means, in the data frame's column `key`, which is named as the metric by default."""
    card = METRICS[metric]
    return Column(key or metric, f"{card.label} {ARROWS[card.better]}", card.digits, card.better, over)


def protocols(metrics: Iterable[str]) -> str:
    """The definition of each metric, one sentence each, for a caption."""
    return " ".join(f"{METRICS[metric].name}: {METRICS[metric].protocol}." for metric in metrics)


def not_computed(absent: Mapping[str, str]) -> list[str]:
    """Notes on metrics that were not computed and so have no column; metric -> why, and what to do."""
    return [f"{METRICS[metric].label}: not computed, because {reason}" for metric, reason in absent.items()]


def computed(scores: Mapping[str, pd.DataFrame]) -> list[str]:
    """The metrics that at least one image of one model has a value for; the others would be empty columns."""
    return [name for name in METRICS if any(name in frame and frame[name].notna().any() for frame in scores.values())]


def complete(scores: Mapping[str, pd.DataFrame], metric: str) -> dict[str, np.ndarray]:
    """The scores of the models that have one for every image."""
    values = {name: pd.to_numeric(frame[metric]).to_numpy(float) for name, frame in scores.items() if metric in frame}
    return {name: found for name, found in values.items() if not np.isnan(found).any()}


def by_seed(scores: Mapping[str, pd.DataFrame], replicates: Replicates, metric: str) -> dict[str, np.ndarray]:
    """The scores of the models of complete(), one row per training seed: (seeds, images).

    Draws of a network that samples are averaged; they are no seeds.
    """
    found = {}
    for name, values in complete(scores, metric).items():
        draws: dict[str, list[np.ndarray]] = {}
        frames = replicates.get(name, {})
        for replicate, weights in weights_of(frames).items():
            draws.setdefault(weights, []).append(frames[replicate][metric].to_numpy(float))
        seeds = [np.mean(of_seed, axis=0) for of_seed in draws.values()]
        found[name] = np.array(seeds) if len(seeds) > 1 else values[None]
    return found


def undefined(scores: Mapping[str, pd.DataFrame], models: Mapping[str, Mapping]) -> list[str]:
    """Notes on means that do not exist or are infinite, because the metric has no finite value for some images."""
    notes = []
    for name, metric, values in ((n, m, pd.to_numeric(f[m])) for n, f in scores.items() for m in metrics_of(f)):
        missing, infinite = int(values.isna().sum()), int(np.isinf(values).sum())
        images = counted(len(values), "image")
        about = f"{models[name]['label']}, {METRICS[metric].label}: "
        if 0 < missing < len(values):
            about += f"not a number for {missing} of {images}, such as black ones, so there is no mean"
            notes.append(about)
        elif infinite:
            others = values[np.isfinite(values)].mean()
            about += f"infinite for {infinite} of {images}, where SR and HR are equal, so the mean is too"
            notes.append(
                about + (f"; that of the others is {others:.{METRICS[metric].digits}f}" * (infinite < len(values)))
            )
    return notes


def with_interval(
    mean: str, numbers: pd.DataFrame, sources: int, settings: Mapping[str, Any], over_seeds: bool = False
) -> str:
    """A mean and its interval and how that is computed, for a caption; without one, if no cell of `numbers` has one.

    Args:
        mean: what it is the mean of, in words.
        numbers: a table's.
        sources: how many there are.
        settings: `statistics` of the configuration.
        over_seeds: whether training seeds are resampled too.
    """
    if numbers.filter(regex="_low$").notna().any(axis=None):
        drawn = f"{settings['resamples']} resamples, seed {settings['seed']}"
        resamples = drawn if over_seeds or sources > EXACT else f"all {sources**sources:,} resamples".replace(",", " ")
        return f"{mean} and its {100 * settings['confidence']:g} % interval (bootstrap-t over sources, {resamples})"
    return f"{mean}, too few sources for an interval" if sources < FEWEST else mean


def over_replicates(replicates: Replicates) -> str:
    """The caption's sentence on replicates; empty if every model has one."""
    counts = sorted({len(frames) for frames in replicates.values() if frames})
    return (
        f" Δ: range of the means of {' or '.join(map(str, counts))} replicates; the mean is over them."
        if counts
        else ""
    )


def spread(replicates: Mapping[str, pd.DataFrame], metric: str) -> float:
    """The range of the replicates' means; not a number for a single replicate."""
    means = [frame[metric].mean(skipna=False) for frame in replicates.values()]
    return float(np.ptp(means)) if means else np.nan


def images_of(frame: pd.DataFrame) -> str:
    """The number of images in words, and the number of their sources if it is smaller."""
    sources = frame["unit"].nunique()
    images = counted(len(frame), "image")
    return images if sources == len(frame) else f"{images} from {counted(sources, 'source')}"
