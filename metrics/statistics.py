"""How certain a mean over images is, and whether one method is better than another on the same images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import bootstrap, wilcoxon


def mean_interval(values: np.ndarray, settings: Mapping[str, Any]) -> tuple[float, float, float]:
    """Mean and percentile bootstrap interval of the mean over images.

    Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 7(1), 1979.

    Args:
        values: one score per image, (N,).
        settings: `resamples`, `confidence` and `seed`.

    Returns:
        mean, low, high; all the same for one image, and not a number without values.
    """
    if len(values) == 0 or np.isnan(values).any():
        return (np.nan,) * 3
    mean = float(values.mean())
    if len(values) == 1 or not np.isfinite(values).all() or np.ptp(values) == 0:
        return mean, mean, mean
    result = bootstrap(
        (values,),
        np.mean,
        n_resamples=settings["resamples"],
        confidence_level=settings["confidence"],
        method="percentile",
        rng=np.random.default_rng(settings["seed"]),
    ).confidence_interval
    return mean, float(result.low), float(result.high)


def paired(values: np.ndarray, reference: np.ndarray, better: str, settings: Mapping[str, Any]) -> dict[str, float]:
    """Compare a method with a reference method on the same images.

    Args:
        values: the method's score for each image, (N,).
        reference: the reference method's, in the same order.
        better: "higher" or "lower".
        settings: see mean_interval().

    Returns:
        `difference`, the mean of values - reference, its interval `difference_low` and `difference_high`, the
        two-sided `p` of Wilcoxon's signed-rank test (Biometrics Bulletin 1(6), 1945; 1 where all images are equal), and
        `won`, the share of images on which the method is better; an equal image is half won.
    """
    with np.errstate(invalid="ignore"):  # infinity minus itself
        differences = np.where(values == reference, 0.0, values - reference)
    mean, low, high = mean_interval(differences, settings)
    # Ranks only: an infinite difference is the largest.
    finite = np.nan_to_num(differences, posinf=np.finfo(float).max, neginf=-np.finfo(float).max)
    p = float(wilcoxon(finite).pvalue) if finite.any() else 1.0
    shares = {"p": p, "won": won(values, reference, better)}
    return {"difference": mean, "difference_low": low, "difference_high": high} | shares


def won(values: np.ndarray, reference: np.ndarray, better: str) -> float:
    """The share of images, 0 to 1, on which `values` are better than `reference`; an equal image is half won."""
    ahead = values > reference if better == "higher" else values < reference
    return float(ahead.mean() + (values == reference).mean() / 2)


def win_rates(scores: np.ndarray, better: str) -> np.ndarray:
    """won() of every method against every other.

    Args:
        scores: one row per method, one column per image, (M, N).
        better: "higher" or "lower".

    Returns:
        (M, M), the row's method against the column's; not a number on the diagonal and where a score is missing.
    """
    missing = np.isnan(scores).any(axis=1)
    rates = np.array([[won(row, other, better) for other in scores] for row in scores])
    rates[missing[:, None] | missing | np.eye(len(scores), dtype=bool)] = np.nan
    return rates


def holm(p: Sequence[float]) -> list[float]:
    """P-values corrected for their number: Holm, Scandinavian Journal of Statistics 6(2), 1979.

    The k-th smallest of m is multiplied by m - k + 1, and is at least as large as those before it and at most 1.
    """
    order = np.argsort(p)
    factors = len(p) - np.arange(len(p))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(1, np.maximum.accumulate(np.asarray(p)[order] * factors))
    return corrected.tolist()
