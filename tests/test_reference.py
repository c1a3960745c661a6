"""Committed tables follow from the committed scores by the statistics of today."""

import pandas as pd
import pytest

from rssr.base import ROOT
from rssr.config.measuring import Statistics
from rssr.metrics.registry import METRICS
from rssr.metrics.statistics import interval, paired
from rssr.render.scores import read_replicates, read_scores
from rssr.render.tables.scored import by_seed

REFERENCE = ROOT / "results/reference"
SETTINGS = Statistics().model_dump()
TESTS = sorted(path.parent for path in REFERENCE.glob("*/tables/*/*/significance.csv"))


@pytest.mark.parametrize("tables", TESTS, ids=lambda path: "-".join(path.relative_to(REFERENCE).parts[::2]))
def test_committed_intervals_follow_from_the_committed_scores(tables):
    """Means of all metrics, and comparisons by the first one. If not, render the tables again."""
    quality, pairs = (pd.read_csv(tables / f"{name}.csv") for name in ("quality", "significance"))
    folder = tables.parents[2] / "scores" / "/".join(tables.parts[-2:])
    files = {name: folder / f"{name}.csv" for name in quality["model"]}
    scores = {name: read_scores(path) for name, path in files.items()}
    replicates = {name: read_replicates(path) for name, path in files.items()}
    units = next(iter(scores.values()))["unit"]
    for row in quality.to_dict("records"):
        for metric in (metric for metric in METRICS if f"{metric}_low" in row):
            values = scores[row["model"]][metric]
            ends = interval(values, units, SETTINGS["confidence"], SETTINGS["resamples"], SETTINGS["seed"])
            expected = [row[f"{metric}{end}"] for end in ("", "_low", "_high")]
            assert [values.mean(), *ends] == pytest.approx(expected, rel=1e-9), (row["label"], metric)
    named, values = quality.set_index("label")["model"], by_seed(scores, replicates, "psnr_y")
    for row in pairs[pairs["metric"] == METRICS["psnr_y"].label].to_dict("records"):
        found = paired(values[row["model"]], values[named[row["against"]]], "higher", SETTINGS, units)
        keys = ("difference", "difference_low", "difference_high", "p")
        assert [found[key] for key in keys] == pytest.approx([row[key] for key in keys], rel=1e-9, nan_ok=True), row
        assert row["p_holm"] >= row["p"]
