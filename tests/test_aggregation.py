"""Aggregations of scores by closed form, and which of them change the winner."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from objects import a_test_set

from rssr.base.files import write_csv
from rssr.metrics.protocol import BASE, CHOICES
from rssr.metrics.statistics import aggregations, rank_correlation
from rssr.render.scores import repeated
from rssr.render.tables.aggregation import aggregation
from rssr.render.tables.quality import quality

SETTINGS = {"resamples": 100, "confidence": 0.95, "seed": 0, "reference": None}
MODELS = {name: {"label": name.upper(), "notes": []} for name in "abc"}
# The mean of a is the higher one, by one image of ten.
A, B = np.array([20.0] * 9 + [60.0]), np.array([22.0] * 10)


def frames(**psnr):
    images = [f"{'pq'[number > 4]}/{number}" for number in range(10)]
    return {
        name: pd.DataFrame({"image": images, "unit": images, "psnr_y": values, "ssim_y": values / 100})
        for name, values in psnr.items()
    }


def test_aggregations_by_hand():
    values = [0.0, *range(10, 28), 1000.0]
    found = aggregations(values, {"classes": ["p"] * 19 + ["q"]}, [0.5] + [0.0] * 19)
    middle = range(10, 28)
    assert list(found)[0] == "mean" and found["mean"] == pytest.approx((sum(middle) + 1000) / 20)
    assert found["median"] == 18.5 == found["trimmed 10 %"] == found["trimmed 25 %"]
    assert found["mean over classes"] == pytest.approx((sum(middle) / 19 + 1000) / 2)
    assert found["each pixel once"] == pytest.approx((sum(middle) + 1000) / 19.5)
    skewed = aggregations([*range(9), 100.0])
    assert skewed["trimmed 10 %"] == pytest.approx(sum(range(1, 9)) / 8)
    assert skewed["trimmed 25 %"] == pytest.approx(sum(range(2, 8)) / 6)
    assert aggregations([1.0, 2.0], repeated=[0, 0]).keys() == {"mean", "median", "trimmed 10 %", "trimmed 25 %"}


def test_squared_errors_are_pooled():
    errors = np.array([4.0, 16.0, 100.0])
    psnr = 10 * np.log10(255**2 / errors)
    found = aggregations(psnr, decibels=True)["PSNR of the mean MSE"]
    assert found == pytest.approx(10 * math.log10(255**2 / 40))
    assert aggregations([math.inf, 20.0], decibels=True)["PSNR of the mean MSE"] == pytest.approx(
        20 + 10 * math.log10(2)
    )
    assert aggregations([math.inf] * 2, decibels=True)["PSNR of the mean MSE"] == math.inf


def test_spearmans_rho():
    assert rank_correlation([1, 2, 3], [1, 30, 2]) == pytest.approx(0.5)
    assert rank_correlation([1, 2, 3], [9, 4, 1]) == pytest.approx(-1)
    assert math.isnan(rank_correlation([1, 1], [1, 2])) and math.isnan(rank_correlation([1], [2]))


def test_the_table_names_what_changes_the_winner():
    made = aggregation(frames(a=A, b=B), MODELS, a_test_set(classes=r"^(\w)/"))
    rows = made.numbers.set_index(["metric", "label"])
    psnr = rows.loc["PSNR-Y (dB)"]
    assert psnr["best"].to_dict() == {
        **{"mean": "A", "mean over classes": "A"},
        **dict.fromkeys(["median", "trimmed 10 %", "trimmed 25 %", "PSNR of the mean MSE"], "B"),
    }
    assert (psnr["changed"] == "yes").tolist() == (psnr["best"] == "B").tolist() == (psnr["rho"] < 0).tolist()
    assert psnr.loc["mean", ["score", "lead", "score/b"]].tolist() == [24, 2, 22]
    assert psnr.loc["median", ["score", "lead", "score/a"]].tolist() == [22, 2, 20]
    assert "PSNR of the mean MSE" not in rows.loc["SSIM-Y"].index
    by = "median (B), trimmed 10 % (B), trimmed 25 % (B)"
    assert made.notes == [
        f"PSNR-Y (dB): A is best by mean; the winner changes by {by}, PSNR of the mean MSE (B)",
        f"SSIM-Y: A is best by mean; the winner changes by {by}",
    ]
    assert "; over classes, each of them counts as one image; PSNR of the mean MSE averages" in made.caption
    assert made.markdown().count("Aggregation") == 1 and "each pixel once" not in made.caption
    same = aggregation(frames(a=A, b=A - 1), MODELS, a_test_set())
    assert "counts as one image" not in same.caption
    assert same.notes[0] == "PSNR-Y (dB): A is best by mean; no choice changes the winner"
    assert same.numbers["rho"].tolist() == pytest.approx([1] * 9) and set(same.numbers["changed"]) == {"no"}
    tied = aggregation(frames(a=A, b=A), MODELS, a_test_set()).numbers
    assert set(tied["best"]) == {"A and B"} and set(tied["lead"]) == {0}
    alone = aggregation(frames(a=A), MODELS, a_test_set())
    assert not alone.notes and alone.numbers["lead"].isna().all() and set(alone.numbers["best"]) == {"A"}


def test_tiles_that_overlap_count_each_pixel_once(tmp_path):
    sides = {"left": 0, "top": 8, "right": 10, "bottom": 18, "source": "s"}
    shares = [0] * 9 + [75]
    rows = [sides | {"image": f"{'pq'[n > 4]}/{n}", "repeated": share} for n, share in enumerate(shares)]
    write_csv(tmp_path / "manifest.csv", rows)
    found = repeated(tmp_path / "manifest.csv")
    assert list(found.values()) == [0] * 9 + [0.75]
    made = aggregation(frames(a=A, b=B), MODELS, a_test_set(), found)
    once = made.numbers.set_index(["metric", "label"]).loc[("PSNR-Y (dB)", "each pixel once")]
    assert once["best"] == "B" and once["score/a"] == pytest.approx((9 * 20 + 60 / 4) / 9.25)
    assert "(7.5 % of the scored pixels are in one too)" in made.caption
    of = frames(a=np.arange(10.0))
    captions = [quality(of, MODELS, a_test_set(), SETTINGS, repeated=share).caption for share in (0.075, 0.0)]
    said = " Tiles overlap: 7.5 % of the scored pixels lie in an earlier tile too."
    assert said in captions[0] and captions[0].replace(said, "") == captions[1]


def test_audited_protocols_follow_where_several_methods_are_audited():
    measured = pd.DataFrame(itertools.product(*CHOICES.values()), columns=list(CHOICES)).assign(psnr=30.0, ssim=0.9)
    other = measured.assign(psnr=np.where(measured["colour"] == "rgb", 31.0, 29.0), ssim=0.8)
    made = aggregation(frames(a=A, b=B), MODELS, a_test_set(), audits={"a": measured, "b": other})
    rows = made.numbers[made.numbers["metric"] == "PSNR (dB), audit"].set_index("label")
    assert len(rows) == 1 + sum(len(options) - 1 for options in CHOICES.values())
    assert rows.index[0] == "stated protocol" and rows.index[rows["changed"] == "yes"].tolist() == ["colour rgb"]
    assert rows.loc["colour rgb", ["best", "lead"]].tolist() == ["B", 1] and BASE["colour"] != "rgb"
    assert rows["rho"].tolist() == pytest.approx(np.where(rows.index == "colour rgb", -1, 1))
    assert "PSNR (dB), audit: A is best by stated protocol; the winner changes by colour rgb (B)" in made.notes
    assert made.notes[-1] == "SSIM, audit: A is best by stated protocol; no choice changes the winner"
    alone = aggregation(frames(a=A, b=B), MODELS, a_test_set(), audits={"a": measured})
    assert "audit" not in alone.markdown().lower()
