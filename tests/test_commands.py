"""python -m rssr: one picture upscaled, the models listed, errors of one sentence."""

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import rasterio
import torch
import yaml
from PIL import Image
from rasterio.transform import from_origin
from runs import WEIGHTS, rssr

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.base.resampling import to_uint8
from rssr.config import load, validate
from rssr.models.registry import build, network_of
from rssr.models.weights import write_weights
from rssr.plan import jobs
from rssr.plan.model_plan import ModelPlan
from rssr.steps.catalogue import describe, entry_of, file_of, load_model
from rssr.steps.trained import to_train

TOLERANCE = "--tolerance: a number of at least 0 is expected, not '{}'"


def test_a_geotiff_comes_out_as_the_network_makes_it(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 52), dtype="uint8")
    profile = {"crs": "EPSG:25832", "transform": from_origin(500000, 5700000, 0.2, 0.2)}
    with rasterio.open(
        tmp_path / "scene.tif", "w", driver="GTiff", height=40, width=52, count=3, dtype="uint8", **profile
    ) as file:
        file.write(pixels)
    result = rssr("upscale", tmp_path / "scene.tif", "--model", "lstmconvsr_xs", "-o", tmp_path / "out.tif")
    assert result.returncode == 0, result.stderr
    with rasterio.open(tmp_path / "out.tif") as file:
        assert file.crs.to_epsg() == 25832 and file.res == (0.05, 0.05) and file.shape == (160, 208)
        out = file.read()
    model = load_model(load(ROOT / "config/config.yaml"), "lstmconvsr_xs", 4)
    with torch.inference_mode():
        expected = to_uint8(model(torch.from_numpy(pixels)[None].float() / 255))[0].numpy()
    assert np.abs(out.astype(int) - expected).max() <= 1
    assert "1/1" in result.stderr  # progress


def test_models_are_listed_with_parameters_licence_and_source():
    result = rssr("models")
    assert result.returncode == 0, result.stderr
    names = {
        name
        for file in ("config", "paper", "zoo", "pretrained")
        for name in yaml.safe_load((ROOT / f"config/{file}.yaml").read_text())["models"]
    }
    lines = {line.split()[0]: line for line in result.stdout.splitlines()[2:]}
    assert set(lines) == names
    for name, parts in (
        ("bicubic", ("none needed", "MIT")),
        (
            "lstmconvsr_xs",
            ("0.397", "here", "MIT; weights trained on RSSCN7, which states no licence", "this repository"),
        ),
        ("edsr_xs", ("here", "Apache-2.0; weights MIT, trained on RSSCN7", "basicsr:EDSR")),
        ("mambairv2", ("23.051", "to be trained", "MIT")),
        ("hat", ("20.773", "arXiv 2205.04437")),
        ("craft_pretrained", ("–", "to be downloaded", "MIT", "github.com/Amazingren")),
    ):
        assert all(part in lines[name] for part in parts), lines[name]


def test_it_runs_in_any_folder(tmp_path):
    Image.new("RGB", (16, 16), (90, 120, 60)).save(tmp_path / "a.png")
    command = [sys.executable, "-m", "rssr", "upscale", "a.png", "--model", "edsr_xs", "-o", "out.png"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert Image.open(tmp_path / "out.png").size == (64, 64)
    assert result.stdout == f"out.png: 64x64 pixels, {(tmp_path / 'out.png').stat().st_size / 1e3:.1f} kB\n"


def test_mistakes_are_one_sentence(tmp_path):
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    for arguments, message in (
        (("a.png", "--model", "lstmconvsr_x"), "there is no model 'lstmconvsr_x', did you mean 'lstmconvsr_xs'?"),
        (
            ("a.png", "--model", "edsr_test", "--config", "config/test.yaml"),
            "there are no weights before its training of 6 iterations: run `snakemake",
        ),
        (
            ("a.png", "--model", "edsr_test", "--config", "config/test.yaml"),
            f" in {ROOT}, or take another model: `python -m rssr models` says which have weights\n",
        ),
        (  # not on the data set of another of the files that the suite knows
            ("a.png", "--model", "lstmconvsr"),
            "results/weights/lstmconvsr/potsdam/x4/seed10.safetensors --cores all --configfile config/paper.yaml` in",
        ),
        (
            ("a.png", "--model", "swinir"),
            "seed10.safetensors --cores all --configfile config/paper.yaml config/zoo.yaml` in",
        ),
        (("b.png", "--model", "bicubic"), "b.png: correct its name"),
        *(
            (("a.png", "--model", "bicubic", "--tile", *tile), "the size is at least 16, and the overlap at most half")
            for tile in ((16, 9), (0, 0), (15, 2), (32, -1))
        ),
        (("a.png", "--model", "bicubic", "--scale", 3), "the configuration has x4 alone: name one that it has, or"),
        (("a.png", "--model", "LSTMConvSR-XS"), "no model 'LSTMConvSR-XS', did you mean 'lstmconvsr_xs'?"),
        (
            ("a.png", "--model", "bicubic", "--device", "gpu"),
            "--device gpu: PyTorch can use no such device here: use --device",
        ),
        (("a.png", "--model", "bicubic", "--device", "mps"), "--device mps: PyTorch can use no such device here"),
        (("a.png", "--model", "bicubic", "-o", tmp_path / "a.png/b.png"), "a.png cannot be read or written (File exis"),
        (("a.png", "--model", "bicubic", "-o", tmp_path / "a.png"), "a.png is what is upscaled, or a part of it: na"),
        (("a.png", "--model", "bicubic", "-o", tmp_path / "b"), "the format '' is unknown"),
    ):
        image, *rest = arguments
        result = rssr("upscale", tmp_path / image, "-o", tmp_path / "out.png", *rest)
        assert result.returncode == 1 and message in result.stderr, result.stderr
        assert "\n" not in result.stderr.strip() and not (tmp_path / "out.png").exists()


def test_an_export_never_replaces_the_weights_that_it_reads(tmp_path):
    done = rssr("export", "edsr_xs", "--as", "basicsr", "-o", "net.pth", cwd=tmp_path)
    assert done.stdout == f"net.pth: {(tmp_path / 'net.pth').stat().st_size / 1e6:.1f} MB\n", done.stderr
    before = (tmp_path / "net.pth").read_bytes()
    mine = {"models": {"edsr_xs": {"weights": {"path": "net.pth", "sha256": None}}}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    command = ("export", "edsr_xs", "--config", ROOT / "config/config.yaml", "mine.yaml", "--as", "basicsr")
    said = rssr(*command, "-o", tmp_path / "net.pth", "--overwrite", cwd=tmp_path)
    assert (
        said.returncode == 1 and "net.pth is the file that models.edsr_xs is loaded from: name another" in said.stderr
    )
    assert (tmp_path / "net.pth").read_bytes() == before
    assert rssr(*command, "-o", "other.pth", cwd=tmp_path).returncode == 0


def test_other_commands_and_options_say_what_they_take(tmp_path):
    (tmp_path / "a.yml").write_text("name: x")
    for arguments, code, message in (
        (("basicsr", tmp_path / "none.yml"), 1, "none.yml cannot be read (No such file or directory)"),
        (("basicsr", tmp_path / "a.yml"), 1, "a.yml is no option file of BasicSR: write one with `python -m rssr expo"),
        (
            ("upscale", "a.png", "--model", "bicubic", "-o", "b.png", "--threads", 0),
            2,
            "--threads: a whole number of at least 1 is expected, not '0'",
        ),
        *(
            (("compare", "a", "b", f"--tolerance={value}"), 2, TOLERANCE.format(value))
            for value in ("nan", "inf", "-1")
        ),
        (("compare", "a", "b", "--trained-tolerance", "x"), 2, f"--trained-{TOLERANCE[2:].format('x')}"),
        (("plan", "--steps-per-second", "abc"), 2, "[MODEL=]VALUE with a number above 0 is expected, not 'abc'"),
        (
            ("plan", "--steps-per-second", "net=inf"),
            2,
            "[MODEL=]VALUE with a number above 0 is expected, not 'net=inf'",
        ),
    ):
        result = rssr(*arguments)
        assert result.returncode == code and message in result.stderr and "Traceback" not in result.stderr


def test_weights_are_found_where_a_run_has_trained_them(tmp_path):
    """The first data set only trains others."""
    split = {"big": {"train": "*"}, "mine": {"train": "a*", "test": "b*"}}
    data = {name: {"label": name, "images": str(tmp_path), "split": parts} for name, parts in split.items()}
    net = {"label": "Net", "arch": "basicsr:EDSR", "train": "test"}
    blocks = yaml.safe_load((ROOT / "config/test.yaml").read_text()) | {"datasets": data, "models": {"net": net}}
    config = validate(blocks | {"analysis": None, "audit": None}, "test")
    with pytest.raises(UserError, match="there are no weights before .*: run `snakemake results/weights/net/mine/x4/"):
        file_of(config, "net", 4)


def test_models_says_whose_weights_are_here(tmp_path):
    net = {"label": "Net", "arch": "basicsr:EDSR", "train": "test"}
    files = {"file": {"path": str(tmp_path / "a.pth")}, "web": {"url": "https://example.org/a.pth", "sha256": "0" * 64}}
    models = {name: {"label": name, "arch": "basicsr:EDSR", "weights": file} for name, file in files.items()}
    blocks = yaml.safe_load((ROOT / "config/test.yaml").read_text()) | {"analysis": None, "audit": None}
    config = validate(blocks | {"models": models | {"net": net}}, "test")

    def told():
        return [row["weights"] for row, _ in describe(config)]

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert told() == ["missing", "to be downloaded", "to be trained"]
        for name in ("a.pth", f"downloads/weights/{'0' * 12}-a.pth", WEIGHTS.format("net")):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        assert told() == ["here"] * 3


def test_mistaken_options_are_one_line_that_names_the_help():
    for mistake in (["plann"], ["upscale", "a.png", "--model", "m", "-o", "b.png", "--bands", "3,2,1"]):
        said = rssr(*mistake)
        assert said.returncode == 2 and said.stderr.startswith("error: argument ") and not said.stdout
        assert said.stderr.count("\n") == 1 and re.search(r": run python -m rssr( upscale)? --help$", said.stderr)


@pytest.fixture
def of_two_seeds(tmp_path):
    """The options that name a configuration of two seeds, and the folder of a run of it whose second seed is zero."""
    blocks = yaml.safe_load((ROOT / "config/test.yaml").read_text()) | {
        "analysis": None,
        "audit": None,
        "degradations": None,
    }
    blocks = {key: value for key, value in blocks.items() if value is not None}
    recipe = blocks["training"]["test"] | {"seeds": [3, 4]}
    blocks |= {"models": {"net": blocks["models"]["edsr_test"]}, "training": {"short": recipe}}
    blocks["models"]["net"]["train"] = "short"
    (tmp_path / "two.yaml").write_text(yaml.safe_dump(blocks))
    config = load(tmp_path / "two.yaml")
    (first, *_), run = to_train(config, "net", 4), tmp_path / "run"
    now = (
        jobs.recipe(config, ModelPlan("net", 4, config.models["net"], (3, 4))),
        jobs.network(ModelPlan("net", 4, config.models["net"], ())),
    )
    for seed in (3, 4):
        path = run / first.path.replace("seed3", f"seed{seed}")
        path.parent.mkdir(parents=True, exist_ok=True)
        network = network_of(build(entry_of(config, "net", 4)))
        if seed == 4:
            for tensor in network.parameters():
                tensor.data.zero_()
        write_weights(path, network.state_dict(), 4)
        record = {
            "recipe": json.loads(now[0]) | {"seed": seed, "log_every": 1},
            "model": json.loads(now[1]),
            "sha256": "",
        }
        path.with_suffix(".json").write_text(json.dumps(record))
    return ("--config", tmp_path / "two.yaml"), run


def test_a_run_in_a_folder_of_its_own_is_asked_for_by_directory_and_one_of_its_seeds_by_seed(of_two_seeds, tmp_path):
    config, run = of_two_seeds
    Image.new("RGB", (16, 16), (90, 120, 60)).save(tmp_path / "a.png")
    upscale = ("upscale", "a.png", "--model", "net", *config, "-o", "b.png", "--overwrite")
    said = rssr(*upscale, cwd=tmp_path)
    assert said.returncode == 1 and "there are no weights before its training" in said.stderr
    said = rssr(*upscale, "--directory", "run", cwd=tmp_path)
    assert said.stdout.startswith(f"{tmp_path / 'b.png'}: note: of seed 3, the first of 2 in training.short\n"), (
        said.stderr
    )
    assert np.ptp(np.asarray(Image.open(tmp_path / "b.png")), (0, 1)).any()
    said = rssr(*upscale, "--directory", "run", "--seed", 4, cwd=tmp_path)
    assert (
        "note" not in said.stdout and not np.ptp(np.asarray(Image.open(tmp_path / "b.png")), (0, 1)).any()
    )  # of zeros
    assert "to be trained" in rssr("models", *config, cwd=tmp_path).stdout
    assert "here" in rssr("models", *config, "--directory", run, cwd=tmp_path).stdout.splitlines()[-1]
    for given, message in (
        (("--seed", 5), "--seed 5: training.short has the seeds 3, 4: name one of them, or add it to `seeds`"),
        (("--directory", tmp_path), f"--directory {tmp_path}: no run is in it: name the folder of a run"),
        (("--directory", "none"), "none cannot be read or written (No such file or directory)"),
        (("--model", "nett", "--seed", 3), "there is no model 'nett', did you mean 'net'?"),
    ):
        said = rssr(*upscale, "--directory", "run", *given, cwd=tmp_path)
        assert said.returncode == 1 and message in said.stderr, said.stderr
    shutil.rmtree(run / "results/weights")
    said = rssr(*upscale, "--directory", "run", cwd=tmp_path)
    assert f"two.yaml --directory {run}` in {ROOT}" in said.stderr


def test_weights_of_another_recipe_than_now_are_said_so(of_two_seeds, tmp_path):
    config, run = of_two_seeds
    changed = {
        "training": {"short": {"loss": "l2", "seeds": [4], "log_every": 7}},
        "models": {"net": {"self_ensemble": True}},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(changed))
    command = ("export", "net", *config, tmp_path / "mine.yaml", "--as", "safetensors", "--directory", run)
    said = rssr(*command, "-o", tmp_path / "a.safetensors")
    assert ": note: trained before training.short was changed (loss): a run trains it again\n" in said.stdout, (
        said.stderr
    )
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"models": {"net": {"args": {"res_scale": 0.5}}}}))
    said = rssr(*command, "-o", tmp_path / "b.safetensors")
    assert (
        "of seed 3, the first of 2 in training.short; trained before models.net was changed (args): a run"
        in said.stdout
    )
