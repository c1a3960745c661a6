"""The whole DAG on config/test.yaml: it runs, does nothing twice, and makes again just what a change touches."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from objects import a_plan
from PIL import Image
from runs import IMAGE, MEASUREMENTS, RENDERINGS, SR, WEIGHTS, models, rules

from rssr.base.files import read_image, sha256
from rssr.plan import targets

RECORDS = {"write_provenance", "render_report"}
LSTMCONVSRS = {"lstmconvsr_test", "lstmconvsr_test_without_hwd"}


def tables(folder: Path) -> dict[str, str]:
    found = sorted((folder / "results/tables").glob("*/*/quality.*"))
    return {str(path.relative_to(folder)): sha256(path) for path in found}


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
    assert stated["psnr"].nunique() == 1
    for name in targets.everything(a_plan()):
        assert (finished / name).stat().st_size, name
    provenance = json.loads((results / "provenance.json").read_text())
    for name, digest in provenance["files"].items():
        assert digest == sha256(finished / name)


def test_a_run_beside_a_finished_one_leaves_it_alone(project):
    """In a folder of its own, with the default configuration found and its images taken from the checkout."""
    before = tables(project.folder)
    target = "results/scores/synthetic/x4-bicubic/bicubic.csv"
    options = ("--directory", "runs/b", "--config", "crop=0")
    assert "fetch_dataset" not in project.run(*options, "--", target)
    assert (project.folder / "runs/b" / target).read_text() != (project.folder / target).read_text()
    assert tables(project.folder) == before and project.jobs() == set()
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "2", "-s", str(project.folder / "Snakefile")]
    default = subprocess.run(command, cwd=project.folder / "runs/b", capture_output=True, text=True, timeout=300)
    assert default.returncode == 0 and "load_weights" in default.stdout, default.stdout + default.stderr


def test_a_default_configuration_that_is_no_yaml_is_named_with_its_line(project):
    path = project.folder / "config/config.yaml"
    path.write_text("scale: 4\n\tcrop: 4\n")
    result = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n"], cwd=project.folder, capture_output=True, text=True, timeout=300
    )
    said = result.stderr.splitlines()[-1]
    assert said.startswith("error: config/config.yaml is not YAML: ") and "in line 2: correct that place" in said


@pytest.mark.parametrize("target", ["results/scores/synthetic/x4-bicubic/edsr_test.csv", "results/tables/quality.csv"])
def test_a_copied_command_makes_the_same_bytes_again(project, target):
    before = sha256(project.folder / target)
    page = (project.folder / "results/report/index.html").read_text()
    command = f"snakemake {target} --force --cores all --configfile config/test.yaml"
    assert f'data-command="{command}"' in page
    assert "Nothing to be done" not in project.run("--force", "--", target)
    assert sha256(project.folder / target) == before and project.jobs() == set()


def test_table_is_the_mean_of_the_scores(finished):
    table = pd.read_csv(finished / "results/tables/synthetic/x4-bicubic/quality.csv").set_index("model")
    scores = pd.read_csv(finished / "results/scores/synthetic/x4-bicubic/bicubic.csv")
    assert table.loc["bicubic", "psnr_y"] == pytest.approx(scores["psnr_y"].mean(), abs=1e-9)
    assert table.loc["bicubic", ["images", "sources"]].tolist() == [len(scores), scores["source"].nunique()]


def test_running_again_does_nothing(planned):
    assert planned.jobs() == set()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (IMAGE, {"upscale_images"}),
        (f"{SR}/edsr_test", {"upscale_images"}),
        ("results/data/synthetic/test/HR-x4/test_0_x0_y0.png", {"prepare_images"}),
        ("results/data/synthetic/test/LR/x4-bicubic/test_0_x0_y0.png", {"degrade_images"}),
        ("results/scores/synthetic/x4-bicubic/edsr_test.csv", {"score_images"}),
        (WEIGHTS.format("edsr_test"), {"train_model"}),
        ("results/profile/x4/edsr_test.json", {"profile_model"}),
        ("results/tables/x4/complexity.md", {"render_complexity"}),
        ("results/figures/synthetic/x4-bicubic/qualitative.png", {"render_qualitative"}),
        ("results/report/index.html", {"render_report"}),
        ("results/report/files", {"render_report"}),
    ],
)
def test_what_is_deleted_is_made_again(planned, name, expected):
    with planned.altered(name) as path:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        jobs = planned.jobs()
    assert expected <= rules(jobs)
    assert models(jobs)["upscale_images"] <= {"edsr_test"} or expected & {"prepare_images", "degrade_images"}


EDSR_AGAIN = {"train_model": {"edsr_test"}} | dict.fromkeys(MEASUREMENTS, {"edsr_test"})


@pytest.mark.parametrize(
    ("changes", "remade", "of"),
    [
        # Renderings of the audit are of another model.
        ({"args": {"num_feat": 9}}, {"train_model"} | MEASUREMENTS | RENDERINGS - {"render_audit"}, EDSR_AGAIN),
        (
            {"tile": {"size": 16, "overlap": 4}},  # no weights
            MEASUREMENTS | RENDERINGS,
            {"upscale_images": {"edsr_test"}, "profile_model": {"edsr_test"}},
        ),
        ({"label": "EDSR (renamed)"}, RENDERINGS, {}),
    ],
    ids=["argument", "tiles", "label"],
)
def test_a_changed_entry_remakes_what_it_touches(planned, changes, remade, of):
    planned.change(models={"edsr_test": changes})
    jobs = planned.jobs()
    assert rules(jobs) == remade
    assert {rule: models(jobs)[rule] for rule in of} == of


def test_what_a_model_is_a_variant_of_remakes_its_table_only(planned):
    planned.change(models={"lstmconvsr_test_without_hwd": {"ablates": "edsr_test"}})
    assert rules(planned.jobs()) == {"render_ablation"} | RECORDS


def test_what_changes_no_weights_trains_nothing_again(planned):
    planned.change(training={"test": {"devices": 2, "checkpoint_every": 7, "log_every": 1}})
    assert rules(planned.jobs()) == RECORDS


def test_another_look_into_networks_remakes_nothing_else(planned):
    planned.change(analysis={"steps": 3})
    analysis = {"measure_attribution", "measure_features", "render_attribution", "render_features"}
    assert rules(planned.jobs()) == analysis | RECORDS


def test_changed_metric_code_remakes_scores_not_images(planned):
    with planned.altered("metrics/fidelity.py") as path:
        path.write_text(path.read_text() + "# changed\n")
        jobs = rules(planned.jobs())
    assert "score_images" in jobs
    assert not jobs & {"prepare_images", "degrade_images", "train_model", "upscale_images", "profile_model"}


def test_changed_network_code_remakes_that_network(planned):
    with planned.altered("models/lstmconvsr/vil.py") as path:
        path.write_text(path.read_text() + "# changed\n")
        jobs = models(planned.jobs())
    assert jobs["train_model"] == jobs["upscale_images"] == LSTMCONVSRS


def test_changed_code_of_a_network_without_weights_changes_its_images(project):
    image = project.folder / f"{SR}/bicubic/0/test_0_x0_y0.png"
    before = image.read_bytes()
    code = project.folder / "models/interpolation.py"
    code.write_text(code.read_text().replace("return imresize(", "return 0 * imresize("))
    project.run("--", f"{SR}/bicubic/manifest.csv")
    assert image.read_bytes() != before
    assert not read_image(image).any()


@pytest.mark.slow
def test_several_scales_run_the_chain_for_each_and_keep_what_there_is(project):
    results = project.folder / "results"
    before = {path: sha256(path) for path in (results / "weights").rglob("*.safetensors")}
    project.change(scale=[2, 3], models={"edsr_test": {"args": {"upscale": "{scale}"}}})
    project.run(
        "--",
        *(f"results/scores/synthetic/x{scale}-bicubic/edsr_test.csv" for scale in (2, 3)),
        *(f"results/tables/x{scale}/complexity.md" for scale in (2, 3)),
    )
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


def test_a_run_ends_with_the_place_of_its_report(project):
    page, said = project.folder / "results/report/index.html", "open results/report/index.html"
    page.unlink()
    assert said not in project.dry_run()[1]
    assert project.run().splitlines()[-1] == said
    assert said not in project.run("--force", "--", "results/tables/x4/complexity.csv")


def test_a_dry_run_changes_no_file(project):
    image = project.folder / "results/data/synthetic/test/HR-x4/test_0_x0_y0.png"
    image.unlink()
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
    said = project.run("--", "results/data/synthetic/test/HR-x4/manifest.csv")
    assert "A killed run left its lock behind" in said
    assert "lists 1 images that no longer exist, such as test_0_x0_y0.png" in said
    assert image.exists()


@pytest.mark.slow
def test_killed_at_any_moment_it_completes_with_the_same_tables(project):
    expected = tables(project.folder)
    for name in ("results", ".snakemake", "downloads"):
        shutil.rmtree(project.folder / name)
    for seconds, kill in ((4, os.killpg), (9, os.kill), (14, os.killpg)):  # with and without its jobs
        run = subprocess.Popen(**project.process(), stdout=subprocess.DEVNULL, start_new_session=True)
        time.sleep(seconds)
        kill(run.pid, signal.SIGKILL)
        run.wait()
    project.run()
    assert tables(project.folder) == expected


def test_a_living_run_keeps_its_lock(project):
    weights = WEIGHTS.format("edsr_test")
    (project.folder / weights).unlink()
    first = subprocess.Popen(**project.process("--", weights), stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not list((project.folder / ".snakemake/locks").glob("*.lock")) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert first.poll() is None
        code, said = project.snakemake("--", weights)
        assert code != 0 and "lock" in said.lower()
    finally:
        assert first.wait(timeout=300) == 0
