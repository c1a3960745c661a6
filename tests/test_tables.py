"""Tables: means and intervals by closed form, marks of the best, three renderings of one source."""

import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from rssr.metrics.statistics import mean_interval
from rssr.tables.cost import complexity
from rssr.tables.quality import quality, significance
from rssr.tables.table import Column, Table, ranks

SETTINGS = {"resamples": 2000, "confidence": 0.95, "seed": 0}


def test_interval_is_the_normal_one_for_many_images():
    values = np.random.default_rng(0).normal(30, 2, 2000)
    mean, low, high = mean_interval(values, SETTINGS)
    half = 1.96 * values.std(ddof=1) / len(values) ** 0.5
    assert mean == values.mean()
    assert (mean - low, high - mean) == pytest.approx((half, half), rel=0.1)
    assert mean_interval(values, SETTINGS) == (mean, low, high)  # the seed fixes it


def test_interval_of_few_equal_infinite_or_missing_scores():
    assert mean_interval(np.array([3.0]), SETTINGS) == (3, 3, 3)
    assert mean_interval(np.array([3.0, 3.0]), SETTINGS) == (3, 3, 3)
    assert mean_interval(np.array([3.0, np.inf]), SETTINGS) == (np.inf,) * 3
    assert np.isnan(mean_interval(np.array([3.0, np.nan]), SETTINGS)).all()


def test_ranks_are_of_the_printed_numbers():
    values = pd.Series([28.701, 28.699, 28.5, np.nan])
    assert ranks(values, 2, "higher") == [1, 1, 2, 0]
    assert ranks(values, 3, "higher") == [1, 2, 3, 0]
    assert ranks(values, 2, "lower") == [2, 2, 1, 0]
    assert ranks(values, 2, None) == [0] * 4
    assert ranks(values[:1], 2, "higher") == [0]


def table():
    numbers = pd.DataFrame({"label": ["A_1", "B", "C"], "psnr": [28.7, 28.7, 27.0], "low": [np.nan] * 3})
    return Table(
        numbers,
        [Column("psnr", "PSNR (dB) ↑", 2, "higher"), Column("low", "LPIPS ↓", 4, "lower")],
        "100 % & more.",
        ["A note."],
    )


def test_three_renderings_of_one_source(tmp_path):
    table().write(tmp_path / "t")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t.csv"), table().numbers)
    markdown = (tmp_path / "t.md").read_text()
    assert "100 % & more." in markdown and "- A note." in markdown
    assert markdown.count("**28.70**") == 2 and "<u>27.00</u>" in markdown and markdown.count("–") == 3
    latex = (tmp_path / "t.tex").read_text()
    for part in (
        r"\toprule",
        r"A\_1",
        r"\textbf{28.70}",
        r"\underline{27.00}",
        r"100 \% \& more.",
        r"$\uparrow$",
        "--",
    ):
        assert part in latex


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no TeX engine on this machine")
def test_latex_compiles(tmp_path):
    table().write(tmp_path / "t")
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{t}\end{document}"
    (tmp_path / "d.tex").write_text(document)
    result = subprocess.run(["pdflatex", "-halt-on-error", "d.tex"], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-2000:]


def test_quality_table():
    scores = {
        "a": pd.DataFrame({"image": ["x", "y"], "psnr_y": [30.0, 32.0], "lpips": [np.nan, np.nan]}),
        "b": pd.DataFrame({"image": ["x", "y"], "psnr_y": [29.0, 31.0], "lpips": [np.nan, np.nan]}),
    }
    models = {"a": {"label": "Net A", "notes": ["somebody's"]}, "b": {"label": "Net B", "notes": []}}
    made = quality(scores, models, "A set, x4", SETTINGS)
    assert made.numbers["psnr_y"].tolist() == [31, 30]
    text = made.markdown()
    assert "A set, x4. Mean over 2 images" in text and "peak 255" in text and "- Net A: somebody's" in text
    assert "**31.00** [30.00, 32.00]" in text and "<u>30.00</u> [29.00, 31.00]" in text
    assert "Δ" not in text and "psnr_y_spread" not in made.numbers


def test_quality_table_shows_how_far_seeds_are_apart():
    scores = {name: pd.DataFrame({"image": ["x", "y"], "psnr_y": [30.0, 32.0]}) for name in ("a", "b")}
    models = {name: {"label": name, "notes": []} for name in scores}
    made = quality(scores, models, "A set", SETTINGS, {"a": {}, "b": {"psnr_y": [31.0, 31.0625, 30.9375]}})
    assert np.isnan(made.numbers["psnr_y_spread"][0]) and made.numbers["psnr_y_spread"][1] == 0.125
    text = made.markdown()
    assert text.count("Δ0.125") == 1 and "over 3 seeds" in text
    assert r"$\Delta$0.125" in made.latex("t")


def test_published_values_stand_beside_the_measured_ones():
    scores = {name: pd.DataFrame({"image": ["x", "y"], "psnr_y": [30.0, 32.0]}) for name in ("a", "b")}
    models = {name: {"label": name.upper(), "notes": []} for name in scores}
    value = {"model": "a", "metric": "psnr_y", "value": "30.50", "source": "a paper", "agrees": "no", "why": "crop 0"}
    made = quality(scores, models, "A set", SETTINGS, published=[value, value | {"metric": "lpips"}])
    assert made.numbers["psnr_y_difference"][0] == 0.5 and np.isnan(made.numbers["psnr_y_difference"][1])
    text = made.markdown()
    assert "PSNR-Y published" in text and "| 30.50 | 0.50 | no |" in " ".join(text.split())
    assert "- A, PSNR-Y (dB): 30.50 published (a paper). Protocols agree: no (crop 0)." in text
    assert "LPIPS" not in text and "published" not in quality(scores, models, "A set", SETTINGS).markdown()


def test_significance_table():
    rng = np.random.default_rng(0)
    base = rng.normal(30, 2, 60)
    columns = {"psnr_y": base, "ssim_y": base / 40, "lpips": [np.nan] * 60}
    scores = {
        "a": pd.DataFrame(columns),
        "better": pd.DataFrame(columns | {"psnr_y": base + rng.normal(0.5, 0.1, 60)}),
        "same": pd.DataFrame(columns),
    }
    models = {name: {"label": name.capitalize(), "notes": []} for name in scores}
    made = significance(scores, models, "A set", SETTINGS, "a")
    rows = made.numbers.set_index(["model", "metric"])
    assert len(rows) == 4, "two methods by two metrics; a metric without scores has no row"
    won = rows.loc[("better", "PSNR-Y (dB)")]
    assert won["difference_low"] < won["difference"] < won["difference_high"] and won["won_percent"] == 100
    assert won["p_holm"] == pytest.approx(4 * won["p"]) and won["p_shown"] == "< 0.001"
    assert rows.loc[("same", "SSIM-Y"), ["difference", "p_holm", "won_percent"]].tolist() == [0, 1, 50]
    assert "minus A on the same 60 images" in made.markdown()
    assert significance({"a": scores["a"]}, models, "A set", SETTINGS, "a").markdown()


def profile(samples, **changes):
    latency = {
        "samples_ms": samples,
        "peak_memory_mb": 12.5,
        "images_per_s": 1.0,
        "megapixels_per_s": 0.1,
        "device": "CPU (x)",
        "device_type": "cpu",
        "threads": 2,
        "backend": "PyTorch eager",
    }
    facts = {"parameters": 1500, "macs": {"total": 4_331_520}, "input_shape": [1, 3, 16, 16]}
    machine = {"machine": {"processor": "A chip"}, "libraries": {"torch": "2.14.1"}}
    return facts | machine | {"latency": latency | {"precision": "float32"} | changes}


def test_complexity_table():
    profiles = {"a": profile([1.0, 2.0, 1.1]), "b": profile([3.0, 3.0, 3.0]), "c": profile([4.0, 4.0, 4.0], threads=1)}
    models = {name: {"label": name.upper(), "notes": []} for name in profiles}
    assert "Published" not in complexity(profiles, models).markdown()
    models["a"]["published"] = {"parameters_m": "0.0", "source": "a paper", "without": ["table"]}
    text = complexity(profiles, models).markdown()
    assert (
        "Published (M)" in text and "| 0.0 |" in " ".join(text.split()) and "A: parameters published in a paper" in text
    )
    assert "1x3x16x16, float32, on A chip, 2 threads, PyTorch 2.14.1" in text
    assert "0.004" in text and "**1.1** [1.0, 1.9]" in text and "<u>3.0</u>" in text
    assert "C was measured at" in text and "1 threads" in text and "not comparable" in text
    assert "its calls spread" not in text
    disturbed = complexity({"a": profile([1.0, 1.0, 9.0])}, models).markdown()
    assert "A: its calls spread from 1.0 to 8.2 ms" in disturbed
