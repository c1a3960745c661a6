"""How certain a mean is, whether one method is better than another, and what other aggregations than the mean give.

Tiles of one scene are alike, so scores are not independent: the source image is the unit. Intervals and tests resample
the source images, and the tiles within a source keep their weight. Where training seeds were varied, comparisons
resample them too.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import norm, spearmanr, trim_mean

from rssr.metrics.bootstrap import interval, over_seeds, sums_by_source

_EXACT = 16  # sources up to which every assignment of signs is looked at


def sign_flip(differences: Sequence[float], units: Sequence[Any] | None = None) -> float:
    """Two-sided p of the mean of paired differences: the signs of whole sources are flipped (Fisher, 1935).

    Exact over all assignments up to 16 sources, of which the smallest p is 2 / 2^sources; by the normal limit of the
    same distribution above. Infinite differences count as far larger than all others.
    """
    differences = np.asarray(differences, float)
    if not np.isfinite(differences).all():
        largest = np.abs(differences[np.isfinite(differences)]).max(initial=1)
        differences = np.clip(differences, -1e6 * largest, 1e6 * largest)
    sums, _ = sums_by_source(differences, units)
    sums = sums[sums != 0]  # flipping these changes nothing
    if len(sums) == 0:
        return 1.0
    if len(sums) > _EXACT:
        return float(2 * norm.sf(abs(sums.sum()) / np.sqrt((sums**2).sum())))
    signs = 1 - 2 * (np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums)) & 1)
    return float((np.abs(signs @ sums) >= abs(sums.sum()) * (1 - 1e-12)).mean())


def smallest_p(units: Sequence[Any], comparisons: int = 1) -> float:
    """The smallest p that sign_flip() can give with these sources, after Holm's correction for so many comparisons."""
    sources = len(set(units))
    return comparisons * 2.0 ** (1 - sources) if sources <= _EXACT else 0.0


def p_value(
    values: np.ndarray, reference: np.ndarray, units: Sequence[Any] | None, settings: Mapping[str, Any]
) -> float:
    """P of the difference of two methods: that of sign_flip(), and with several seeds at least that of over_seeds().

    The arguments are those of paired().
    """
    values, reference = np.atleast_2d(values), np.atleast_2d(reference)
    p = sign_flip(_differences(values.mean(0), reference.mean(0)), units)
    if len(values) == len(reference) == 1:
        return p
    return max(p, over_seeds(values, reference, units, *_settings(settings))[2])


def paired(
    values: np.ndarray,
    reference: np.ndarray,
    better: str,
    settings: Mapping[str, Any],
    units: Sequence[Any] | None = None,
) -> dict[str, float]:
    """Compare a method with a reference method on the same images.

    Args:
        values: the method's score for each image, (N,), or with one row per training seed, (seeds, N).
        reference: the reference method's, in the same order, likewise.
        better: "higher" or "lower".
        settings: `resamples`, `confidence` and `seed`.
        units: the source of each image.

    Returns:
        `difference`, the mean of values - reference, its interval `difference_low` and `difference_high`, `p` of
        p_value(), and `won`, the share of images on which the method is better. With several seeds scores are means
        over them, and the interval is that of over_seeds().
    """
    values, reference = np.atleast_2d(values), np.atleast_2d(reference)
    means = values.mean(0), reference.mean(0)
    differences = _differences(*means)
    p = sign_flip(differences, units)
    if len(values) == len(reference) == 1:
        low, high = interval(differences, units, *_settings(settings))
    else:
        low, high, of_seeds = over_seeds(values, reference, units, *_settings(settings))
        p = max(p, of_seeds)
    return {
        "difference": float(differences.mean()),
        "difference_low": low,
        "difference_high": high,
        "p": p,
        "won": won(*means, better),
    }


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


def all_pairs(scores: Sequence[np.ndarray], units: Sequence[Any] | None, settings: Mapping[str, Any]) -> np.ndarray:
    """P of every pair of methods by p_value(), with Holm's correction over all pairs.

    Args:
        scores: of each method, as paired() takes them, without missing values.
        units: the source of each image.
        settings: see paired().

    Returns:
        (M, M), symmetric, 1 on the diagonal.
    """
    pairs = list(itertools.combinations(range(len(scores)), 2))
    found = holm([p_value(scores[i], scores[j], units, settings) for i, j in pairs])
    p = np.ones((len(scores), len(scores)))
    for (i, j), value in zip(pairs, found, strict=True):
        p[i, j] = p[j, i] = value
    return p


def ranks(scores: Sequence[np.ndarray], better: str, p: np.ndarray, level: float = 0.95) -> list[int]:
    """The rank of each method: one more than the number of methods that are better and can be told apart from it.

    Args:
        scores: see all_pairs().
        better: "higher" or "lower".
        p: what all_pairs() found.
        level: a pair is told apart where p < 1 - level.
    """
    means = np.array([of.mean() for of in scores]) * (1 if better == "higher" else -1)
    return (1 + ((means > means[:, None]) & (p < 1 - level)).sum(1)).tolist()


def holm(p: Sequence[float]) -> list[float]:
    """P-values corrected for their number: Holm, Scandinavian Journal of Statistics 6(2), 1979.

    The k-th smallest of m is multiplied by m - k + 1, and is at least as large as those before it and at most 1.
    """
    order = np.argsort(p)
    factors = len(p) - np.arange(len(p))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(1, np.maximum.accumulate(np.asarray(p)[order] * factors))
    return corrected.tolist()


def aggregations(
    values: Sequence[float],
    groups: Mapping[str, Sequence[Any]] | None = None,
    repeated: Sequence[float] | None = None,
    decibels: bool = False,
) -> dict[str, float]:
    """A test set's scores made one number in several ways.

    Args:
        values: one score per image, (N,).
        groups: name -> the group of each image; each group counts as one image.
        repeated: share of the pixels of each image, 0 to 1, that an earlier image has too, (N,).
        decibels: whether the values are PSNRs, whose mean squared errors can be averaged.

    Returns:
        Aggregation -> value, "mean" first: median, means without a share of the images at each end, means over groups,
        the PSNR of the mean squared error, and the mean with weights 1 - repeated where some pixel is repeated.
    """
    values = np.asarray(values, float)
    found = {"mean": values.mean(), "median": np.median(values)}
    found |= {f"trimmed {share} %": trim_mean(values, share / 100) for share in (10, 25)}
    for name, group in (groups or {}).items():
        sums, counts = sums_by_source(values, group)
        found[f"mean over {name}"] = (sums / counts).mean()
    if decibels:
        with np.errstate(divide="ignore"):  # no error at all: infinite
            found["PSNR of the mean MSE"] = -10 * np.log10((10 ** (-values / 10)).mean())
    if repeated is not None and np.any(repeated):
        found["each pixel once"] = np.average(values, weights=1 - np.asarray(repeated))
    return {name: float(value) for name, value in found.items()}


def rank_correlation(values: Sequence[float], others: Sequence[float]) -> float:
    """Spearman's rho; not a number where one of both has no order."""
    return float(spearmanr(values, others).statistic) if min(map(len, map(set, (values, others)))) > 1 else np.nan


def _differences(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # infinity minus itself
        return np.where(values == reference, 0.0, values - reference)


def _settings(settings: Mapping[str, Any]) -> tuple[float, int, int]:
    return settings["confidence"], settings["resamples"], settings["seed"]
