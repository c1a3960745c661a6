"""Training by BasicSR from an exported option file, beside this project's loop: rates, losses, weights."""

import copy
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from basicsr.data import build_dataset
from basicsr.models.sr_model import SRModel
from runs import rssr
from scipy.stats import ttest_rel
from torch.nn.functional import l1_loss

from rssr.base.errors import UserError
from rssr.base.files import write_image
from rssr.config import load
from rssr.datasets.folder import data_set
from rssr.datasets.prepare import prepare_hr, prepare_lr
from rssr.models.registry import build, network_of
from rssr.models.weights import write_basicsr, write_weights
from rssr.steps.basicsr import rssr_network, run, write_options
from rssr.steps.catalogue import entry_of
from rssr.steps.checkpoints import Checkpoints
from rssr.steps.export import export
from rssr.steps.patches import Patches
from rssr.steps.training import Trainer

CPU = torch.device("cpu")
FOLDERS = "results/data/own/train/HR-x4", "results/data/own/train/LR/x4-bicubic"
EDSR = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "upscale": 4, "img_range": 1.0}
MODELS = {
    "edsr": {"label": "EDSR", "arch": "basicsr:EDSR", "args": EDSR, "train": "short"},
    "lstmconvsr": {
        "label": "LSTMConvSR",
        "arch": "lstmconvsr",
        "args": {"channels": 8, "groups": [1], "arrbs": 1, "tail": "light"},
        "train": "short",
    },
    "bicubic": {"label": "Bicubic", "arch": "bicubic"},
}
RECIPE = {"iterations": 30, "batch": 4, "patch": 8, "optimiser": {"lr": 2e-3}, "ema": 0.9, "log_every": 1}


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """Changes of the recipe -> the configuration, in a folder where a run has prepared four images."""
    monkeypatch.chdir(tmp_path)
    for name in "abcd":
        squares = np.random.default_rng(ord(name)).integers(0, 256, (8, 9, 3), dtype=np.uint8)
        write_image(tmp_path / f"own/{name}.png", np.kron(squares, np.ones((8, 8, 1), np.uint8)))
    prepare_hr(data_set(str(tmp_path / "own"), {"train": "*"}), tmp_path, "train", None, tmp_path / FOLDERS[0], 1)
    prepare_lr(tmp_path / FOLDERS[0], tmp_path / FOLDERS[1], "bicubic", 4, 1)

    def config(**changes):
        content = {"scale": 4, "models": MODELS, "training": {"short": RECIPE | changes}, "metrics": {"psnr_y": {}}}
        content["datasets"] = {"own": {"label": "Own", "images": "own", "split": {"train": "*", "test": "*"}}}
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        return load(tmp_path / "c.yaml")

    return config


def ours(config, folder, name="edsr"):
    """A training run of this project, not yet started."""
    recipe = config.training["short"].model_dump(mode="json")
    recipe["seed"] = recipe["seeds"][0]
    torch.manual_seed(recipe["seed"])
    network = network_of(build(entry_of(config, name, 4))).train()
    patches = Patches(*map(Path, FOLDERS), 4, recipe)
    return Trainer(network, recipe, patches, Checkpoints(folder, recipe), CPU)


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "l1", "schedule": {"name": "cosine", "warmup": 5}},
        {"loss": "l2", "schedule": {"name": "cosine"}, "ema": 0},
        {"loss": "charbonnier", "schedule": {"name": "multistep", "warmup": 4, "milestones": [0.1, 0.5, 0.75]}},
        {"optimiser": {"lr": 1e-3, "weight_decay": 0.1, "betas": (0.8, 0.95)}, "schedule": {"warmup": 1}},
        {"iterations": None, "epochs": 20, "schedule": {"name": "multistep", "milestones": [0.5]}},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_the_same_batches_give_the_same_rates_losses_and_weights(configured, tmp_path, changes):
    config = configured(**changes)
    write_options(config, "edsr", 4, tmp_path / "o.yml")
    options = yaml.safe_load((tmp_path / "o.yml").read_text())
    train = copy.deepcopy(options["train"])  # BasicSR takes keys out of it
    torch.manual_seed(options["manual_seed"])
    theirs = SRModel(options | {"num_gpu": 0, "is_train": True, "dist": False, "rank": 0})
    run = ours(config, tmp_path)
    batches = run.patches
    for name, value in theirs.net_g.state_dict().items():
        assert torch.equal(value, run.weights[name])
    run.run()
    assert len(run.curve) == train["total_iter"]
    for number, row in enumerate(run.curve):
        theirs.update_learning_rate(number + 1, warmup_iter=train["warmup_iter"])
        theirs.feed_data(dict(zip(("lq", "gt"), batches(number), strict=True)))
        theirs.optimize_parameters(number + 1)
        assert theirs.get_current_learning_rate() == pytest.approx([row["learning_rate"]], rel=1e-6, abs=1e-12)
        assert theirs.get_current_log()["l_pix"] == pytest.approx(row["loss"], rel=1e-4)
    kept = theirs.net_g_ema if config.training["short"].ema else theirs.net_g
    for name, value in kept.state_dict().items():
        torch.testing.assert_close(value, (run.average or run.weights)[name], rtol=1e-3, atol=1e-5)

    images = build_dataset(options["datasets"]["train"] | {"phase": "train", "scale": 4})
    assert len(images) == 4 and images[0]["lq"].shape == (3, 8, 8) and images[0]["gt"].shape == (3, 32, 32)


def test_a_run_of_each_reaches_the_same_loss_within_the_noise_of_seeds(configured, tmp_path):
    """Pairs of runs start from the same weights; half the learning rate is told apart by the same test."""

    def loss_of(weights):
        network = network_of(build(entry_of(config, "edsr", 4)))
        network.load_state_dict(weights)
        with torch.no_grad():
            return l1_loss(network(lr), hr).item()

    config = configured()
    images = Patches(*map(Path, FOLDERS), 4, RECIPE | {"seed": 0})
    lr, hr = (torch.from_numpy(np.stack(side)).float() / 255 for side in (images.lr, images.hr))
    losses = {"here": [], "BasicSR": [], "half the rate": []}
    for seed in range(4):
        config = configured(seeds=[seed], optimiser={"lr": 1e-3})
        losses["half the rate"].append(loss_of(ours(config, tmp_path / "half").run()))
        config = configured(seeds=[seed])
        losses["here"].append(loss_of(ours(config, tmp_path).run()))
        done = rssr(
            "export",
            "edsr",
            "--config",
            "c.yaml",
            "--as",
            "basicsr-options",
            "-o",
            "o.yml",
            "--overwrite",
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        run(tmp_path / "o.yml", CPU)
        found = torch.load(tmp_path / "experiments/edsr_x4/models/net_g_latest.pth", weights_only=True)
        losses["BasicSR"].append(loss_of(found["params_ema"]))
        shutil.rmtree(tmp_path / "experiments")  # BasicSR would rename it, with a time stamp in seconds
    assert ttest_rel(losses["here"], losses["BasicSR"]).pvalue > 0.05, losses
    assert ttest_rel(losses["half the rate"], losses["BasicSR"]).pvalue < 0.05, losses


def test_a_network_of_this_project_trains_there_and_comes_back(configured, tmp_path):
    """From weights under its authors' names, as `export --as basicsr` writes them."""
    config = configured(iterations=2)
    write_options(config, "lstmconvsr", 4, tmp_path / "o.yml")
    options = yaml.safe_load((tmp_path / "o.yml").read_text())
    start = rssr_network(**entry_of(config, "lstmconvsr", 4))
    write_basicsr(tmp_path / "start.pth", start)
    options["path"]["pretrain_network_g"] = str(tmp_path / "start.pth")
    options["train"]["optim_g"]["lr"] = 1e-30
    (tmp_path / "o.yml").write_text(yaml.safe_dump(options))
    run(tmp_path / "o.yml", CPU)
    weights = {"path": str(tmp_path / "experiments/lstmconvsr_x4/models/net_g_latest.pth")}
    back = network_of(build(entry_of(config, "lstmconvsr", 4) | {"weights": weights}))
    torch.testing.assert_close(back.state_dict(), start.state_dict())  # their average is rounded


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("edsr", {"clip": 1.0}, "training.short.clip: BasicSR's SRModel has no counterpart of 1.0: remove it"),
        ("edsr", {"precision": "bf16"}, "training.short.precision: .* of bf16: set fp32 for BasicSR"),
        ("edsr", {"optimiser": {"name": "adamw", "lr": 1e-3}}, "training.short.optimiser: .* of adamw: set adam"),
        ("edsr", {"validate_every": 1, "keep": "best"}, "training.short.keep: .* of best: set last"),
        ("bicubic", {}, "models.bicubic has no recipe to export: name one with `train`"),
        ("esdr", {}, "there is no model 'esdr', did you mean 'edsr'"),
    ],
)
def test_what_would_be_another_recipe_is_refused(configured, tmp_path, name, changes, message):
    with pytest.raises(UserError, match=message):
        write_options(configured(**changes), name, 4, tmp_path / "o.yml")
    assert not (tmp_path / "o.yml").exists()


def test_a_class_of_basicsr_without_arguments_is_exported(configured, tmp_path):
    config = configured()
    config.models["edsr"] = config.models["edsr"].model_copy(update={"arch": "basicsr:SRVGGNetCompact", "args": {}})
    write_options(config, "edsr", 4, tmp_path / "o.yml")
    assert yaml.safe_load((tmp_path / "o.yml").read_text())["network_g"] == {"type": "SRVGGNetCompact"}


def test_the_option_file_names_the_images_that_the_network_is_trained_on(configured, tmp_path):
    """Not those of a data set that is only there for others to train on, though it stands first."""
    config = configured()
    pool = config.datasets["own"].model_copy(update={"split": {"train": "*"}})
    config = config.model_copy(update={"datasets": {"pool": pool} | config.datasets})
    write_options(config, "edsr", 4, tmp_path / "o.yml")
    roots = yaml.safe_load((tmp_path / "o.yml").read_text())["datasets"]["train"]
    assert [Path(roots[key]).relative_to(tmp_path) for key in ("dataroot_gt", "dataroot_lq")] == list(
        map(Path, FOLDERS)
    )
    others = config.model_copy(update={"datasets": {"own": config.datasets["own"], "other": config.datasets["own"]}})
    said = export(others, "edsr", 4, "basicsr-options", tmp_path / "p.yml")
    assert said == "trained on own, one of 2 data sets with a test split"


@pytest.mark.parametrize("seeds", [[11, 12], [11]])
def test_an_export_says_which_of_several_seeds_it_is_of(configured, tmp_path, seeds):
    network = network_of(build(entry_of(configured(seeds=seeds), "edsr", 4)))
    write_weights(tmp_path / "results/weights/edsr/own/x4/seed11.safetensors", network.state_dict(), 4)
    for form, out in (("basicsr-options", "o.yml"), ("safetensors", "w.safetensors"), ("basicsr", "w.pth")):
        done = rssr("export", "edsr", "--config", "c.yaml", "--as", form, "-o", out, cwd=tmp_path)
        said = f"{out}: note: of seed 11, the first of 2 in training.short\n" if len(seeds) > 1 else ""
        size = f"{out}: {(tmp_path / out).stat().st_size / 1e3:.1f} kB\n"
        assert (done.returncode, done.stdout) == (0, said + size), done.stderr


@pytest.mark.parametrize(
    ("part", "content"), [("network_g", {"type": "NoSuch"}), ("path", None), ("datasets", {"train": {}})]
)
def test_an_option_file_that_basicsr_fails_on_is_one_sentence(configured, tmp_path, part, content):
    write_options(configured(iterations=2), "edsr", 4, tmp_path / "o.yml")
    options = yaml.safe_load((tmp_path / "o.yml").read_text()) | {part: content}
    (tmp_path / "o.yml").write_text(yaml.safe_dump(options))
    said = rssr("basicsr", tmp_path / "o.yml", cwd=tmp_path)
    assert said.returncode == 1 and "o.yml: BasicSR's training fails (" in said.stderr, said.stderr
    assert said.stderr.splitlines()[-1].endswith("): correct the file")
