"""Colours, axes and texts that all figures share."""

import matplotlib.pyplot as plt
import pandas as pd
from PIL import Image

from rssr.render.figures.scores import win_rate
from rssr.render.figures.style import WIDTH, log_ticks, logarithmic, save, style_of, wrapped
from rssr.render.figures.training import training_curves


def test_methods_look_different_and_nobody_looks_as_hr():
    looks = [style_of(index) for index in range(30)]
    assert len({(look["color"], look["marker"]) for look in looks}) == 30
    assert len({(look["color"], look["linestyle"]) for look in looks}) == 30
    assert "black" not in {look["color"] for look in looks}


def test_ticks_of_a_logarithmic_axis():
    figure, axis = plt.subplots()
    logarithmic(axis.xaxis, [1e-6, 1e7])
    axis.set_xticks([1e-6, 2e-5, 0.0001, 0.02, 1, 50000, 1e5, 3e7])
    labels = [label.get_text() for label in axis.get_xticklabels()]
    assert labels == ["10⁻⁶", "2·10⁻⁵", "0.0001", "0.02", "1", "50000", "10⁵", "3·10⁷"]
    plt.close(figure)
    assert log_ticks(0.8, 1200) == [1, 10, 100, 1000]
    assert log_ticks(0.9, 12) == [1, 2, 5, 10]
    assert log_ticks(0.11, 0.46) == [0.2, 0.3]
    for low, high in ((1e-9, 1e9), (1.01, 4.1), (0.021, 0.084), (3, 13), (1e-3, 0.9), (1.1, 99), (4.9, 210)):
        ticks = log_ticks(low, high)
        assert 2 <= len(ticks) <= 5 and low <= ticks[0] < ticks[-1] <= high


def test_texts_are_broken_where_they_do_not_fit():
    assert wrapped("Bicubic", 2) == "Bicubic"
    assert wrapped("two words", 0.4).split("\n") == ["two", "words"]
    assert "".join(wrapped("W" * 40, 1).split("\n")) == "W" * 40
    assert wrapped("", 1) == ""


def test_a_curve_of_one_row_is_a_point():
    rows = pd.DataFrame({"iteration": [5, 9], "loss": [0.2, 0.1], "learning_rate": [1e-3, 1e-4]})
    for count, marked in ((1, True), (2, False)):
        figure = training_curves([("net", rows[:count])], {"net": {"label": "Net"}})
        assert all((axis.lines[-1].get_marker() != "none") is marked for axis in figure.axes)
        plt.close(figure)


def test_hundreds_of_methods_fit_into_a_file(tmp_path):
    save(plt.figure(figsize=(1, 300)), tmp_path / "tall")  # 90 000 pixels at 300 dpi
    with Image.open(tmp_path / "tall.png") as image:
        assert image.height == 60_000
    models = {f"m{index}": {"label": f"Method {index}"} for index in range(300)}
    scores = {name: pd.DataFrame({"psnr_y": [30.0 + index, 31.0]}) for index, name in enumerate(models)}
    figure = win_rate(scores, models, "psnr_y")
    assert not figure.axes[0].texts and len(figure.axes[0].get_xticks()) == 300
    assert figure.get_figwidth() <= WIDTH
    plt.close(figure)
