"""The models of a configuration outside the DAG: a list of all, and one of them ready to run."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from rssr.base import run_folder
from rssr.base.errors import UserError, about, is_own
from rssr.base.targets import parts
from rssr.config import Config
from rssr.config.models import Model, entry_at
from rssr.metrics.complexity import count_parameters
from rssr.models.batching import samples
from rssr.models.entry import mirrors
from rssr.models.files import local_file, remote_path
from rssr.models.names import INTERPOLATIONS, NETWORKS
from rssr.models.registry import build
from rssr.plan.entries import plain
from rssr.steps.held import check_kept
from rssr.steps.inside import dissected, feature_maps
from rssr.steps.trained import entry_named, here, how_to_train, trained

DOWNLOADS = Path("downloads/weights")


def load_model(config: Config, name: str, scale: int, training: bool = False) -> nn.Module:
    """A model of the configuration with its weights, without the tiles of its entry.

    Args:
        config: the configuration.
        name: the model's name in it.
        scale: one of its scales.
        training: whether it is in train mode instead of eval mode, see models.registry.build().

    Raises:
        UserError: for an unknown name, and weights that are missing or do not fit.
    """
    entry = entry_of(config, name, scale)
    with about(f"models.{name}"):
        return build(entry | file_of(config, name, scale), training)


def describe(config: Config) -> Iterator[tuple[dict[str, Any], str | None]]:
    """A row per model, and what is wrong with its network.

    Its name, label, millions of parameters (None before its file is fetched, or where it cannot be built), whether its
    weights are here, licence and origin.
    """
    for name, model in config.models.items():
        parameters, wrong = None, None
        try:
            parameters = facts_of(config, name, config.scales[0]).parameters_m
        except UserError as error:
            wrong = str(error)
        row = {
            "name": name,
            "label": model.label,
            "parameters_m": parameters,
            "weights": _whereabouts(config, name, config.scales[0]),
            "licence": model.licence or _licence(model),
            "origin": model.citation or _origin(model),
        }
        yield row, wrong


class Facts(NamedTuple):
    """What is known of a model once its network is built.

    Attributes:
        parameters_m: millions of parameters; None if a file that has them is not fetched.
        samples: whether its output depends on a seed; only known if it was run.
    """

    parameters_m: float | None = None
    samples: bool = False


def facts_of(config: Config, name: str, scale: int, run: bool = False) -> Facts:
    """What is known of a model, whose network is built once.

    Args:
        config: the configuration.
        name: the model's name in it.
        scale: one of its scales.
        run: whether the network, with its weights if an entry's file has them and it is here, upscales a small image
            as well.

    Raises:
        UserError: for a class that is not there or refuses its arguments, a file that cannot be read or does not fit,
            a network that can upscale no image, and one without the channels that `analysis` asks for.
    """
    model, entry = config.models[name], entry_of(config, name, scale)
    with about(f"models.{name}"), _packages_silent():
        if file := model.checkpoint or (model.weights if run else None):
            if _place(model, scale).exists() or (file.path and model.required):
                entry |= file_of(config, name, scale)
            elif model.checkpoint:
                return Facts()
        network, sampling = build(entry), False
        count = count_parameters(network)
        if model.train and not count:
            raise UserError("the network has no parameters to train", "write `weightless: true` for `train`")
        if run:
            if model.train:
                check_kept(entry)
            tried: list[None] = []
            sampling = samples(network, lambda own: tried.append(_upscale_something(own)))
            if not tried:
                _upscale_something(network)
            if model.arch == "lstmconvsr" and config.analysis and name in config.analysis.models:
                feature_maps(dissected(network), torch.zeros(3, 24, 24), config.analysis.channels)
        return Facts(count / 1e6, sampling)


@contextmanager
def _packages_silent() -> Iterator[None]:
    """No warnings of installed packages, about which users can do nothing; those of their own code are shown."""
    with warnings.catch_warnings():
        show = warnings.showwarning
        warnings.showwarning = lambda said, kind, file, *rest: show(said, kind, file, *rest) if is_own(file) else None
        yield


@torch.no_grad()
def _upscale_something(network: nn.Module) -> None:
    """UserError for a network that upscales no image; one of these sizes suits windows, and halvings."""
    try:
        network(torch.full((1, 3, 24, 24), 0.5))
    except UserError:  # it may need larger ones
        network(torch.full((1, 3, 96, 96), 0.5))


def entry_of(config: Config, name: str, scale: int) -> dict[str, Any]:
    """What a network is built from, without its weights; UserError for an unknown name."""
    entry = plain(entry_named(config, name))
    return entry_at({k: v for k, v in entry.items() if k not in ("weights", "checkpoint", "tile")}, scale)


def file_of(config: Config, name: str, scale: int) -> dict[str, Any]:
    """The key of an entry that names its file, `weights` or `checkpoint`, with the file's path here; empty if none.

    Raises:
        UserError: if it is not there, cannot be downloaded, or has another checksum.
    """
    model = config.models[name]
    if model.arch in INTERPOLATIONS or model.weightless:
        return {}
    if model.train:
        if not (found := trained(config, name, scale)):
            recipe = config.training[model.train]
            length = f"{recipe.iterations:,} iterations" if recipe.iterations else f"{recipe.epochs:,} epochs"
            problem = f"there are no weights before its training of {length}"
            others = "or take another model: `python -m rssr models` says which have weights"
            raise UserError(problem, f"run {how_to_train(config, name, scale)}, {others}")
        return {"weights": {"path": str(run_folder() / found[0].path)}}
    kind = "weights" if model.weights else "checkpoint"
    file = entry_at(plain(model), scale)[kind]
    if "path" in file:
        file["path"] = str(here(file["path"]))
    return {kind: {"path": str(local_file(file, here(DOWNLOADS))), "key": file.get("key")}}


def _whereabouts(config: Config, name: str, scale: int) -> str:
    """Whether a model has the weights that it needs, in words."""
    model = config.models[name]
    if model.arch in INTERPOLATIONS or model.weightless:
        return "none needed"
    if model.train:
        return "here" if trained(config, name, scale) else "to be trained"
    if _place(model, scale).exists():
        return "here"
    return "to be downloaded" if (model.weights or model.checkpoint).url else "missing"


def _place(model: Model, scale: int) -> Path:
    """Where the file that an entry names is, or will be once it is downloaded."""
    file = entry_at(plain(model), scale)["weights" if model.weights else "checkpoint"]
    return here(file["path"]) if "path" in file else remote_path(file, here(DOWNLOADS))


def _licence(model: Model) -> str:
    """The licence of the code; if the entry states none, that of the package."""
    arch = model.arch or "spandrel:"
    if arch in INTERPOLATIONS or arch in NETWORKS:
        return "MIT"
    return {"basicsr": "Apache-2.0", "spandrel": "MIT, and its authors'"}.get(parts(arch)[0], "its own")


def _origin(model: Model) -> str:
    if model.literature:
        return model.literature.citation
    if model.checkpoint:
        return model.checkpoint.path or mirrors({"url": model.checkpoint.url})[0]
    return "this repository" if model.arch in (*INTERPOLATIONS, *NETWORKS) else model.arch
