"""Scores as renderings take them: one row per image, and how far replicates lie apart."""

from pathlib import Path

import pandas as pd


def read_scores(path: Path) -> pd.DataFrame:
    """Read results/scores/.../{model}.csv: one row per image, `image` and one column per metric.

    Of a model with several replicates each score is the mean over them, see plan.replicate.
    """
    frame = pd.read_csv(path, dtype={"replicate": str})
    if frame["replicate"].nunique() == 1:
        return frame.drop(columns="replicate")
    return frame.drop(columns="replicate").groupby("image", sort=False, as_index=False).mean()


def replicate_means(path: Path) -> dict[str, list[float]]:
    """Metric -> the mean over the images for each replicate; empty where there is one replicate only."""
    frame = pd.read_csv(path, dtype={"replicate": str})
    if frame["replicate"].nunique() == 1:
        return {}
    means = frame.drop(columns="image").groupby("replicate", sort=False).mean()
    return {metric: means[metric].tolist() for metric in means}
