"""Intervals, tests and ranks over source images, by closed form and by simulation."""

import math

import numpy as np
import pandas as pd
import pytest
from objects import a_test_set
from scipy.stats import norm

from rssr.base.files import write_csv
from rssr.metrics.statistics import (
    all_pairs,
    holm,
    interval,
    over_seeds,
    p_value,
    paired,
    ranks,
    sign_flip,
    smallest_p,
    win_rates,
)
from rssr.render.tables.aggregation import aggregation
from rssr.render.tables.comparison import significance, standing
from rssr.render.tables.quality import quality
from rssr.render.tables.scored import by_seed

SETTINGS = {"resamples": 2000, "confidence": 0.95, "seed": 0, "reference": None}


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1, 1]
    assert holm([0.2]) == [0.2] and holm([]) == []


def test_signs_of_sources_are_flipped():
    """Five images that are all won: the exact two-sided p is 2 / 2^5, however many tiles are cut from each."""
    reference = np.array([20.0, 21, 22, 23, 24])
    values = reference + [0.1, 0.2, 0.3, 0.4, 0.5]
    found = paired(values, reference, "higher", SETTINGS)
    assert found["p"] == 2 / 2**5 == smallest_p(range(5)) and found["won"] == 1
    assert found["difference"] == pytest.approx(0.3)
    assert paired(values, reference, "lower", SETTINGS)["won"] == 0
    assert sign_flip(np.repeat(values - reference, 20), np.repeat(range(5), 20)) == 2 / 2**5
    assert sign_flip([0.1, -0.1, 0.0]) == 1 and sign_flip([1.0, 2, 3, -0.5]) == 4 / 2**4  # sums of 6.5 and 5.5
    # Above 16 sources, the normal limit: close to the exact one of 16.
    draws = np.random.default_rng(3).normal(0.5, 1, 16)
    limit = 2 * norm.sf(abs(draws.sum()) / np.sqrt((draws**2).sum()))
    assert sign_flip(draws) == pytest.approx(limit, rel=0.1) and sign_flip([*draws, 1e-9]) == pytest.approx(limit)
    assert smallest_p(["a"] * 4 + ["b"], comparisons=6) == 3 and smallest_p(range(17)) == 0


def test_the_interval_is_the_normal_one_and_pairs_take_the_spread_of_images_out():
    rng = np.random.default_rng(1)
    reference = rng.normal(30, 5, 1500)
    values = reference + rng.normal(0.2, 1, 1500)
    found = paired(values, reference, "higher", SETTINGS)
    half = 1.96 * (values - reference).std(ddof=1) / 1500**0.5
    assert found["difference_high"] - found["difference"] == pytest.approx(half, rel=0.1)
    assert found["won"] == pytest.approx(norm.cdf(0.2), abs=0.04) and found["p"] < 1e-6


def test_intervals_that_do_not_exist():
    assert np.isnan(interval([1.0, 2, 3, 4])).all()  # too few sources
    assert np.isnan(interval([1.0] * 9 + [2])).all()  # most resamples have no spread
    assert np.isnan(interval([np.inf, 1, 2, 3, 4, 5])).all() and interval([2.0] * 9) == (2, 2)
    same = np.array([30.0, np.inf, 31.0])
    found = paired(same, same, "higher", SETTINGS)
    assert (found["difference"], found["p"], found["won"]) == (0, 1, 0.5)
    found = paired(np.array([np.inf, 31.0]), np.array([30.0, 30.0]), "higher", SETTINGS)
    assert found["difference"] == np.inf and found["won"] == 1 and 0 < found["p"] <= 1


def test_methods_that_cannot_be_told_apart_share_a_rank():
    """Ten sources: the third is far below the first two, which differ by noise."""
    rng = np.random.default_rng(4)
    base = rng.normal(30, 3, 10)
    scores = np.array([base, base + rng.normal(0, 0.1, 10), base - 1 - rng.random(10)])
    p = all_pairs(scores, None, SETTINGS)
    assert ranks(scores, "higher", p) == [1, 1, 3] and ranks(-scores, "lower", p) == [1, 1, 3]
    assert p[0, 2] == pytest.approx(3 * 2 / 2**10) and (p == p.T).all() and (np.diag(p) == 1).all()
    frames = {
        name: pd.DataFrame({"image": range(10), "unit": range(10), "psnr_y": row})
        for name, row in zip("abc", scores, strict=True)
    }
    models = {name: {"label": name.upper(), "notes": []} for name in "abc"}
    metric, found, said = standing(frames, models, SETTINGS)
    assert (metric, found) == ("psnr_y", [1, 1, 3]) and "share the first rank" in said and "10 sources" in said
    few = {name: frame.head(5) for name, frame in frames.items()}
    assert np.isnan(standing(few, models, SETTINGS)[1]).all()
    text = standing(few, models, SETTINGS)[2]
    assert "methods cannot be ranked with 5 sources" in text and "% interval" in text and "resolved" not in text
    assert said.endswith("Training seeds were not varied: differences hold for these weights.")
    interpolations = {name: row | {"weightless": True} for name, row in models.items()}
    for rows, weights in ((interpolations, False), (interpolations | {"c": models["c"]}, True)):
        for text in (standing(frames, rows, SETTINGS)[2], significance(frames, rows, a_test_set(), SETTINGS).caption):
            assert ("these weights." in text) == weights and "  " not in text and ".." not in text
    assert "1 source, with which no p" in standing({n: f.head(1) for n, f in frames.items()}, models, SETTINGS)[2]
    two = {name: frames[name] for name in "ab"}
    assert "correction over 1 pair tells" in standing(two, models, SETTINGS)[2]
    assert standing({"a": frames["a"]}, models, SETTINGS)[2] == ""
    rows = significance(frames, models, a_test_set(), SETTINGS | {"reference": "b"}).numbers
    assert rows[["label", "against"]].values.tolist() == [["A", "B"], ["C", "B"]]
    assert rows["p_holm"][1] == pytest.approx(2 * 2 / 2**10)  # two comparisons


def test_a_caption_says_what_intervals_and_p_cannot():
    base = np.random.default_rng(0).normal(30, 3, 20)
    models = {name: {"label": name.upper(), "notes": []} for name in "abc"}
    said = {}
    for sources in (4, 5, 20):
        of = base[:sources]
        columns = {"image": range(sources), "unit": range(sources)}
        frames = {n: pd.DataFrame(columns | {"psnr_y": of * f}) for n, f in {"a": 1, "b": 1.1, "c": 0.9}.items()}
        said[sources] = significance(frames, models, a_test_set(), SETTINGS).caption
    of_intervals = "Each interval stands by itself, not corrected for their number as p is, and may go beyond"
    assert [of_intervals in caption for caption in said.values()] == [False, True, True]
    times = "times the number of comparisons"
    assert f"With 5 sources no p is below 0.0625, {times}: 0.188 after Holm's correction over 3 pairs." in said[5]
    assert f"With 4 sources no p is below 0.125, {times}: 0.375 after" in said[4] and times not in said[20]
    against = significance(frames, models, a_test_set(), SETTINGS | {"reference": "a"}).caption
    assert of_intervals in against and "over the rows of a metric" in against


def test_equal_methods_are_not_ahead_of_each_other():
    psnr = np.random.default_rng(0).normal(30, 3, 10)
    frames = {
        name: pd.DataFrame({"image": range(10), "unit": range(10), "psnr_y": psnr - (name == "d")}) for name in "abcd"
    }
    models = {name: {"label": name.upper(), "notes": []} for name in frames}
    said = standing(frames, models, SETTINGS)[2]
    assert "A, B and C share the first rank; A, B and C have the best mean; p below" in said
    few = {name: frame.head(5) for name, frame in frames.items()}
    said = standing(few, models, SETTINGS)[2]
    assert said.startswith("By PSNR-Y, A, B and C have the best mean; methods cannot be ranked with 5 sources, with")
    assert "ahead" not in said and "interval" not in said
    note = next(note for note in aggregation(frames, models, a_test_set()).notes if "PSNR-Y" in note)
    assert note == "PSNR-Y (dB): A and B and C are best by mean; no choice changes the winner"


@pytest.mark.parametrize(("count", "words"), [(1, "1 image,"), (2, "2 images,")])
def test_a_caption_counts_images_in_words(count, words):
    frames = {"a": pd.DataFrame({"image": range(count), "unit": range(count), "psnr_y": 30.0})}
    said = quality(frames, {"a": {"label": "A", "notes": []}}, a_test_set(), SETTINGS).caption
    assert f"Mean over {words}" in said


def seeded_scores(rng, seeds, sources):
    """The scores of methods that differ by seed noise alone, four tiles per source: of each (seeds, images)."""
    units = np.repeat(range(sources), 4)
    base = rng.normal(30, 3, sources)[units] + rng.normal(0, 1, len(units))
    found = []
    for count in seeds:
        own = 0.05 * rng.normal(size=(count, 1)) * (count > 1) + 0.05 * rng.normal(size=sources)[units]
        found.append(base + own + 0.03 * rng.normal(size=(count, len(units))))
    return found, units


@pytest.mark.parametrize("seeds", [(3, 3), (5, 5), (5, 3), (5, 1)])
def test_methods_that_differ_by_seed_noise_are_called_different_in_five_percent(seeds):
    """Over sources alone it would be above 20 %; the interval of the difference covers zero as often as p says."""
    rng, settings, called = np.random.default_rng(6), SETTINGS | {"resamples": 499}, np.zeros(3)
    for _ in range(600):
        (one, other), units = seeded_scores(rng, seeds, 20)
        found = paired(one, other, "higher", settings, units)
        outside = not found["difference_low"] <= 0 <= found["difference_high"]
        called += [found["p"] < 0.05, outside, sign_flip(one.mean(0) - other.mean(0), units) < 0.05]
    assert (called[:2] >= 18).all() and (called[:2] <= 42).all() and called[2] > 120, called / 600


def test_seeds_are_resampled_and_draws_are_not():
    """A difference far beyond the seeds' spread is found; one within it is not, though every source agrees on it."""
    (one, other), units = seeded_scores(np.random.default_rng(2), (5, 5), 20)
    other[:] = one + [[0.3], [-0.2], [0.2], [0.1], [-0.1]]
    assert sign_flip((other - one).mean(0), units) < 1e-4 and p_value(one, other, units, SETTINGS) > 0.3
    assert p_value(one + 5, other, units, SETTINGS) < 0.01 and p_value(one, one, units, SETTINGS) == 1
    assert p_value(one[:1], other[:1], units, SETTINGS) == sign_flip((one - other)[0], units)
    assert np.isnan(over_seeds(one, other, [0] * 80)[:2]).all() and over_seeds(one, other, [0] * 80)[2] == 1
    assert over_seeds(one * np.inf, other, units)[2] == 1
    low, high, p = over_seeds(one, other, units)
    assert over_seeds(other, one, units) == (-high, -low, p)
    again = over_seeds(np.tile(one, 7), np.tile(other, 7), np.tile(units, 7))  # copies of tiles tell nothing more
    assert again == pytest.approx(over_seeds(one, other, units))

    def frame(of):
        return pd.DataFrame({"image": range(80), "unit": units, "psnr_y": of})

    drawn = {"seed1": frame(one[0]), "seed1_draw1": frame(one[0] + 0.5), "seed2": frame(one[1])}
    scores = {"net": frame(np.mean([part["psnr_y"] for part in drawn.values()], 0)), "other": frame(other[0])}
    found = by_seed(scores, {"net": drawn, "other": {}}, "psnr_y")
    assert found["net"] == pytest.approx(np.stack([one[0] + 0.25, one[1]])) and found["other"].shape == (1, 80)
    single = by_seed(scores, {"net": {name: drawn[name] for name in ("seed1", "seed1_draw1")}}, "psnr_y")
    assert len(single["net"]) == 1
    models = {name: {"label": name.upper(), "notes": []} for name in scores}
    said = standing(scores, models, SETTINGS, {"net": drawn, "other": {}})[2]
    assert "exceed the spread between the training seeds of NET (2), by a hierarchical bootstrap-t" in said
    assert "too few" not in said
    five = {f"seed{number}": frame(row) for number, row in enumerate(one)}
    for parts, shown in ((drawn, False), (five, True)):  # resamples of two seeds have too often no spread
        given = {"net": parts, "other": {}}
        made = significance(scores, models, a_test_set(), SETTINGS, given)
        assert made.pairs["difference_low"].notna().any() == shown == ("% interval (" in made.caption)
        for text in (made.caption, standing(scores, models, SETTINGS, given)[2]):
            assert "bootstrap-t over seeds and sources" in text and ("which also gives its interval" in text) == shown
    few = standing(scores, models, SETTINGS | {"resamples": 18}, {"net": drawn, "other": {}})[2]
    assert few.endswith("; 18 resamples are too few for it to tell methods apart after Holm's correction."), "1 / 19"


def test_all_pairs_are_a_matrix_of_which_the_csv_has_a_row_each(tmp_path):
    """Three methods: differences below the diagonal, p above it, in all renderings; of thirteen each with the best."""
    base = np.arange(10.0)
    frames = {
        name: pd.DataFrame({"image": range(10), "unit": range(10), "psnr_y": base + shift})
        for name, shift in zip("abc", (0, 1, -1), strict=True)
    }
    models = {name: {"label": name.upper(), "notes": []} for name in "abc"}
    significance(frames, models, a_test_set(), SETTINGS).write(tmp_path / "t")
    rows = pd.read_csv(tmp_path / "t.csv")
    assert rows[["label", "against", "difference"]].values.tolist() == [["B", "A", 1], ["C", "A", -1], ["C", "B", -2]]
    p = "p\u00a00.0059"
    lines = [[cell.strip() for cell in line.split("|")[2:-1]] for line in (tmp_path / "t.md").read_text().splitlines()]
    assert [line for line in lines if line[:1] in (["Method"], ["A"], ["B"], ["C"])] == [
        ["Method", "A", "B", "C"],
        ["A", "–", p, p],
        ["B", "+1.0000 [+1.0000,\u00a0+1.0000]", "–", p],
        ["C", "-1.0000 [-1.0000,\u00a0-1.0000]", "-2.0000 [-2.0000,\u00a0-2.0000]", "–"],
    ]
    assert r"+1.0000 \\ {[}+1.0000," in (tmp_path / "t.tex").read_text()
    assert (tmp_path / "t.html").read_text().count(f"<td>{p}</td>") == 3
    many = {f"m{number}": frames["a"].assign(psnr_y=base + number) for number in range(13)}
    labels = {name: {"label": name, "notes": []} for name in many}
    made = significance(many, labels, a_test_set(), SETTINGS)
    assert made.numbers["against"].tolist() == ["m12"] * 12 and made.columns[0].label == "Against"


def test_infinite_and_missing_scores_survive_their_file_and_are_said(tmp_path):
    rows = [{"image": "a", "psnr_y": math.inf, "sam": math.nan}, {"image": "b", "psnr_y": 1 / 3, "sam": 2.0}]
    write_csv(tmp_path / "s.csv", rows)
    frame = pd.read_csv(tmp_path / "s.csv").assign(unit=["a", "b"])
    assert frame["psnr_y"].tolist() == [math.inf, 1 / 3] and frame["sam"].isna().tolist() == [True, False]
    models = {name: {"label": name.upper(), "notes": []} for name in ("m", "n")}
    whole = frame.assign(sam=1.0)
    notes = {
        "M, SAM (°): not a number for 1 of 2 images, such as black ones, so there is no mean",
        "M, PSNR-Y (dB): infinite for 1 of 2 images, where SR and HR are equal, so the mean is too; that of the others "
        "is 0.33",
    }
    for table in (
        quality({"m": frame, "n": whole}, models, a_test_set(), SETTINGS),
        significance({"m": frame, "n": whole}, models, a_test_set(), SETTINGS),
    ):
        assert notes <= set(table.notes)
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
