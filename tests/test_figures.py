"""Figures: every text is inside, read in print and clear of the others, with few methods and with many; the bytes."""

import itertools
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

from rssr.metrics.protocol import CHOICES
from rssr.metrics.spectra import frequencies
from rssr.models.registry import build
from rssr.render.figures.architecture import architecture
from rssr.render.figures.cost import mlstm_growth, quality_cost
from rssr.render.figures.images import Sample, qualitative
from rssr.render.figures.networks import Attribution, attribution_maps, feature_maps
from rssr.render.figures.protocol import protocol_heat_map
from rssr.render.figures.scores import distributions, win_rate
from rssr.render.figures.spectra import spectra
from rssr.render.figures.style import HEIGHT, WIDTH, save
from rssr.render.figures.training import training_curves
from rssr.steps.architecture import describe
from rssr.steps.inside import dissected, shown_arrbs

LABELS = (
    *("Bicubic", "EDSR", "A method whose authors gave it a long name (trained on two data sets, one minute)"),
    *("a_name_without_a_space_that_is_longer_than_all_room_there_is", "$x$ & 50 %", "LSTMConvSR-S", "SwinIR"),
    *("MambaIRv2", "LSTMConvSR-XXS (one minute)", "HAT", "Lanczos", "Nearest neighbours"),
)


class Case:
    """What figures of a number of methods are drawn from. The first method has no parameters."""

    def __init__(self, count: int) -> None:
        random = np.random.default_rng(0)
        self.models = {f"m{index}": {"label": label} for index, label in enumerate(LABELS[:count])}
        hard = random.normal(27, 3, 24)
        self.scores = {
            name: pd.DataFrame({"image": np.arange(24), "psnr_y": hard + 0.4 * index + random.normal(0, 0.3, 24)})
            for index, name in enumerate(self.models)
        }
        self.quality = pd.DataFrame(
            {"model": name, "psnr_y": mean, "psnr_y_low": mean - 1, "psnr_y_high": mean + 1}
            for name, mean in ((name, rows["psnr_y"].mean()) for name, rows in self.scores.items())
        )
        self.profiles = {
            name: {
                "parameters": index * 10 ** (4 + index // 2),
                "macs": {"total": index * 10**9},
                "latency": {"samples_ms": [t - 0.1, t, t, 2 * t], "device": "NVIDIA H100 80GB HBM3"},
            }
            for index, (name, t) in enumerate((name, 0.5 * 3**index) for index, name in enumerate(self.models))
        }
        power = 1e6 * np.exp(-20 * frequencies())
        self.spectra = {
            name: pd.DataFrame({"frequency": frequencies(), "hr": power, "sr": power * np.exp(-frequencies() * index)})
            for index, name in enumerate(self.models)
        }
        steps = np.arange(10, 1010, 10)
        self.curves = {
            name: pd.DataFrame(
                {
                    "iteration": steps,
                    "loss": 0.1 + random.random(100) / steps,
                    "learning_rate": np.linspace(1e-3, 0, 100),
                }
            )
            for name in self.models
        }
        self.samples = [sample(name, list(self.models)) for name in ("a", "scene_with_a_rather_long_name_x400", "b")]


def sample(name: str, models: list[str], height: int = 96, width: int = 128) -> Sample:
    random = np.random.default_rng(0)
    lr, hr, *srs = (
        random.integers(0, 256, (height // part, width // part, 3), dtype="uint8")
        for part in (4, *[1] * (1 + len(models)))
    )
    return Sample(name, lr, hr, dict(zip(models, srs, strict=True)), (8, 16, 72, 80))


def audited(case: Case) -> plt.Figure:
    rows = [dict(zip(CHOICES, combination, strict=True)) for combination in itertools.product(*CHOICES.values())]
    random = np.random.default_rng(0)
    measured = pd.DataFrame(rows).assign(psnr=random.normal(27, 4, len(rows)), ssim=random.uniform(0.2, 0.9, len(rows)))
    return protocol_heat_map(measured, CHOICES, f"{LABELS[len(case.models) % 4]} on A set (part), 100 images")


def grown(_: Case) -> plt.Figure:
    columns = [f"{passes}_{unit}" for passes in ("forward", "forward_backward") for unit in ("s", "peak_mib")]
    rows = [
        {"form": form, "tokens": tokens} | dict.fromkeys(columns, factor * tokens**power)
        for form, factor, power in (("parallel", 1e-8, 2), ("chunkwise", 1e-5, 1))
        for tokens in (256, 1024, 4096, 16384)
    ]
    return mlstm_growth(pd.DataFrame(rows))


def attributed(case: Case) -> plt.Figure:
    random = np.random.default_rng(0)
    lr = random.integers(0, 256, (24, 24, 3), dtype="uint8")
    maps = random.normal(size=(2, 24, 24))
    labels = (model["label"] for model in case.models.values())
    found = (lr, (10, 10, 14, 14), maps[0], abs(maps[1]), (12.345, 0.01))
    return attribution_maps([Attribution(label, *found) for label in labels])


def dissection(case: Case) -> tuple:
    """A network and its label: with every part in the first case, with parts left out in the others."""
    left_out = ({"order": "released"}, {"vilg": False}, {"arrg": False, "revisit": "sum"}, {"reduce": "none"})
    index = (1, 2, 4, 12).index(len(case.models))
    args = {"channels": 8, "groups": (1, index + 1), "arrbs": 2 + index, "tail": "light"}
    entry = {"arch": "lstmconvsr", "args": args | left_out[index]}
    return dissected(build(entry)), LABELS[index]


def stages(case: Case) -> plt.Figure:
    torch.manual_seed(0)
    network, label = dissection(case)
    with torch.inference_mode():
        maps = network.features(torch.rand(1, 3, 9, 13), arrbs=shown_arrbs(network))
    arrays = {name: values[0, :3].numpy() for name, values in maps.items()}
    return feature_maps({"lr": np.zeros((9, 13, 3), np.uint8), **arrays}, (0, 3, 7), label)


FIGURES = {
    "attribution": attributed,
    "architecture": lambda case: architecture(describe(dissection(case)[0]), dissection(case)[1]),
    "features": stages,
    "quality_cost": lambda case: quality_cost(case.quality, case.profiles, case.models, "psnr_y"),
    "qualitative": lambda case: qualitative(case.samples, case.models),
    "distributions": lambda case: distributions(case.scores, case.models, "m0", "psnr_y"),
    "win_rate": lambda case: win_rate(case.scores, case.models, "psnr_y"),
    "spectra": lambda case: spectra(case.spectra, case.models, 4),
    "training_curves": lambda case: training_curves([*case.curves.items()] * 2, case.models),
    "audit": audited,
    "mlstm_growth": grown,
}


def drawn_texts(figure: plt.Figure, monkeypatch) -> list[tuple[Text, Bbox]]:
    """Every text that is drawn, with its box in pixels."""
    found: dict[int, tuple[Text, Bbox]] = {}
    draw = Text.draw

    def recording(text: Text, renderer: RendererAgg, *arguments, **keywords) -> None:
        draw(text, renderer, *arguments, **keywords)
        if text.get_visible() and text.get_text().strip():
            found[id(text)] = (text, text.get_window_extent(renderer))

    with monkeypatch.context() as patch:
        patch.setattr(Text, "draw", recording)
        figure.canvas.draw()
    return list(found.values())


def check_texts(figure: plt.Figure, monkeypatch) -> None:
    """Every text lies on the figure and on no other text, and none is below 7 pt; the figure fits on a page."""
    assert figure.get_figwidth() <= WIDTH + 1e-9 and figure.get_figheight() <= HEIGHT + 1e-9
    texts = drawn_texts(figure, monkeypatch)
    assert texts
    for text, box in texts:
        assert text.get_fontsize() >= 7, text
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1, (text, box)
    for (text, box), (other, beside) in itertools.combinations(texts, 2):
        assert not box.padded(-0.5).overlaps(beside.padded(-0.5)), (text, other)


@pytest.mark.parametrize("count", [1, 2, 4, 12])
@pytest.mark.parametrize("name", FIGURES)
def test_every_text_is_read(name, count, monkeypatch):
    figure = FIGURES[name](Case(count))
    check_texts(figure, monkeypatch)
    plt.close(figure)


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_drawing_has_the_same_bytes_and_its_fonts(name, tmp_path):
    for stem in ("one", "two"):
        save(FIGURES[name](Case(2)), tmp_path / stem)
    for suffix in ("png", "pdf"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()
    pdf = (tmp_path / "one.pdf").read_bytes()
    assert b"/FontFile2" in pdf and b"/Type3" not in pdf
    points = [float(number) for number in re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", pdf).groups()]
    with Image.open(tmp_path / "one.png") as image:
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert image.size == pytest.approx([300 / 72 * side for side in points], abs=1)


def test_a_cost_of_zero_is_shown_as_zero(monkeypatch):
    case = Case(4)
    figure = FIGURES["quality_cost"](case)
    parameters, _, latency = figure.axes
    texts = [text.get_text() for text, _ in drawn_texts(figure, monkeypatch)]
    assert texts.count("0") == 2  # of parameters and MACs, not of latency
    assert len(parameters.containers) == len(latency.containers) == 4
    low, high = parameters.get_xlim()
    zero, *others = (container[0].get_xdata()[0] for container in parameters.containers)
    assert low < zero < min(others) and others == [
        profile["parameters"] / 1e6 for profile in list(case.profiles.values())[1:]
    ]
    assert max(others) < high
    plt.close(figure)


@pytest.mark.parametrize(("times", "zoomed"), [(1, False), (9, True)])
def test_wide_intervals_do_not_hide_what_lies_between_the_methods(times, zoomed):
    case = Case(4)
    values, ends = case.quality["psnr_y"], case.quality[["psnr_y_low", "psnr_y_high"]]
    low, high, spread = values.min(), values.max(), np.ptp(values)
    ends[:] = [low - times * spread, high + times * spread]
    case.quality[ends.columns] = ends
    figure = FIGURES["quality_cost"](case)
    assert (figure.axes[0].get_ylim() == (low - spread, high + spread)) is zoomed
    assert figure.get_supxlabel().startswith("Intervals run out of the axis: they reach from") is zoomed
    plt.close(figure)


def test_a_score_that_is_missing_or_infinite_leaves_the_figure_whole(monkeypatch):
    case = Case(4)
    case.scores["m1"]["psnr_y"] = np.nan
    case.scores["m2"].loc[3, "psnr_y"] = np.inf
    case.quality.loc[1, ["psnr_y", "psnr_y_low", "psnr_y_high"]] = np.nan
    for name in ("quality_cost", "distributions", "win_rate"):
        figure = FIGURES[name](case)
        check_texts(figure, monkeypatch)
        plt.close(figure)


@pytest.mark.parametrize("spoilt", [[2], range(24)], ids=["one image", "all images"])
def test_scores_that_are_infinite_are_said_so(spoilt):
    case = Case(2)
    for rows in case.scores.values():
        rows.loc[list(spoilt), "psnr_y"] = np.inf
    case.quality.loc[:, ["psnr_y", "psnr_y_low", "psnr_y_high"]] = [np.inf, np.nan, np.nan]
    for figure, said in (
        (distributions(case.scores, case.models, "m0", "psnr_y"), f"Not drawn: {2 * len(spoilt)} of 48 scores"),
        (quality_cost(case.quality, case.profiles, case.models, "psnr_y"), "without a finite mean: Bicubic, EDSR"),
    ):
        assert said in figure.get_supxlabel().replace("\n", " ")
        plt.close(figure)


@pytest.mark.parametrize("sizes", [[(60, 200), (200, 200)], [(8, 8)], [(32, 20_000), (64, 64)], [(4000, 16)]])
def test_the_page_takes_images_of_any_and_of_mixed_sizes(sizes, tmp_path):
    random = np.random.default_rng(0)
    shown = []
    for height, width in sizes:
        hr, sr = random.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
        side = min(96, height, width)
        shown.append(Sample(f"{width}", hr[::4, ::4].copy(), hr, {"m0": sr}, (0, 0, side, side)))
    save(qualitative(shown, {"m0": {"label": "Net"}}), tmp_path / "page")
    assert Image.open(tmp_path / "page.png").height > 300


def test_the_numbers_of_the_win_rates(monkeypatch):
    scores = {"m0": [1.0, 2, 3, 4], "m1": [1.0, 3, 4, 5]}
    frames = {name: pd.DataFrame({"psnr_y": values}) for name, values in scores.items()}
    figure = win_rate(frames, Case(2).models, "psnr_y")
    cells = {text.get_text() for text, _ in drawn_texts(figure, monkeypatch) if text in figure.axes[0].texts}
    assert cells == {"12", "88"}  # the equal image is half of one of four
    plt.close(figure)


def test_the_page_shows_each_crop_with_its_psnr_and_error(monkeypatch):
    shown = sample("a", ["m0"])
    left, top, right, bottom = shown.box
    near = shown.hr.copy()
    near[top:bottom, left:right] //= 2
    near[:top] = 0  # outside the crop
    shown.srs["m0"] = near
    weights = np.array([65.481, 128.553, 24.966]) / 255
    error = (shown.hr.astype(float) - near)[top:bottom, left:right] @ weights
    assert shown.error("m0") == pytest.approx(error, abs=1e-9)
    expected = 10 * np.log10(255**2 / np.mean(error**2))
    figure = qualitative([shown], {"m0": {"label": "Half"}})
    texts = {text.get_text() for text, _ in drawn_texts(figure, monkeypatch)}
    assert {"HR", "LR", "Half", "a", f"{expected:.2f} dB"} <= texts
    assert any(np.array_equal(axis.images[0].get_array(), near[top:bottom, left:right]) for axis in figure.axes[:-1])
    plt.close(figure)


def test_a_page_with_no_room_shows_fewer_images():
    crops = {count: len(FIGURES["qualitative"](Case(count)).axes) for count in (2, 12)}
    assert crops == {2: 3 * (1 + 2 * 3) + 1, 12: 1 * (1 + 2 * 13) + 1}
    plt.close("all")
