"""Training by BasicSR 1.4.2 instead of this project's loop: the option file of an entry, and the run itself."""

import importlib
import math
import shlex
import sys
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from rssr.base import run_folder
from rssr.base.errors import UserError, about, in_words
from rssr.base.files import read_csv, replacing
from rssr.base.targets import parts
from rssr.config import Config, read
from rssr.config.models import Recipe
from rssr.models.registry import build, network_of
from rssr.models.weights import has_released_names
from rssr.plan.training_set import TrainingSet
from rssr.steps.catalogue import entry_of
from rssr.steps.held import has_batch_norms
from rssr.steps.trained import trained_on
from rssr.steps.training import iterations

# Keys of a recipe that BasicSR's SRModel supports with one value only.
_FIXED = {"clip": None, "precision": "fp32", "keep": "last"}
_LOSSES = {"l1": {"type": "L1Loss"}, "l2": {"type": "MSELoss"}, "charbonnier": {"type": "CharbonnierLoss", "eps": 1e-6}}
_HEADER = """\
# {name} by its recipe `{recipe}`, for BasicSR 1.4.2; run it with: python -m rssr basicsr {path}
# Not carried over, because the weights do not depend on it: channels_last, compile, devices, validate_every.
# An epoch here is a shuffled order of the images, {ratio} times each; in this project each patch draws its image.
"""
_ENLARGED = 100  # passes over the images per epoch, because BasicSR starts its workers anew at each


def write_options(config: Config, name: str, scale: int, path: Path) -> None:
    """Write the option file that trains a model's network by its recipe, and beside it a .txt with names of images.

    Args:
        config: the configuration.
        name: the model's name in it.
        scale: one of its scales.
        path: the option file, .yml.

    Raises:
        UserError: for a model that is not trained, for what BasicSR's SRModel cannot do, and for images that are not
            prepared.
    """
    entry = entry_of(config, name, scale)
    model = config.models[name]
    if model.train is None:
        raise UserError(f"models.{name} has no recipe to export", "name one with `train`")
    recipe = config.training[model.train]
    _check(recipe, f"training.{model.train}")
    with about(f"models.{name}"):
        network = network_of(build(entry))
    if model.range != 1 or recipe.patch % model.multiple_of:
        raise UserError(f"models.{name}: BasicSR trains it without `range` and `multiple_of`", "train it here")
    if recipe.ema and has_batch_norms(network):
        raise UserError(f"models.{name} has batch norms: BasicSR's `ema` leaves their statistics out", "train it here")
    dataset = trained_on(config, name)
    images = TrainingSet(dataset, scale, config.degradations_of(dataset)[0])
    manifest = run_folder() / images.lr.path
    if not manifest.exists():
        raise UserError(f"{images.lr.path} does not exist", f"run {config.how_to_make(images.lr.path)}")
    names = [row["image"] for row in read_csv(manifest)]
    if spaced := [image for image in names if " " in image]:
        raise UserError(f"image '{spaced[0]}': BasicSR's list of images allows no spaces", "rename the file")
    content = {"name": f"{name}_x{scale}", "model_type": "SRModel", "scale": scale, "num_gpu": 1}
    content |= {"manual_seed": recipe.seeds[0], "network_g": _network(entry)}
    content["datasets"] = {"train": _images(images, path.with_suffix(".txt"), scale, recipe)}
    content["path"] = {"pretrain_network_g": None, "strict_load_g": True, "resume_state": None}
    total = iterations(recipe.model_dump(), len(names))
    content["train"] = _training(recipe, total)
    content["logger"] = {"print_freq": recipe.log_every, "save_checkpoint_freq": max(1, total // 10)}
    content["logger"]["use_tb_logger"] = False
    with replacing(path.with_suffix(".txt")) as temporary:
        temporary.write_text("".join(f"{image}.png\n" for image in names), encoding="utf-8")
    header = _HEADER.format(name=name, recipe=model.train, path=shlex.quote(str(path)), ratio=_ENLARGED)
    with replacing(path) as temporary:
        temporary.write_text(header + yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def _check(recipe: Recipe, key: str) -> None:
    found = {name: getattr(recipe, name) for name in _FIXED} | {"optimiser": recipe.optimiser.name}
    for name, only in (_FIXED | {"optimiser": "adam"}).items():
        if found[name] != only:
            raise UserError(
                f"{key}.{name}: BasicSR's SRModel has no counterpart of {found[name]}",
                "remove it for BasicSR, or train here" if only is None else f"set {only} for BasicSR, or train here",
            )


def _network(entry: dict[str, Any]) -> dict[str, Any]:
    package, name = parts(entry["arch"])
    return {"type": name} | entry.get("args", {}) if package == "basicsr" else {"type": rssr_network.__name__} | entry


def _images(images: TrainingSet, names: Path, scale: int, recipe: Recipe) -> dict[str, Any]:
    hr, lr = (str((run_folder() / side.path).parent.resolve()) for side in (images.hr, images.lr))
    found = {"name": images.dataset, "type": "PairedImageDataset", "dataroot_gt": hr, "dataroot_lq": lr}
    found |= {"meta_info_file": str(names.resolve()), "io_backend": {"type": "disk"}}
    found |= {"gt_size": recipe.patch * scale, "use_hflip": True, "use_rot": True}
    found |= {"batch_size_per_gpu": recipe.batch, "num_worker_per_gpu": 2, "dataset_enlarge_ratio": _ENLARGED}
    return found


def _training(recipe: Recipe, total: int) -> dict[str, Any]:
    adam = recipe.optimiser.model_dump(mode="json", exclude={"name"})
    found = {"ema_decay": recipe.ema, "optim_g": {"type": "Adam"} | adam, "scheduler": _scheduler(recipe, total)}
    found |= {"total_iter": total, "warmup_iter": recipe.schedule.warmup}
    return found | {"pixel_opt": _LOSSES[recipe.loss] | {"loss_weight": 1.0, "reduction": "mean"}}


def _scheduler(recipe: Recipe, total: int) -> dict[str, Any]:
    """The rates of training.learning_rate(). BasicSR's warm-up sets those of all its iterations but the last."""
    schedule, warmup = recipe.schedule, recipe.schedule.warmup
    if schedule.name == "cosine":
        # A period of one iteration ends the warm-up at the peak. The boundary of two periods belongs to the first, and
        # so lies just before an iteration.
        periods = [warmup - 1 - 1e-9, 1, max(1, total - warmup)] if warmup else [total]
        return {"type": "CosineAnnealingRestartLR", "periods": periods, "restart_weights": [1] * len(periods)}
    milestones = schedule.milestones if schedule.name == "multistep" else ()
    steps = sorted(max(math.ceil(milestone * total), warmup) for milestone in milestones)
    restarts = {"restarts": [max(warmup - 1, 0)], "restart_weights": [1]}  # the rate would stay below the peak
    return {"type": "MultiStepRestartLR", "milestones": steps, "gamma": schedule.gamma} | restarts


def run(path: Path, device: torch.device) -> None:
    """Train by an option file; BasicSR writes `experiments` in the working directory.

    Args:
        path: an option file of BasicSR, from write_options() or another.
        device: a CPU or one GPU.

    Raises:
        UserError: for another file.
    """
    content = read(path)
    if not isinstance(content, dict) or not {"network_g", "datasets", "train"} <= content.keys():
        remedy = "write one with `python -m rssr export MODEL --as basicsr-options -o FILE.yml`"
        raise UserError(f"{path} is no option file of BasicSR", remedy)
    importlib.import_module("rssr.models.basicsr_import")  # before basicsr
    from basicsr.train import train_pipeline
    from basicsr.utils.registry import ARCH_REGISTRY

    if rssr_network.__name__ not in ARCH_REGISTRY:
        ARCH_REGISTRY.register(rssr_network)
    sys.argv = ["basicsr", "-opt", str(path), "--force_yml", f"num_gpu={int(device.type == 'cuda')}"]
    try:
        train_pipeline(str(Path.cwd()))
    except UserError:
        raise
    except Exception as error:  # of a file by hand, whose keys BasicSR takes for granted
        raise UserError(f"{path}: BasicSR's training fails ({in_words(error)})", "correct the file") from error


def rssr_network(**entry: Any) -> nn.Module:
    """The network of an entry, for BasicSR's registry; it also loads weights under its authors' names."""
    network = network_of(build(entry, training=True))
    network.register_load_state_dict_pre_hook(_translate)
    return network


def _translate(network: nn.Module, tensors: dict[str, torch.Tensor], *_: Any) -> None:
    if has_released_names(network, tensors):
        ours = network.released().ours(tensors, network.state_dict())
        tensors.clear()
        tensors.update(ours)
