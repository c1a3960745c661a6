"""Bad input through the command that a user types: one sentence, and nothing lost."""

import shutil

import numpy as np
import pytest
from PIL import Image

from rssr.base.files import sha256


def kept(project):
    """Checksums of what a run has computed; renderings may follow the configuration before the error is met."""
    patterns = ("scores/**/*.csv", "data/**/*.png", "sr/**/*.png", "**/*.checkpoint")
    files = [path for pattern in patterns for path in (project.folder / "results").glob(pattern)]
    return {path: sha256(path) for path in files}


def failed(project, *arguments):
    before = kept(project)
    result = project.snakemake(*arguments)
    assert result.returncode != 0
    assert "Traceback" not in result.stdout
    after = kept(project)
    assert {path: after.get(path) for path in before} == before
    return result.stdout


def test_misspelt_key(project):
    project.edit("config/test.yaml", "label: Bicubic", "lable: Bicubic")
    assert "unknown key 'models.bicubic.lable', did you mean 'label'?" in failed(project)


def test_unknown_model(project):
    project.edit("config/test.yaml", "arch: lstmconvsr", "arch: lstmconvrs")
    assert "unknown model 'lstmconvrs', did you mean 'lstmconvsr'?" in failed(project)


def test_class_that_is_not_there(project):
    project.edit("config/test.yaml", "basicsr:EDSR", "basicsr:EDSRR")
    assert "error: arch 'basicsr:EDSRR': module basicsr has no class 'EDSRR'" in failed(project)


def test_argument_that_a_network_refuses(project):
    project.edit("config/test.yaml", "num_feat: 8", "num_fat: 8")
    assert "error: arch 'basicsr:EDSR' does not take the arguments" in failed(project)


def test_wrong_sha256_of_weights(project):
    shutil.copy(
        project.folder / "results/weights/edsr_test/synthetic/x4/seed10.safetensors", project.folder / "w.safetensors"
    )
    weights = f"weights: {{path: w.safetensors, sha256: '{'0' * 64}'}}"
    project.edit("config/test.yaml", "img_range: 1.0}\n    train: test", f"img_range: 1.0}}\n    {weights}")
    assert "error: w.safetensors: sha256 is " in failed(project)


def test_weights_of_another_shape(project):
    shutil.copy(
        project.folder / "results/weights/edsr_test/synthetic/x4/seed10.safetensors", project.folder / "w.safetensors"
    )
    project.edit(
        "config/test.yaml", "img_range: 1.0}\n    train: test", "img_range: 1.0}\n    weights: {path: w.safetensors}"
    )
    project.edit("config/test.yaml", "num_feat: 8", "num_feat: 9")
    assert "error: w.safetensors does not fit EDSR: 'conv_first.weight' is (8, 3, 3, 3), not (9, 3, 3, 3)" in failed(
        project
    )


@pytest.fixture
def own_images(project):
    folder = project.folder / "images"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "a.png")
    Image.fromarray(noise[:, :46]).save(folder / "b.png")
    mine = "  mine: {label: Mine, images: images, split: {test: '*.png'}}\nmodels:\n"
    project.edit("config/test.yaml", "models:\n", mine)
    for model in ("lstmconvsr", "basicsr:EDSR"):
        project.edit("config/test.yaml", f"arch: {model}", f"arch: {model}\n    train_on: synthetic")
    project.edit("config/test.yaml", "    ablates:", "    train_on: synthetic\n    ablates:")
    return project


def test_unreadable_image(own_images):
    (own_images.folder / "images/b.png").write_bytes((own_images.folder / "images/a.png").read_bytes()[:500])
    assert "error: images/b.png cannot be read as an image" in failed(own_images)


def test_no_train_split(own_images):
    own_images.edit("config/test.yaml", "train_on: synthetic", "train_on: mine")
    assert "models.lstmconvsr_test.train: the data set 'mine' has no train split" in failed(own_images)


def test_deep_image(own_images):
    Image.fromarray(np.zeros((48, 48), np.uint16)).save(own_images.folder / "images/b.png")
    assert "error: images/b.png has more than 8 bits per channel" in failed(own_images)


def test_folder_without_images(own_images):
    own_images.edit("config/test.yaml", "test: '*.png'", "test: 'test/*.png'")
    assert "error: datasets.mine: no image matches 'test/*.png' in the folder images" in failed(own_images)


def test_no_such_folder(own_images):
    own_images.edit("config/test.yaml", "images: images", "images: pictures")
    assert "error: datasets.mine: there is no folder pictures" in failed(own_images)


def test_no_such_weights(project):
    """Snakemake alone would use the weights of the earlier run."""
    weights = "img_range: 1.0}\n    weights: {path: no/such.safetensors}"
    project.edit("config/test.yaml", "img_range: 1.0}\n    train: test", weights)
    assert "error: models.edsr_test.weights.path: there is no file no/such.safetensors" in failed(project)


def test_required_metric_without_a_network(project):
    project.edit("config/test.yaml", "metrics: {psnr_y: {},", "metrics: {psnr_y: {}, lpips: {},")
    environment = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        message = failed(project)
        assert "alexnet-owt-7be5be79.pth cannot be downloaded" in message
        assert "rule fetch_metric" not in message, "it stops before any work is done"
        project.edit("config/test.yaml", "lpips: {}", "lpips: {required: false}")
        result = project.snakemake()
    assert result.returncode == 0, result.stdout
    table = (project.folder / "results/tables/synthetic/x4-bicubic/quality.md").read_text()
    assert "LPIPS ↓" not in table and "–" not in table
    assert "LPIPS: not computed, because downloads/metrics/checkpoints/alexnet-owt-7be5be79.pth cannot be" in table
    assert "on another machine and put it there; then delete results/metrics/lpips.json and run again" in table
