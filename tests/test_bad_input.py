"""Bad input through the command that a user types: one sentence, and nothing lost."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from runs import WEIGHTS, offline

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.base.files import read_csv, read_image, sha256

EDSR = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "upscale": 4, "img_range": 1.0}
ON_SYNTHETIC = {
    name: {"train_on": "synthetic"} for name in ("lstmconvsr_test", "lstmconvsr_test_without_hwd", "edsr_test")
}


def own(pattern="*.png", folder="images"):
    return {"label": f"Mine: {pattern}", "images": folder, "split": {"test": pattern}}


def edsr(**weights):
    return {"label": "EDSR", "arch": "basicsr:EDSR", "args": EDSR, "weights": {"path": "w.safetensors"} | weights}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"models": {"bicubic": {"lable": "Bicubic"}}},
            "unknown key 'models.bicubic.lable', did you mean 'label'?",
        ),
        (
            {"models": {"lstmconvsr_test": {"arch": "lstmconvrs"}}},
            "unknown model 'lstmconvrs', did you mean 'lstmconvsr'?",
        ),
        (
            # Snakemake alone would use the weights of the earlier run.
            {"models": {"edsr_test": {"train": None, "weights": {"path": "no/such.safetensors"}}}},
            "models.edsr_test.weights.path: there is no file no/such.safetensors",
        ),
        (
            {
                "datasets": {"mine": own(folder="results/data/synthetic/test/HR-x4")},
                "models": ON_SYNTHETIC | {"edsr_test": {"train_on": "mine"}},
            },
            "models.edsr_test.train: the data set 'mine' has no train split",
        ),
        ({"datasets": {"mine": own(folder="pictures")}}, "datasets.mine: there is no folder pictures"),
        (
            {"datasets": {"mine": own("test/*.png", "docs")}},
            "datasets.mine: no image matches 'test/*.png' in the folder docs",
        ),
        (
            {"models": {"edsr_test": {"arch": "no_such.nets:Net", "args": None}}},
            "models.edsr_test.arch: there is no module no_such.nets: install the package, put its folder in PY",
        ),
    ],
)
def test_what_a_plan_refuses(planned, changes, message):
    planned.change(**changes)
    code, said = planned.dry_run()
    error = said.splitlines()[-1]
    assert code == 1 and error.startswith("error: ") and message in error and "Traceback" not in said


@pytest.mark.parametrize("folder", ["results", "downloads"])
def test_a_folder_of_results_that_is_a_broken_link_is_named(tmp_path, folder):
    (tmp_path / folder).symlink_to("not_mounted")
    files = ["-s", ROOT / "Snakefile", "--configfile", ROOT / "config/test.yaml"]
    command = [sys.executable, "-m", "snakemake", "-n", *files]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert said.stderr.splitlines()[-1].startswith(f"error: {folder} is a broken link, to not_mounted: put that back")


def test_a_table_of_classes_that_a_data_set_does_not_have_is_refused(tmp_path):
    (tmp_path / "pictures/a").mkdir(parents=True)
    Image.new("RGB", (48, 48)).save(tmp_path / "pictures/a/b.png")
    entries = (
        'datasets: {mine: {label: M, images: pictures, split: {test: "*/*"}}}\nmodels: {m: {label: B, arch: bicubic}}'
    )
    (tmp_path / "c.yaml").write_text(entries)
    command = [sys.executable, "-m", "snakemake", "-n", "-s", ROOT / "Snakefile", "--configfile", "c.yaml"]
    command += ["--", "results/tables/mine/x4-bicubic/classes.md"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 1 and "Traceback" not in said.stderr
    assert said.stderr.splitlines()[-1].startswith("error: datasets.mine has no classes, so there is no table of them")


def kept(project):
    """Checksums of what a run has computed; renderings may follow the configuration before the error is met."""
    patterns = ("scores/**/*.csv", "data/**/*.png", "sr/**/*.png", "weights/**/*.safetensors", "**/*.checkpoint")
    files = [path for pattern in patterns for path in (project.folder / "results").glob(pattern)]
    return {path: sha256(path) for path in files}


@pytest.mark.slow
def test_what_jobs_refuse(project):
    """Every job that cannot be done says why; what can be done is done, and what was done is kept."""
    images = project.folder / "images"
    noise = np.random.default_rng(0).integers(0, 256, (49, 46, 3), dtype=np.uint8)
    for name, pixels in {"sound/a": noise, "deep/b": np.zeros((48, 48), np.uint16), "cut/c": noise}.items():
        (images / name).parent.mkdir(parents=True)
        Image.fromarray(pixels).save(images / f"{name}.png")
    (images / "cut/c.png").write_bytes((images / "cut/c.png").read_bytes()[:500])
    shutil.copy(project.folder / WEIGHTS.format("edsr_test"), project.folder / "w.safetensors")
    trained = {"label": "EDSR", "train": "test", "train_on": "synthetic"}
    refused = {
        "no_class": (
            trained | {"arch": "basicsr:EDSRR"},
            "arch 'basicsr:EDSRR': module basicsr has no class 'EDSRR', did you mean 'EDSR'?",
        ),
        "argument": (
            trained | {"arch": "basicsr:EDSR", "args": {"num_fat": 8}},
            "arch 'basicsr:EDSR' does not take the argument 'num_fat', did you mean 'num_feat'?",
        ),
        "checksum": (edsr(sha256="0" * 64), "w.safetensors has the sha256 "),
        "shape": (
            edsr() | {"args": EDSR | {"num_feat": 9}},
            "w.safetensors does not fit EDSR: 'conv_first.weight' is (8, 3, 3, 3), not (9, 3, 3, 3)",
        ),
    }
    of_data = {
        "cut": (own("cut/*.png"), "images/cut/c.png cannot be read as an image"),
        "deep": (own("deep/*.png"), "images/deep/b.png has uint16 pixels, here from 0 to 0, where 8 bits per channel"),
    }
    project.change(
        datasets={"sound": own("sound/*.png")} | {name: entry for name, (entry, _) in of_data.items()},
        models=ON_SYNTHETIC | {name: entry | {"label": name} for name, (entry, _) in refused.items()},
    )
    before = kept(project)
    sound = "results/data/sound/test/{}/manifest.csv"
    targets = [
        *(WEIGHTS.format(name) for name in ("no_class", "argument")),
        *(f"results/weights/{name}/synthetic/x4/0.safetensors" for name in ("checksum", "shape")),
        *(f"results/data/{name}/test/HR-x4/manifest.csv" for name in of_data),
        sound.format("LR/x4-bicubic"),
    ]
    code, said = project.snakemake("--keep-going", "--", *targets)
    assert code == 1 and "Traceback" not in said
    last = [line for line in said.splitlines() if line][-len(refused | of_data) :]
    said_of = {f"models.{name}: {message}" for name, (_, message) in refused.items()}
    for message in said_of | {message for _, message in of_data.values()}:
        (repeated,) = [line for line in last if f"error: {message}" in line]
        assert repeated.startswith("error: ")
    assert before and {path: kept(project).get(path) for path in before} == before
    # Not an error: sides that are no multiple of the scale, since images come in all sizes.
    assert np.array_equal(read_image(project.folder / "results/data/sound/test/HR-x4/sound_a.png"), noise[:48, :44])
    (row,) = read_csv(project.folder / sound.format("HR-x4"))
    assert (row["right"], row["bottom"]) == ("44", "48")


def test_an_error_is_one_line_whatever_it_names():
    assert str(UserError("there is no folder a\nb", "correct its name")) == r"there is no folder a\nb: correct its name"


def test_an_error_among_images_begins_a_line():
    code = """
from rssr.base.errors import UserError
from rssr.base.parallel import in_order
from rssr.base.process import run

def fail(image):
    raise UserError("no image")

run(lambda: in_order(fail, range(2), 1, "score"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (
        done.returncode == 1
        and done.stderr.lstrip().startswith("score:")
        and done.stderr.endswith("\nerror: no image\n")
    )


@pytest.mark.parametrize("setting", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_an_output_that_is_no_utf8_has_escapes(setting):
    code = r"from rssr.base.process import run; run(lambda: print('1 \u2013 2'))"
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONIOENCODING"}
    environment = inherited | setting | {"PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert (done.stdout, done.stderr) == ("1 \\u2013 2\n", "")


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "1>&- 2>&-"])
def test_a_command_whose_output_the_shell_closes_does_its_work(closed, tmp_path):
    code = "import sys; from rssr.base.process import run; run(lambda: (print(1, file=sys.stderr), open('done', 'w')))"
    command = f"{shlex.quote(sys.executable)} -c {shlex.quote(code)} {closed}"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    assert subprocess.run(command, shell=True, cwd=tmp_path, env=environment).returncode == 0
    assert (tmp_path / "done").exists()


def test_required_metric_without_a_network(project):
    project.change(metrics={"lpips": {}})
    before = kept(project)
    with offline():
        code, said = project.snakemake()
    assert code == 1 and "Traceback" not in said
    assert "alexnet-owt-7be5be79.pth cannot be downloaded" in said
    assert not re.search(r"^Job \d+:", said, re.MULTILINE), "it stops before any work is done"
    assert kept(project) == before
