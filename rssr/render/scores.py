"""Reads scores for tables and figures: one row per image, and the scores of each replicate."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from rssr.base.files import damaged, read_csv, read_json
from rssr.metrics.registry import METRICS
from rssr.render.words import counted


def read_scores(path: Path, unit: str = "") -> pd.DataFrame:
    """Read results/scores/.../{model}.csv: one row per image, `image`, `unit` and one column per metric.

    If a model has several replicates, each score is the mean over them, see plan.replicate.

    Args:
        path: the file.
        unit: TestSet.unit, which finds the unit of statistics in a source image's name.
    """
    frame = _read(path).rename(columns={"source": "unit"})
    if unit:
        named = frame["unit"].str.extract(unit, expand=False)
        frame["unit"] = named.fillna(frame["unit"])
    several = frame["replicate"].nunique() > 1
    frame = frame.drop(columns="replicate")
    return frame.groupby(["image", "unit"], sort=False, as_index=False).agg(_mean) if several else frame


def read_numbers(path: Path) -> pd.DataFrame:
    """Read the numbers of a table; a model may be called "007" or "nan"."""
    return pd.read_csv(path, dtype={"model": str, "label": str}, keep_default_na=False, na_values=[""])


def read_measured(path: Path) -> pd.DataFrame:
    """Read what a step measured, other than scores; UserError for a damaged file."""
    read_csv(path)
    return pd.read_csv(path, dtype={"crop": str})


def read_replicates(path: Path) -> dict[str, pd.DataFrame]:
    """Replicate -> its scores, in the format of read_scores(); empty if there is only one."""
    frame = _read(path)
    if frame["replicate"].nunique() == 1:
        return {}
    found = frame.groupby("replicate", sort=False)
    return {name: rows.drop(columns="replicate").reset_index(drop=True) for name, rows in found}


def repeated(manifest: Path) -> dict[str, float]:
    """Image -> the share of its pixels that an earlier tile of its source has too; of results/data/.../HR-x{scale}."""
    found = {}
    for row in read_csv(manifest):
        found[row["image"]] = 0.0
        if again := int(row.get("repeated", 0)):  # manifests of earlier runs, which are merged, have no such column
            left, top, right, bottom = (int(row[side]) for side in ("left", "top", "right", "bottom"))
            found[row["image"]] = min(1.0, again / ((right - left) * (bottom - top)))
    return found


def left_out(manifest: Path) -> list[str]:
    """A note if images were left out because not all of their pixels are valid; of results/data/.../HR-x{scale}."""
    rows = read_csv(manifest)
    if not (lost := int(rows[0].get("left_out", 0))):
        return []
    total = lost + len(rows)
    verb = "is" if lost == 1 else "are"
    return [
        f"{lost} of {total} images ({100 * lost / total:.2g} %) {verb} left out: alpha, a mask or no-data hides pixels"
    ]


def absent(records: Iterable[Path]) -> dict[str, str]:
    """Metrics without scores -> why, and what to do; from results/scores/.../{model}.json of several models."""
    return {metric: reason for path in records for metric, reason in read_json(path)["absent"].items()}


def tiled(record: Path) -> list[str]:
    """A note if memory had no room for some images as a whole; from results/scores/.../{model}.json."""
    if not (found := read_json(record).get("tiled_for_memory")):
        return []
    counts = f"{found['images']} of {counted(found['of'], 'image')}"
    return [f"{counts} in tiles of {found['side']} LR pixels, because memory was insufficient"]


def not_loaded(record: Path) -> list[str]:
    """A note if `strict: false` left tensors of a network as they were; from results/weights/.../{replicate}.json."""
    unfit = [phrase for phrase in read_json(record)["misfits"] if not phrase.endswith("is unknown to the network")]
    return [f"{counted(len(unfit), 'tensor')} not loaded from its file: initial values"] if unfit else []


def check_scores(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """UserError if a score of a file is no number."""
    for row in rows:
        for metric in METRICS.keys() & row.keys():
            try:
                float(row[metric] or "nan")
            except ValueError:
                raise damaged(path, f"{metric} of {row['image']} is {row[metric]!r}, and no number") from None


def _read(path: Path) -> pd.DataFrame:
    """The scores with all names kept as text: an image may be called "007" or "nan"."""
    rows = read_csv(path)
    check_scores(path, rows)
    names = {key: [row[key] for row in rows] for key in ("image", "source")}
    return pd.read_csv(path, dtype={"replicate": str}).assign(**names)


def _mean(values: pd.Series) -> float:
    """The mean; NaN if a value is NaN."""
    return values.mean(skipna=False)
