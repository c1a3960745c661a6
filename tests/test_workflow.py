"""The whole DAG on config/test.yaml: it runs, does nothing twice, and makes again just what a change touches."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from rssr.base import ROOT
from rssr.base.files import read_image, sha256
from rssr.plan import targets
from rssr.plan.plan import Plan

RENDERINGS = {
    *("render_quality", "render_significance", "render_complexity", "render_quality_cost", "render_qualitative"),
    *("render_classes", "render_side_by_side", "render_ablation", "render_training", "render_training_curves"),
    *("render_distributions", "render_win_rate", "render_spectra"),
    *("render_audit", "write_provenance", "render_report"),
}

MEASUREMENTS = {"upscale_images", "score_images", "measure_spectrum", "profile_model"}
# Of the two models that `analysis` in config/test.yaml names.
ANALYSIS = {"measure_attribution", "measure_features", "render_attribution", "render_features", "render_architecture"}
LSTMCONVSRS = {"lstmconvsr_test", "lstmconvsr_test_without_hwd"}


def rules(jobs):
    return {rule for rule, _ in jobs}


def models(jobs, rule):
    parts = (part.split("=") for r, w in jobs if r == rule for part in w.split(", "))
    return {value for name, value in parts if name in ("model", "measured")}


def tables(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha256(path)
        for path in sorted((folder / "results/tables").glob("*/*/quality.*"))
    }


def test_contracts_hold(finished):
    results = finished / "results"
    names = pd.read_csv(results / "data/synthetic/test/HR-x4/manifest.csv")["image"]
    assert len(names) == 8
    hr = Image.open(results / f"data/synthetic/test/HR-x4/{names[0]}.png")
    lr = Image.open(results / f"data/synthetic/test/LR/x4-bicubic/{names[0]}.png")
    assert (hr.size, lr.size, hr.mode, lr.mode) == ((48, 48), (12, 12), "RGB", "RGB")
    for model in ("bicubic", "lstmconvsr_test", "edsr_test"):
        sr = Image.open(next((results / f"sr/synthetic/x4-bicubic/{model}").glob(f"*/{names[0]}.png")))
        assert (sr.size, sr.mode) == ((48, 48), "RGB")
        scores = pd.read_csv(results / f"scores/synthetic/x4-bicubic/{model}.csv")
        assert list(scores["image"]) == list(names)
        assert np.isfinite(scores[["psnr_y", "ssim_y", "psnr_rgb"]].to_numpy()).all()
        profile = json.loads((results / f"profile/x4/{model}.json").read_text())
        assert len(profile["latency"]["samples_ms"]) == 3
    for model in ("lstmconvsr_test", "edsr_test"):
        facts = json.loads((results / f"weights/{model}/synthetic/x4/seed10.json").read_text())
        assert facts["sha256"] == sha256(results / f"weights/{model}/synthetic/x4/seed10.safetensors")
        assert list(pd.read_csv(results / f"weights/{model}/synthetic/x4/seed10.csv")["iteration"]) == [2, 4, 6]
    audited = pd.read_csv(results / "audit/synthetic/x4/bicubic.csv")
    stated = audited.query("degradation == 'bicubic' and rounding == '8 bit' and colour == 'y' and crop == 4")
    assert stated["psnr"].nunique() == 1 and (results / "figures/synthetic/x4/audit/bicubic.png").stat().st_size
    for suffix in ("csv", "md", "tex", "html"):
        assert (results / f"tables/synthetic/x4-bicubic/quality.{suffix}").stat().st_size
        assert (results / f"tables/synthetic/x4-bicubic/significance.{suffix}").stat().st_size
        assert (results / f"tables/synthetic/x4/audit.{suffix}").stat().st_size
        for table in ("x4/complexity", "quality", "training", "x4/ablation/lstmconvsr_test"):
            assert (results / f"tables/{table}.{suffix}").stat().st_size
        assert (results / f"tables/synthetic/x4-bicubic/classes.{suffix}").stat().st_size
    for figure in ("quality_cost", "qualitative"):
        for suffix in ("png", "pdf"):
            assert (results / f"figures/synthetic/x4-bicubic/{figure}.{suffix}").stat().st_size
    assert (results / "figures/mlstm_growth.pdf").stat().st_size
    provenance = json.loads((results / "provenance.json").read_text())
    for name, digest in provenance["files"].items():
        assert digest == sha256(finished / name)


def test_table_is_the_mean_of_the_scores(finished):
    table = pd.read_csv(finished / "results/tables/synthetic/x4-bicubic/quality.csv").set_index("model")
    scores = pd.read_csv(finished / "results/scores/synthetic/x4-bicubic/bicubic.csv")
    assert table.loc["bicubic", "psnr_y"] == pytest.approx(scores["psnr_y"].mean(), abs=1e-9)
    assert table.loc["bicubic", "psnr_y_low"] < table.loc["bicubic", "psnr_y"] < table.loc["bicubic", "psnr_y_high"]


def test_running_again_does_nothing(project):
    assert project.jobs() == set()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("results/sr/synthetic/x4-bicubic/edsr_test/seed10/test_0_x0_y0.png", {"upscale_images"}),
        ("results/sr/synthetic/x4-bicubic/edsr_test", {"upscale_images"}),
        ("results/data/synthetic/test/HR-x4/test_0_x0_y0.png", {"prepare_images"}),
        ("results/data/synthetic/test/LR/x4-bicubic/test_0_x0_y0.png", {"degrade_images"}),
        ("results/scores/synthetic/x4-bicubic/edsr_test.csv", {"score_images"}),
        ("results/weights/edsr_test/synthetic/x4/seed10.safetensors", {"train_model"}),
        ("results/profile/x4/edsr_test.json", {"profile_model"}),
        ("results/tables/x4/complexity.md", {"render_complexity"}),
        ("results/figures/synthetic/x4-bicubic/qualitative.png", {"render_qualitative"}),
        ("results/report/index.html", {"render_report"}),
        ("results/report/files", {"render_report"}),
    ],
)
def test_what_is_deleted_is_made_again(project, name, expected):
    path = project.folder / name
    before = tables(project.folder)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    jobs = project.jobs()
    assert expected <= rules(jobs)
    assert models(jobs, "upscale_images") <= {"edsr_test"} or expected & {"prepare_images", "degrade_images"}
    if name.endswith("test_0_x0_y0.png") and "sr" in name:  # one real run: the same bytes come back
        result = project.snakemake()
        assert result.returncode == 0, result.stdout
        assert path.exists()
        assert tables(project.folder) == before
        assert project.jobs() == set()


MY_NET = '''"""A user's own class."""

from torch import nn


class MyNet(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 48, 3, padding=1), nn.PixelShuffle(4))

    def forward(self, x):
        return self.body(x)
'''


@pytest.mark.parametrize(
    "entry",
    [
        "arch: my_package.my_net:MyNet\n    args: {width: 8}",
        "arch: spandrel:SPAN.SPAN\n    args: {num_in_ch: 3, num_out_ch: 3, feature_channels: 8, upscale: 4}",
    ],
)
def test_a_new_baseline_is_one_entry(project, entry):
    (project.folder / "my_package").mkdir()
    (project.folder / "my_package/my_net.py").write_text(MY_NET)
    project.edit(
        "config/test.yaml", "\ntraining:\n", f"\n  mine:\n    label: Mine\n    {entry}\n    train: test\ntraining:\n"
    )
    jobs = project.jobs()
    assert rules(jobs) == {"train_model"} | MEASUREMENTS | RENDERINGS
    for rule in {"train_model"} | MEASUREMENTS:
        assert models(jobs, rule) == {"mine"}
    result = project.snakemake()
    assert result.returncode == 0, result.stdout[-3000:]
    assert "| Mine " in (project.folder / "results/tables/synthetic/x4-bicubic/quality.md").read_text()


def test_a_changed_argument_remakes_one_model(project):
    project.edit("config/test.yaml", "num_feat: 8", "num_feat: 9")
    jobs = project.jobs()
    renderings = RENDERINGS - {"render_audit"}  # which is of another model
    assert rules(jobs) == {"train_model"} | MEASUREMENTS | renderings
    for rule in {"train_model"} | MEASUREMENTS:
        assert models(jobs, rule) == {"edsr_test"}


def test_tiles_remake_images_and_cost_but_no_weights(project):
    project.edit(
        "config/test.yaml", "    label: EDSR (test)", "    label: EDSR (test)\n    tile: {size: 16, overlap: 4}"
    )
    jobs = project.jobs()
    assert rules(jobs) == MEASUREMENTS | RENDERINGS
    assert models(jobs, "upscale_images") == models(jobs, "profile_model") == {"edsr_test"}
    result = project.snakemake("--", "results/sr/synthetic/x4-bicubic/edsr_test/manifest.csv")
    assert result.returncode == 0, result.stdout


def test_hr_images_are_cut_off_to_a_multiple_of_the_scale(project):
    """Not an error: users' images come in all sizes. The manifest has the box that is left."""
    (project.folder / "images").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (49, 46, 3), dtype="uint8")
    Image.fromarray(pixels).save(project.folder / "images/a.png")
    entry = 'datasets:\n  mine: {label: Mine, images: images, split: {test: "*.png"}}'
    project.edit("config/test.yaml", "datasets:", entry)
    for model in ("lstmconvsr", "basicsr:EDSR"):
        project.edit("config/test.yaml", f"arch: {model}", f"arch: {model}\n    train_on: synthetic")
    project.edit("config/test.yaml", "    ablates:", "    train_on: synthetic\n    ablates:")
    result = project.snakemake("--", "results/data/mine/test/LR/x4-bicubic/manifest.csv")
    assert result.returncode == 0, result.stdout[-3000:]
    assert np.array_equal(read_image(project.folder / "results/data/mine/test/HR-x4/a.png"), pixels[:48, :44])
    row = pd.read_csv(project.folder / "results/data/mine/test/HR-x4/manifest.csv").iloc[0]
    assert (row["right"], row["bottom"]) == (44, 48)


@pytest.mark.slow
def test_several_scales_run_the_chain_for_each_and_keep_what_there_is(project):
    before = {path: sha256(path) for path in (project.folder / "results/weights").rglob("*.safetensors")}
    project.edit("config/test.yaml", "scale: 4", "scale: [2, 3]")
    project.edit("config/test.yaml", "upscale: 4", 'upscale: "{scale}"')
    scores = [f"results/scores/synthetic/x{scale}-bicubic/edsr_test.csv" for scale in (2, 3)]
    tables = [f"results/tables/x{scale}/complexity.md" for scale in (2, 3)]
    result = project.snakemake("--", *scores, *tables)
    assert result.returncode == 0, result.stdout[-3000:]
    results = project.folder / "results"
    for scale in (2, 3):
        hr = Image.open(next((results / f"data/synthetic/test/HR-x{scale}").glob("*.png")))
        lr = Image.open(next((results / f"data/synthetic/test/LR/x{scale}-bicubic").glob("*.png")))
        sr = Image.open(next((results / f"sr/synthetic/x{scale}-bicubic/edsr_test/seed10").glob("*.png")))
        assert hr.size == sr.size == (lr.size[0] * scale, lr.size[1] * scale)
        facts = json.loads((results / f"scores/synthetic/x{scale}-bicubic/edsr_test.json").read_text())
        assert facts["crop"] == scale
        network = json.loads((results / f"weights/edsr_test/synthetic/x{scale}/seed10.json").read_text())
        assert network["model"]["args"]["upscale"] == scale
    profiles = [json.loads((results / f"profile/x{scale}/lstmconvsr_test.json").read_text()) for scale in (2, 3)]
    assert profiles[0]["parameters"] < profiles[1]["parameters"]
    assert before and all(sha256(path) == digest for path, digest in before.items())


def test_a_run_is_copied_for_the_repository(project):
    result = project.snakemake("--", "results/reference/drawn")
    assert result.returncode == 0, result.stdout[-3000:]
    results = project.folder / "results"
    copy = results / "reference/drawn"
    for name in (
        "tables/synthetic/x4-bicubic/quality.md",
        "figures/synthetic/x4-bicubic/qualitative.pdf",
        "provenance.json",
    ):
        assert (copy / name).read_bytes() == (results / name).read_bytes()
    shown = {path.stem for path in (copy / "report/files/images").rglob("HR-x4/*.webp")}
    assert len(shown) == 3
    assert "Synthetic" in (copy / "report/index.html").read_text(encoding="utf-8")


def test_images_that_may_not_be_passed_on_are_not_copied():
    plan = Plan(yaml.safe_load((ROOT / "config/test.yaml").read_text(encoding="utf-8")), "test")
    with_images = set(targets.redistributable(plan))
    plan.test_sets = [dataclasses.replace(test, redistributable=False) for test in plan.test_sets]
    left_out = with_images - set(targets.redistributable(plan))
    assert left_out == {name for name in with_images if name.startswith("results/figures/")} != set()


def test_a_dry_run_changes_no_file(project):
    (project.folder / "results/data/synthetic/test/HR-x4/test_0_x0_y0.png").unlink()
    lock = project.folder / ".snakemake/locks/0.output.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.write_text("")
    state = lambda: {  # noqa: E731
        str(path): path.stat().st_mtime_ns
        for path in project.folder.rglob("*")
        if path.is_file() and "__pycache__" not in str(path) and path.parent.name not in ("log", "iocache")
    }
    before = state()
    assert "prepare_images" in rules(project.jobs())
    assert state() == before
    result = project.snakemake("--", "results/data/synthetic/test/HR-x4/manifest.csv")
    assert result.returncode == 0, result.stdout
    assert "A killed run left its lock behind" in result.stdout
    assert "lists 1 images that no longer exist, such as test_0_x0_y0.png" in result.stdout
    assert (project.folder / "results/data/synthetic/test/HR-x4/test_0_x0_y0.png").exists()


def test_what_a_model_is_a_variant_of_remakes_its_table_only(project):
    project.edit("config/test.yaml", "ablates: lstmconvsr_test", "ablates: edsr_test")
    assert rules(project.jobs()) == {"render_ablation", "write_provenance", "render_report"}


def test_a_changed_label_remakes_renderings_only(project):
    project.edit("config/test.yaml", "label: EDSR (test)", "label: EDSR (renamed)")
    assert rules(project.jobs()) == RENDERINGS


def test_another_look_into_networks_remakes_nothing_else(project):
    project.edit("config/test.yaml", "steps: 2", "steps: 3")
    assert rules(project.jobs()) == ANALYSIS - {"render_architecture"} | {"write_provenance", "render_report"}


def test_changed_metric_code_remakes_scores_not_images(project):
    project.edit("metrics/fidelity.py", "_SIGMA = 11, 1.5", "_SIGMA = 11, 1.6")
    jobs = project.jobs()
    assert "score_images" in rules(jobs)
    assert not rules(jobs) & {"prepare_images", "degrade_images", "train_model", "upscale_images", "profile_model"}


def test_changed_network_code_remakes_that_network(project):
    project.edit("models/lstmconvsr/vil.py", "HEADS = 4", "HEADS = 2")
    jobs = project.jobs()
    assert models(jobs, "train_model") == models(jobs, "upscale_images") == LSTMCONVSRS


def test_changed_code_of_a_network_without_weights_changes_its_images(project):
    image = project.folder / "results/sr/synthetic/x4-bicubic/bicubic/0/test_0_x0_y0.png"
    before = image.read_bytes()
    project.edit("models/interpolation.py", "return imresize(", "return 0 * imresize(")
    result = project.snakemake("--", str(image.parent.parent.relative_to(project.folder) / "manifest.csv"))
    assert result.returncode == 0, result.stdout
    assert image.read_bytes() != before
    assert not read_image(image).any()


def test_changed_module_that_an_own_network_imports(project):
    (project.folder / "my_package").mkdir()
    (project.folder / "my_package/blocks.py").write_text("WIDTH = 48\n")
    (project.folder / "my_package/my_net.py").write_text("from .blocks import WIDTH\n" + MY_NET.replace("48", "WIDTH"))
    entry = "\n  mine: {label: Mine, arch: 'my_package.my_net:MyNet', train: test}\ntraining:\n"
    project.edit("config/test.yaml", "\ntraining:\n", entry)
    weights = "results/weights/mine/synthetic/x4/seed10.safetensors"
    result = project.snakemake("--", weights)
    assert result.returncode == 0, result.stdout
    assert project.jobs("--", weights) == set()
    (project.folder / "my_package/blocks.py").write_text("WIDTH = 3 * 16\n")
    assert rules(project.jobs("--", weights)) == {"train_model"}


@pytest.mark.slow
def test_killed_at_any_moment_it_completes_with_the_same_tables(project):
    expected = tables(project.folder)
    for name in ("results", ".snakemake", "downloads"):
        shutil.rmtree(project.folder / name)
    for seconds, kill in ((4, os.killpg), (9, os.kill), (14, os.killpg)):  # with and without its jobs
        run = subprocess.Popen(
            project.command(),
            cwd=project.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(seconds)
        kill(run.pid, signal.SIGKILL)
        run.wait()
    result = project.snakemake()
    assert result.returncode == 0, result.stdout[-3000:]
    assert tables(project.folder) == expected


def test_a_living_run_keeps_its_lock(project):
    (project.folder / "results/profile/x4/bicubic.json").unlink()
    (project.folder / "results/weights/edsr_test/synthetic/x4/seed10.safetensors").unlink()
    first = subprocess.Popen(
        project.command(), cwd=project.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while not list((project.folder / ".snakemake/locks").glob("*.lock")) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert first.poll() is None
        second = project.snakemake()
        assert second.returncode != 0
        assert "lock" in second.stdout.lower()
    finally:
        assert first.wait(timeout=300) == 0
