"""The audit of the measuring protocol: its combinations, and what it shows on RSSCN7."""

import math
import re

import pandas as pd
import pytest
import torch
from objects import a_test_set

from rssr.base import ROOT
from rssr.base.images import read_tensor
from rssr.base.resampling import to_uint8
from rssr.config.literature import FILE
from rssr.datasets.degrade import degrade
from rssr.metrics.fidelity import psnr, ssim
from rssr.metrics.protocol import CHOICES
from rssr.models.interpolation import Interpolation
from rssr.render.figures.protocol import protocol_heat_map
from rssr.render.figures.style import save
from rssr.render.literature import for_test_set
from rssr.render.protocols import nearest, one_choice_at_a_time
from rssr.render.tables.protocol import audit as audit_table
from rssr.steps.audit import audit, evenly, means


@pytest.fixture(scope="module")
def measured():
    drawn = torch.Generator().manual_seed(0)
    small = torch.rand(2, 3, 12, 12, generator=drawn)
    images = to_uint8(torch.nn.functional.interpolate(small, scale_factor=4, mode="bicubic"))
    return images, means(audit(Interpolation(), dict(zip("ab", images, strict=True)), 4))


def test_images_are_taken_evenly():
    names = [f"{kind}{number}" for kind in "abc" for number in range(50)]
    assert {kind: [name[0] for name in evenly(names, 100)].count(kind) for kind in "abc"} == {"a": 34, "b": 33, "c": 33}
    assert evenly(names, 3) == ["a0", "b0", "c0"]
    assert evenly(names, 150) == evenly(names, 999) == names


def test_every_combination_once(measured):
    _, rows = measured
    assert len(rows) == len(rows.drop_duplicates(list(CHOICES))) == math.prod(map(len, CHOICES.values()))
    assert rows["psnr"].between(5, 80).all() and rows["ssim"].between(-1, 1).all()


def test_the_stated_protocol_is_the_one_of_the_tables(measured):
    images, rows = measured
    lr = torch.stack([degrade(image, "bicubic", 4) for image in images])
    sr = to_uint8(Interpolation()(lr.float() / 255))
    base = one_choice_at_a_time(rows).iloc[0]
    assert base["psnr"] == pytest.approx(psnr(sr, images).mean().item(), abs=1e-9)
    assert base["ssim"] == pytest.approx(ssim(sr, images).mean().item(), abs=1e-9)
    assert len(one_choice_at_a_time(rows)) == 1 + sum(len(options) - 1 for options in CHOICES.values())


def test_the_luma_from_16_to_235_gains_a_constant(measured):
    moved = one_choice_at_a_time(measured[1]).set_index("option")["psnr_moved"]
    assert moved["y_full"] == pytest.approx(20 * math.log10(219 / 255), abs=0.01)
    assert moved["yiq"] == pytest.approx(moved["y_full"], abs=0.1)


def test_the_nearest_combinations(measured):
    rows = measured[1]
    wanted = rows.iloc[17]
    assert nearest(rows, wanted["psnr"], wanted["ssim"], 1).index.tolist() == [17]
    assert (nearest(rows, 99.0, None, 1)["psnr"] == rows["psnr"].max()).all()


def test_table_and_heat_map(measured, tmp_path):
    rows = measured[1]
    protocol = {"scale": 4, "degradation": "bicubic", "rounding": "8 bit", "crop": 4, "split": "own"}
    test = a_test_set("rsscn7", module="rsscn7", protocol=protocol)
    literature = for_test_set(FILE, test, 1400)
    table = audit_table({"bicubic": rows}, {"bicubic": {"label": "Bicubic"}}, test, 140, 1400, literature)
    text = table.markdown()
    assert "stated protocol" in text and "degradation blur 2.0" in text and "26.36 is printed for LSTMConvSR" in text
    assert "Bicubic comes nearest to that under: " in text
    save(protocol_heat_map(rows, CHOICES, "Bicubic"), tmp_path / "heat")
    assert (tmp_path / "heat.png").stat().st_size and (tmp_path / "heat.pdf").stat().st_size


def test_the_page_on_the_protocol_defines_every_option():
    page = (ROOT / "docs/protocol.md").read_text(encoding="utf-8").split("## Audit")[1].split("## ")[0]
    rows = {}
    for choice, options in re.findall(r"^\| ?(\w*) \| (.*?) \|", page, re.MULTILINE):
        rows.setdefault(choice or list(rows)[-1], []).extend(re.findall("`(.*?)`", options))
    assert {choice: tuple(options) for choice, options in rows.items() if options} == CHOICES


@pytest.mark.slow
def test_rsscn7_shows_what_was_found_on_the_whole_set(shared):
    """Direction and size of point 6 of the facts, on two images of each class."""
    paths = [path for folder in sorted((shared / "rsscn7").iterdir()) for path in sorted(folder.glob("*.jpg"))[::50]]
    images = {path.stem: read_tensor(path) for path in paths}
    rows = means(audit(Interpolation(), images, 4))
    table = one_choice_at_a_time(rows).set_index("option")
    assert table.loc["", "psnr"] == pytest.approx(27.89, abs=1.0)
    assert table.loc["rgb", "psnr_moved"] == pytest.approx(26.55 - 27.89, abs=0.1)
    assert table.loc["rgb", "ssim_moved"] == pytest.approx(0.6486 - 0.6792, abs=0.01)
    assert -1.6 < table.loc["bicubic of OpenCV", "psnr_moved"] < -1.0
    assert -0.55 < table.loc["blur 1.2", "psnr_moved"] < -0.25
    assert abs(table.loc["bicubic of PIL", "psnr_moved"]) < 0.02
    assert isinstance(rows, pd.DataFrame)
