"""Tables of quality and significance: means over replicates, intervals, spreads, classes, literature values."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from objects import a_test_set
from table_parts import NO_NOTES, by_test_set, cells, models, named, quality_numbers

from rssr.base.errors import UserError
from rssr.datasets import rsscn7
from rssr.render.scores import absent, read_replicates, read_scores
from rssr.render.tables.comparison import significance
from rssr.render.tables.quality import classes, quality, side_by_side
from rssr.render.tables.scored import not_computed, undefined

SETTINGS = {"resamples": 2000, "confidence": 0.95, "seed": 0, "reference": None}
AGAINST_A = SETTINGS | {"reference": "a"}


def scores(**psnr):
    """Scores as read_scores() gives them, each image a unit of its own."""
    return {
        name: pd.DataFrame({"image": range(len(of)), "unit": range(len(of)), "psnr_y": of, "lpips": np.nan})
        for name, of in psnr.items()
    }


def written_scores(folder, replicates):
    """A file of scores, with images whose names could be taken for numbers; replicate -> PSNR of its images."""
    rows = [
        {"image": image, "source": image, "replicate": replicate, "psnr_y": value, "lpips": None}
        for replicate, values in replicates.items()
        for image, value in zip(("007", "nan"), values, strict=True)
    ]
    pd.DataFrame(rows).to_csv(folder / "scores.csv", index=False)
    return folder / "scores.csv"


def test_scores_are_means_over_replicates(tmp_path):
    path = written_scores(tmp_path, {"seed0": [30.0, 32.0], "seed1": [31.0, 32.5]})
    frame = read_scores(path)
    assert frame.columns.tolist() == ["image", "unit", "psnr_y", "lpips"]
    assert frame["image"].tolist() == ["007", "nan"] and frame["psnr_y"].tolist() == [30.5, 32.25]
    assert frame["lpips"].isna().all()
    parts = read_replicates(path)
    assert {name: part["psnr_y"].tolist() for name, part in parts.items()} == {
        "seed0": [30.0, 32.0],
        "seed1": [31.0, 32.5],
    }
    made = quality({"a": frame}, models("a"), a_test_set(), SETTINGS, {"a": parts})
    assert made.numbers["psnr_y"][0] == 31.375 and made.numbers["psnr_y_spread"][0] == 0.75
    assert "Δ0.750" in made.markdown() and r"$\Delta$0.750" in made.latex("t")
    assert "<small>Δ0.750</small>" in made.html()
    assert "Δ: range of the means of 2 replicates; the mean is over them." in made.markdown()
    missing = read_scores(written_scores(tmp_path, {"seed0": [30.0, 32.0], "seed1": [None, 32.5]}))["psnr_y"]
    assert np.isnan(missing[0]) and missing[1] == 32.25, "no mean over those that happen to be there"


def test_one_replicate_changes_nothing(tmp_path):
    path = written_scores(tmp_path, {"0": [30.0, 32.0]})
    frame = read_scores(path)
    assert frame["image"].tolist() == ["007", "nan"] and frame["psnr_y"].tolist() == [30.0, 32.0]
    assert read_replicates(path) == {}
    given = quality({"a": frame}, models("a"), a_test_set(), SETTINGS, {"a": {}})
    plain = quality({"a": frame}, models("a"), a_test_set(), SETTINGS)
    assert given.markdown() == plain.markdown() and given.html() == plain.html()
    pd.testing.assert_frame_equal(given.numbers, plain.numbers)


def test_quality_by_class():
    images = ["p_1", "q_1", "p_2", "q_2"]
    scores = {
        "a": pd.DataFrame({"image": images, "unit": images, "psnr_y": [30.0, 20.0, 32.0, 24.0]}),
        "b": pd.DataFrame({"image": images, "unit": images, "psnr_y": [29.0, 21.0, 31.0, 25.0]}),
    }
    test = a_test_set(label="A set", classes="([pq])_")
    made = classes(scores, NO_NOTES, test, SETTINGS)
    assert made.title == "Quality by class: A set, x4, bicubic"
    assert made.numbers[["class", "model", "images", "psnr_y"]].values.tolist() == [
        *(["p", "a", 2, 31], ["p", "b", 2, 30]),
        *(["q", "a", 2, 22], ["q", "b", 2, 23]),
    ]
    text = made.markdown()
    assert "**31.00** |" in text and "**23.00**" in text and "<u>22.00</u>" in text
    assert f"{test.title}, by class. Mean over the images of a class" in text and "peak 255" in text


def test_every_image_of_rsscn7_has_its_class():
    for sources in rsscn7.DATA_SET.splits.values():
        found = pd.Series(sources).str.replace("/", "_").str.extract(rsscn7.DATA_SET.classes, expand=False)
        assert (found == [source.partition("/")[0] for source in sources]).all()


def test_all_test_sets_side_by_side():
    numbers = [quality_numbers(a=30.0, b=31.0), quality_numbers(a=20.0, b=np.nan)]
    tests = [named("s"), named("t")]
    made = side_by_side(by_test_set(tests, numbers), tests, NO_NOTES)
    backwards = dict(reversed(by_test_set(tests, numbers).items()))
    assert side_by_side(backwards, tests, NO_NOTES).markdown() == made.markdown(), "found by what they are"
    assert made.numbers[["s/psnr_y", "t/psnr_y"]].to_numpy().tolist()[0] == [30, 20]
    text = made.markdown()
    assert "All test sets, x4, LR by bicubic." in text and "S (7 images)<br>PSNR-Y (dB) ↑" in text
    assert "| 20.00 |" in re.sub(" +", " ", text) and "| – |" in re.sub(" +", " ", text)
    tests = [named("s"), named("s", "hard", 2)]
    several = side_by_side(by_test_set(tests, numbers), tests, NO_NOTES)
    assert several.numbers["conditions"].tolist() == ["x4 bicubic"] * 2 + ["x2 hard"] * 2
    assert "- x2 hard: x2, LR by hard." in several.markdown()


def test_quality_table():
    test = a_test_set(label="A set", conditions="x4, LR by bicubic")
    of = scores(a=[30.0, 32.0, 30.0, 32.0, 31.0], b=[29.0, 31.0, 29.0, 31.0, 30.0])
    made = quality(of, models("a", "b", a=["somebody's"]), test, SETTINGS)
    assert made.title == "Quality: A set, x4, bicubic"
    assert made.numbers["psnr_y"].tolist() == [31, 30]
    text = made.markdown()
    assert "A set, x4, LR by bicubic. Mean over 5 images" in text
    assert "peak 255" in text and "- A: somebody's" in text
    assert re.search(r"\*\*31\.00\*\* \[29\.\d\d, 32\.\d\d\]", text) and "<u>30.00</u> [28" in text
    assert "- By PSNR-Y, A has the best mean, ahead of B by 1.000 dB" in text and "Rank" not in text, "too few sources"
    assert "Δ" not in text and "psnr_y_spread" not in made.numbers
    assert "literature" not in text
    assert "LPIPS" not in text and "lpips" not in made.numbers, "nothing has a value, so it is no column"
    of["b"].loc[0, "lpips"] = 0.25
    assert [row[-1][2] for row in cells(quality(of, NO_NOTES, test, SETTINGS))] == ["–", "–"], "something has one"


def test_a_metric_without_scores_is_named_with_what_to_do(tmp_path):
    for name, found in (("a", {}), ("b", {"lpips": "there is no network: bring the file"})):
        (tmp_path / f"{name}.json").write_text(json.dumps({"absent": found}))
    notes = not_computed(absent(sorted(tmp_path.iterdir())))
    assert notes == ["LPIPS: not computed, because there is no network: bring the file"]


def of_seeds(*means):
    return {
        f"seed{number}": pd.DataFrame({"image": ["x", "y"], "psnr_y": [mean - 1, mean + 1]})
        for number, mean in enumerate(means)
    }


def test_quality_table_shows_how_far_replicates_are_apart():
    of = scores(a=[30.0, 32.0], b=[30.0, 32.0])
    made = quality(of, NO_NOTES, a_test_set(), SETTINGS, {"a": {}, "b": of_seeds(31.0, 31.0625, 30.9375)})
    assert np.isnan(made.numbers["psnr_y_spread"][0]) and made.numbers["psnr_y_spread"][1] == 0.125
    text = made.markdown()
    assert text.count("Δ0.125") == 1 and "of the means of 3 replicates" in text
    assert r"$\Delta$0.125" in made.latex("t")


def test_literature_values_stand_below_a_rule():
    of = scores(a=[30.0, 32.0], b=[30.0, 32.0])
    value = {"label": "A", "model": "a", "metric": "psnr_y", "value": "99.125", "citation": "a paper"}
    values = [
        value | {"agrees": "no", "why": "crop 0 there, 4 here"},
        value | {"label": "Net <Z>", "model": None, "agrees": "yes", "why": ""},
        value | {"metric": "lpips", "agrees": "yes", "why": ""},
    ]
    made, plain = (quality(of, NO_NOTES, a_test_set(), SETTINGS, literature=given) for given in (values, []))
    pd.testing.assert_frame_equal(made.numbers, plain.numbers)  # and so the CSV, and what reads it
    lines = [re.sub("[ -]+", " ", line) for line in made.markdown().splitlines()]
    rows = [line for line in lines if line.startswith("| ")][1:]
    assert [row.startswith(f"| {name} | **31.00**") for row, name in zip(rows[:2], "AB", strict=True)] == [True] * 2
    assert rows[2:] == [
        "| | |",
        "| A (in the literature) | 99.125 |",
        r"| Net \<Z> (in the literature, not measured here) | 99.125 |",
    ]
    assert "- A in the literature, PSNR-Y: a paper. Protocols agree: no (crop 0 there, 4 here)." in made.markdown()
    assert "LPIPS" not in made.markdown() and "literature" not in plain.markdown()
    assert re.search(r"\\midrule\nA \(in the literature\) & 99.125 .*\n.*99.125 .*\n\\bottomrule", made.latex("t"))
    below = re.search('<tbody class="below">\n(.*)\n</tbody>', made.html(), re.DOTALL)[1]
    assert '<th scope="row">Net &lt;Z&gt; (in the literature, not measured here)</th>' in below
    assert below.count('<td class="number">99.125</td>') == 2 and "data-value" not in below
    assert made.html().replace(f'\n</tbody>\n<tbody class="below">\n{below}', "").count("99.125") == 0


def test_significance_table():
    rng = np.random.default_rng(0)
    base = rng.normal(30, 2, 60)
    columns = {"unit": range(60), "psnr_y": base, "ssim_y": base / 40, "lpips": [np.nan] * 60}
    better = columns | {"psnr_y": base + rng.normal(0.5, 0.1, 60)}
    of = {"a": pd.DataFrame(columns), "better": pd.DataFrame(better), "same": pd.DataFrame(columns)}
    rows = models(*of)
    test = a_test_set(label="A set")
    made = significance(of, rows, test, AGAINST_A)
    assert made.title == "Significance: A set, x4, bicubic" and made.caption.startswith(f"{test.title}. ")
    found = made.numbers.set_index(["model", "metric"])
    assert len(found) == 4, "two methods by two metrics; a metric without scores has no row"
    assert "LPIPS" not in made.markdown()
    won = found.loc[("better", "PSNR-Y (dB)")]
    assert won["difference_low"] < won["difference"] < won["difference_high"] and won["won_percent"] == 100
    assert won["p_holm"] == pytest.approx(2 * won["p"]) and won["against"] == "A"
    assert "| < 0.0001 |" in re.sub(" +", " ", made.markdown())
    assert '<td class="number" data-value="0.0000">&lt; 0.0001</td>' in made.html() and "$<$ 0.0001" in made.latex("t")
    assert found.loc[("same", "SSIM-Y"), ["difference", "p_holm", "won_percent"]].tolist() == [0, 1, 50]
    assert "on the same 60 images" in made.markdown()
    assert significance({"a": of["a"]}, models("a"), test, AGAINST_A).markdown()


def test_a_difference_below_the_spread_of_seeds_is_said():
    means = {"a": 31.0, "close": 31.125, "far": 32.0, "single": 31.25}
    of = scores(**{name: [mean - 1, mean + 1] for name, mean in means.items()})
    replicates = {"a": of_seeds(30.875, 31.125), "close": of_seeds(31.0, 31.125, 31.25), "far": of_seeds(31.75, 32.25)}
    made = significance(of, models(*of), a_test_set(), AGAINST_A, replicates | {"single": {}})
    assert made.numbers["spread"].tolist() == [0.25, 0.5, 0.25]
    few = "2 sources, with which no p falls below 0.05 after Holm's correction over 3 pairs"
    assert made.notes == [
        f"No two methods can be told apart with {few}",
        "CLOSE and A, PSNR-Y: the difference is smaller than the spread of replicates",
    ]
    assert "Spread of replicates" in made.markdown()
    assert "pread" not in significance(of, models(*of), a_test_set(), AGAINST_A).markdown()


def test_a_folder_of_images_has_no_classes():
    frame = pd.DataFrame({"image": ["p/x", "q/y"], "unit": ["p/x", "q/y"], "psnr_y": [30.0, 32.0]})
    with pytest.raises(UserError, match="datasets.mine has no classes, so there is no table of them: ask for"):
        classes({"a": frame}, NO_NOTES, a_test_set("mine"), SETTINGS)


def test_no_caption_announces_an_interval_that_no_cell_has():
    for sources, there in ((2, False), (5, True)):
        units = [f"{number % sources}" for number in range(8)]
        frame = pd.DataFrame({"image": [f"p/{i}" for i in range(8)], "unit": units, "psnr_y": np.arange(30.0, 38.0)})
        of, test = {"a": frame, "b": frame.assign(psnr_y=frame["psnr_y"] ** 1.01)}, a_test_set(classes=r"^(\w)/")
        settings = SETTINGS | {"resamples": 99}
        made = [quality, classes, significance]
        for caption in (table(of, NO_NOTES, test, settings).caption for table in made):
            assert ("% interval" in caption) == there != (", too few sources for an interval" in caption), caption
    assert (
        "Mean over 8 images from 5 sources and its 95 % interval (boot" in quality(of, NO_NOTES, test, settings).caption
    )
    infinite = {"a": frame.assign(psnr_y=np.inf)}
    assert "interval" not in quality(infinite, NO_NOTES, test, settings).caption, "nor are its sources too few"


def test_spread_of_seeds_is_in_every_table_of_means():
    frame = pd.DataFrame({"image": ["p/x", "q/y"], "unit": ["p/x", "q/y"], "psnr_y": [30.0, 32.0]})
    parts = {"seed1": frame.assign(psnr_y=[29.875, 32.0]), "seed2": frame.assign(psnr_y=[30.125, 32.0])}
    test = a_test_set(classes=r"^(\w)/")
    by_class = classes({"a": frame}, NO_NOTES, test, SETTINGS, {"a": parts})
    assert by_class.numbers["psnr_y_spread"].tolist() == [0.25, 0] and "of 2 replicates" in by_class.caption
    numbers = quality({"a": frame}, NO_NOTES, test, SETTINGS, {"a": parts}).numbers
    beside = side_by_side({test.identity: numbers}, [test], NO_NOTES)
    assert "Δ0.125" in beside.markdown() and "Δ: range over replicates." in beside.caption


@pytest.mark.parametrize(
    ("scores", "said"), [([30.0, 32.0, np.inf], "; that of the others is 31.00"), ([np.inf] * 3, "")]
)
def test_an_infinite_mean_is_said_so(scores, said):
    frame = pd.DataFrame({"image": list("abc"), "psnr_y": scores})
    count = sum(map(np.isinf, scores))
    assert undefined({"net": frame}, {"net": {"label": "Net"}}) == [
        f"Net, PSNR-Y (dB): infinite for {count} of 3 images, where SR and HR are equal, so the mean is too{said}"
    ]
    assert undefined({"net": frame.assign(psnr_y=1.0)}, {"net": {"label": "Net"}}) == []
