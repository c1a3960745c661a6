"""A second run of the whole workflow: new networks, a deleted image, no metric to fetch, a copy of it."""

import dataclasses
import shutil
from types import SimpleNamespace

import pandas as pd
import pytest
from objects import a_plan
from runs import IMAGE, MEASUREMENTS, RENDERINGS, WEIGHTS, Project, models, offline, rules

from rssr.plan import targets

BLOCKS = "my_package/blocks.py"
MY_NET = """from torch import nn

from .blocks import WIDTH


class MyNet(nn.Sequential):
    def __init__(self, width=4):
        super().__init__(nn.Conv2d(3, WIDTH, 3, padding=1), nn.PixelShuffle(4))
"""
MINE = {"label": "Mine", "arch": "my_package.my_net:MyNet", "args": {"width": 8}, "train": "test"}
SPAN = {
    **{"label": "Span", "arch": "spandrel:SPAN.SPAN", "train": "test", "tile": {"size": 16, "overlap": 4}},
    "args": {"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 8, "upscale": 4},
}


@pytest.fixture(scope="module")
def second(finished, tmp_path_factory) -> SimpleNamespace:
    """A second run: new networks, an image deleted, a metric that cannot be downloaded, a copy for the repository."""
    scratch = tmp_path_factory.mktemp("second")
    shutil.copytree(finished, scratch / "project", symlinks=True)
    project = Project(scratch / "project", scratch)
    (project.folder / "my_package").mkdir()
    (project.folder / BLOCKS).write_text("WIDTH = 48\n")
    (project.folder / "my_package/my_net.py").write_text(MY_NET)
    project.change(models={"mine": MINE, "span": SPAN})
    added = project.jobs()
    (project.folder / IMAGE).unlink()
    project.change(models={"mine": MINE, "span": SPAN}, metrics={"lpips": {"required": False}})
    with offline():
        project.run("--", "all", "results/reference/drawn")
        assert project.jobs() == set()
    return SimpleNamespace(project=project, added=added, results=project.folder / "results")


def test_a_new_network_is_one_entry(second):
    assert rules(second.added) == {"train_model"} | MEASUREMENTS | RENDERINGS
    for rule in {"train_model"} | MEASUREMENTS:
        assert models(second.added)[rule] == {"mine", "span"}
    table = (second.results / "tables/synthetic/x4-bicubic/quality.md").read_text()
    assert "| Mine " in table and "| Span " in table


def test_a_deleted_image_comes_back_with_the_same_bytes_and_scores(second, finished):
    assert (second.project.folder / IMAGE).read_bytes() == (finished / IMAGE).read_bytes()
    scores = [
        pd.read_csv(folder / "results/scores/synthetic/x4-bicubic/edsr_test.csv")
        for folder in (finished, second.project.folder)
    ]
    pd.testing.assert_frame_equal(scores[0], scores[1][scores[0].columns])


def test_a_metric_that_cannot_be_downloaded_is_said_to_be_missing(second):
    table = (second.results / "tables/synthetic/x4-bicubic/quality.md").read_text()
    assert "LPIPS ↓" not in table and "–" not in table
    assert "LPIPS: not computed, because downloads/metrics/checkpoints/alexnet-owt-7be5be79.pth cannot be" in table
    assert "has its address: put the file there, delete results/metrics/lpips.json and run again" in table
    log = (second.results / "logs/fetch_metric/lpips.log").read_text(encoding="utf-8")
    assert "alexnet-owt-7be5be79.pth on another machine and put it there" in log and "https://" in log


def test_a_run_is_copied_for_the_repository(second):
    copy = second.results / "reference/drawn"
    for name in (
        "tables/synthetic/x4-bicubic/quality.md",
        "figures/synthetic/x4-bicubic/qualitative.pdf",
        "provenance.json",
    ):
        assert (copy / name).read_bytes() == (second.results / name).read_bytes()
    shown = {path.stem for path in (copy / "report/files/images").rglob("HR-x4/*.webp")}
    assert len(shown) == 3
    assert "Synthetic" in (copy / "report/index.html").read_text(encoding="utf-8")


def test_changed_module_that_an_own_network_imports(second):
    with second.project.altered(BLOCKS) as path:
        path.write_text("WIDTH = 3 * 16\n")
        jobs = second.project.jobs("--", WEIGHTS.format("mine"))
    assert rules(jobs) == {"train_model"} and models(jobs)["train_model"] == {"mine"}


def test_images_that_may_not_be_passed_on_are_not_copied():
    plan = a_plan()
    with_images = set(targets.redistributable(plan))
    plan.test_sets = [dataclasses.replace(test, redistributable=False) for test in plan.test_sets]
    left_out = with_images - set(targets.redistributable(plan))
    assert left_out == {name for name in with_images if name.startswith("results/figures/")} != set()
