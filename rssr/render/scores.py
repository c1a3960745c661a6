"""Scores as renderings take them: one row per image, and how far replicates lie apart."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from rssr.base.files import read_csv, read_json


def read_scores(path: Path) -> pd.DataFrame:
    """Read results/scores/.../{model}.csv: one row per image, `image` and one column per metric.

    Of a model with several replicates each score is the mean over them, see plan.replicate.
    """
    frame = _read(path)
    if frame["replicate"].nunique() == 1:
        return frame.drop(columns="replicate")
    return frame.drop(columns="replicate").groupby("image", sort=False, as_index=False).agg(_mean)


def read_replicates(path: Path) -> list[pd.DataFrame]:
    """The scores of each replicate, as read_scores() has their mean; empty where there is one replicate only."""
    frame = _read(path)
    if frame["replicate"].nunique() == 1:
        return []
    return [rows.drop(columns="replicate").reset_index(drop=True) for _, rows in frame.groupby("replicate", sort=False)]


def absent(records: Iterable[Path]) -> dict[str, str]:
    """Metrics without scores -> why, and what to do; from results/scores/.../{model}.json of several models."""
    return {metric: reason for path in records for metric, reason in read_json(path)["absent"].items()}


def _read(path: Path) -> pd.DataFrame:
    """The file as it is written: an image may be called "007" or "nan"."""
    images = [row["image"] for row in read_csv(path)]
    return pd.read_csv(path, dtype={"replicate": str}).assign(image=images)


def _mean(values: pd.Series) -> float:
    """The mean; not a number where one of the values is none."""
    return values.mean(skipna=False)
