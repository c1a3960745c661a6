"""Scores as renderings take them: one row per image, and how far replicates lie apart."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from rssr.base.files import read_csv, read_json


def read_scores(path: Path, unit: str = "") -> pd.DataFrame:
    """Read results/scores/.../{model}.csv: one row per image, `image`, `unit` and one column per metric.

    Of a model with several replicates each score is the mean over them, see plan.replicate.

    Args:
        path: the file.
        unit: TestSet.unit, which makes the unit of statistics of a source image's name.
    """
    frame = _read(path).rename(columns={"source": "unit"})
    if unit:
        named = frame["unit"].str.extract(unit, expand=False)
        frame["unit"] = named.fillna(frame["unit"])
    several = frame["replicate"].nunique() > 1
    frame = frame.drop(columns="replicate")
    return frame.groupby(["image", "unit"], sort=False, as_index=False).agg(_mean) if several else frame


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
    rows = read_csv(path)
    names = {key: [row[key] for row in rows] for key in ("image", "source")}
    return pd.read_csv(path, dtype={"replicate": str}).assign(**names)


def _mean(values: pd.Series) -> float:
    """The mean; not a number where one of the values is none."""
    return values.mean(skipna=False)
