"""Paired comparisons and Holm's correction by closed form."""

import numpy as np
import pytest
from scipy.stats import norm

from rssr.metrics.statistics import holm, paired

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
