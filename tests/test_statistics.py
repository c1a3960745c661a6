"""Paired comparisons and Holm's correction by closed form."""

import math

import numpy as np
import pandas as pd
import pytest
from objects import a_test_set
from scipy.stats import norm, wilcoxon

from rssr.base.files import write_csv
from rssr.metrics.statistics import holm, mean_interval, paired, win_rates
from rssr.render.tables.quality import quality, significance

SETTINGS = {"resamples": 2000, "confidence": 0.95, "seed": 0}


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1, 1]
    assert holm([0.2]) == [0.2] and holm([]) == []


def test_signed_ranks_by_hand():
    """Of five images all won, the exact two-sided p is 2 / 2^5."""
    reference = np.array([20.0, 21, 22, 23, 24])
    found = paired(reference + [0.1, 0.2, 0.3, 0.4, 0.5], reference, "higher", SETTINGS)
    assert found["p"] == pytest.approx(2 / 2**5) and found["won"] == 1
    assert found["difference"] == pytest.approx(0.3)
    lower = paired(reference + [0.1, 0.2, 0.3, 0.4, 0.5], reference, "lower", SETTINGS)
    assert lower["won"] == 0 and lower["p"] == found["p"]


def test_the_interval_is_the_normal_one_and_pairs_take_the_spread_of_images_out():
    rng = np.random.default_rng(1)
    reference = rng.normal(30, 5, 1500)
    values = reference + rng.normal(0.2, 1, 1500)
    found = paired(values, reference, "higher", SETTINGS)
    half = 1.96 * (values - reference).std(ddof=1) / 1500**0.5
    assert found["difference_high"] - found["difference"] == pytest.approx(half, rel=0.1)
    assert found["won"] == pytest.approx(norm.cdf(0.2), abs=0.04) and found["p"] < 1e-6


def test_equal_and_infinite_scores():
    same = np.array([30.0, np.inf, 31.0])
    assert paired(same, same, "higher", SETTINGS) == {
        "difference": 0, "difference_low": 0, "difference_high": 0, "p": 1, "won": 0.5,
    }  # fmt: skip
    found = paired(np.array([np.inf, 31.0]), np.array([30.0, 30.0]), "higher", SETTINGS)
    assert found["difference"] == np.inf and found["won"] == 1 and 0 < found["p"] <= 1


def test_images_that_are_equal_do_not_count_in_the_signed_ranks():
    """Three equal images leave five that are won: the exact p of five, whatever the three are."""
    reference = np.arange(20.0, 28)
    values = reference + [0, 0, 0, 0.1, 0.2, 0.3, 0.4, 0.5]
    found = paired(values, reference, "higher", SETTINGS)
    assert found["p"] == pytest.approx(wilcoxon(values - reference).pvalue) and found["p"] < 0.1
    assert found["won"] == pytest.approx((5 + 3 / 2) / 8)


def test_the_interval_is_drawn_from_its_seed():
    values = np.random.default_rng(2).normal(30, 3, 40)
    one, again, other = (mean_interval(values, SETTINGS | {"seed": seed}) for seed in (0, 0, 1))
    assert one == again != other and one[0] == other[0] == values.mean()


def test_infinite_and_missing_scores_survive_their_file_and_are_said(tmp_path):
    rows = [{"image": "a", "psnr_y": math.inf, "sam": math.nan}, {"image": "b", "psnr_y": 1 / 3, "sam": 2.0}]
    write_csv(tmp_path / "s.csv", rows)
    frame = pd.read_csv(tmp_path / "s.csv")
    assert frame["psnr_y"].tolist() == [math.inf, 1 / 3] and frame["sam"].isna().tolist() == [True, False]
    models = {name: {"label": name.upper(), "notes": []} for name in ("m", "n")}
    whole = frame.assign(sam=1.0)
    notes = ["M, SAM (°): not a number for 1 of 2 images, such as black ones, so there is no mean"]
    for table in (
        quality({"m": frame, "n": whole}, models, a_test_set(), SETTINGS),
        significance({"m": frame, "n": whole}, models, a_test_set(), SETTINGS, "n"),
    ):
        assert table.notes == notes
    assert quality({"m": frame}, models, a_test_set(), SETTINGS).numbers["psnr_y"].tolist() == [math.inf]


def test_win_rates_count_an_equal_image_half_for_each():
    scores = np.array([[1.0, 2, 3, 4], [1, 3, 2, 5], [np.inf, 0, 0, 0], [np.nan, 1, 1, 1]])
    rates = win_rates(scores, "higher")
    assert rates[0, 1] == pytest.approx(1.5 / 4) and rates[2, 0] == pytest.approx(1 / 4)
    known = ~np.eye(3, dtype=bool)
    assert (rates + rates.T)[:3, :3][known] == pytest.approx(1)
    assert np.isnan(np.diag(rates)).all() and np.isnan(rates[3]).all() and np.isnan(rates[:, 3]).all()
    assert win_rates(scores, "lower")[:3, :3][known] == pytest.approx(rates.T[:3, :3][known])
    assert rates[1, 0] == paired(scores[1], scores[0], "higher", SETTINGS)["won"]
