"""The weights of a model: trained, or loaded from a file or a URL, with a provenance record."""

import os
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rssr.base.errors import UserError
from rssr.base.files import sha256, write_json
from rssr.base.provenance import made_by
from rssr.base.shared_state import seed_generators
from rssr.base.tensors import choose_weights
from rssr.models.files import local_file
from rssr.models.registry import build, network_of
from rssr.models.weights import Misfits, has_released_names, record_at, write_weights
from rssr.plan.arguments import NO_WEIGHTS
from rssr.plan.artifacts import artifacts_at
from rssr.steps.checkpoints import Checkpoints
from rssr.steps.distributed import Team
from rssr.steps.held import check_kept
from rssr.steps.patches import Patches
from rssr.steps.training import Trainer, manifest_checksums


def train(
    entry: Mapping[str, Any],
    recipe: Mapping[str, Any],
    images: Sequence[Path],
    path: Path,
    code: str,
    device: torch.device,
    validate_on: Sequence[Path] = (),
    team: Team = Team(),  # noqa: B008, it is frozen
) -> None:
    """Train a network and write its weights, with .csv (the loss curve) and .json (the provenance record) beside them.

    Args:
        entry: the model's entry in the configuration.
        recipe: an entry of `training`, defaults filled in, with the replicate's `seed` instead of `seeds`.
        images: the folders of HR and LR images.
        path: safetensors file; checkpoints of the training are kept beside it.
        code: checksum over the code that is run; a change restarts training.
        device: where to train.
        validate_on: the folders of HR and LR images of the val split, for a recipe with `validate_every`.
        team: the processes that do this together.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # required for deterministic cuBLAS
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # it costs time, and nothing reads such memory
    check_kept(entry)
    new = partial(_initial, entry, recipe["seed"])
    model, scale = new(), entry["scale"]
    entries = {"model": entry, "recipe": recipe, "images": manifest_checksums(*images)}
    entries |= {"validation": manifest_checksums(*validate_on)} if validate_on else {}
    patches = Patches(*images, scale, recipe, (team.rank, team.size))
    checkpoints = Checkpoints(path.parent / "checkpoints", [_decisive(entries), code, team.size])
    # By name, so that the code of a metric is no input of a training that measures none.
    kind = import_module("rssr.steps.validation").Validation if validate_on else None
    measure = kind(*validate_on, scale, device, new) if kind else None
    trainer = Trainer(model, recipe, patches, checkpoints, device, measure, team)
    weights = trainer.run()
    if team.rank:
        return
    model.load_state_dict(weights, strict=False)  # a class may leave out what its constructor always makes
    write_weights(path, network_of(model).state_dict(), scale)
    trainer.write_curve(path.with_suffix(".csv"))
    trained_on = artifacts_at([images[1] / "manifest.csv"])  # none for folders outside a run
    facts = made_by(
        **entries,
        sha256=sha256(path),
        dataset=trained_on[0].dataset if trained_on else str(images[0]),
        scale=scale,
        degradation=trained_on[0].degradation if trained_on else str(images[1]),
        parameters=sum(p.numel() for p in model.parameters()),
        device=str(device),
        devices=team.size,
        # Several where it was resumed on another number of cores: then its bytes are not those of an unbroken run.
        threads=trainer.threads if len(trainer.threads) > 1 else trainer.threads[0],
        seconds=round(trainer.seconds, 3),
        iterations=trainer.done,
        final_loss=trainer.curve[-1]["loss"],
        peak_memory_mib=trainer.peak_memory_mib,
    )
    write_json(path.with_suffix(".json"), facts)


def _decisive(entries: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a training without the keys of its recipe that change no weights."""
    return {**entries, "recipe": {key: value for key, value in entries["recipe"].items() if key not in NO_WEIGHTS}}


def _initial(entry: Mapping[str, Any], seed: int) -> nn.Module:
    """The model of an entry in train mode, with the weights of a seed; UserError if its class sets another seed."""
    seed_generators(seed)
    model = build(entry, training=True)
    if torch.initial_seed() != seed:
        problem = f"arch '{entry['arch']}' sets PyTorch's seed itself, so all `seeds` would begin with the same weights"
        raise UserError(problem, "remove torch.manual_seed from its class")
    return model


def load(entry: Mapping[str, Any], downloads: Path, path: Path) -> None:
    """Convert weights from a file or a URL to this project's format, with a provenance record beside them.

    Args:
        entry: the model's entry in the configuration, with `weights` or `checkpoint`.
        downloads: folder for downloaded files.
        path: safetensors file.

    Raises:
        UserError: for weights that do not fit the network, before any image is touched.
    """
    kind = "checkpoint" if "checkpoint" in entry else "weights"
    file = local_file(entry[kind], downloads)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        key = entry[kind].get("key")
        network = network_of(build({**entry, kind: {"path": str(file), "key": key}}, training=True))
    names = network.state_dict() if kind == "weights" else ()
    tensors, taken = choose_weights(file, entry["scale"], key, names)
    # A checkpoint keeps the names by which spandrel recognises it.
    write_weights(path, network.state_dict() if kind == "weights" else tensors, entry["scale"])
    facts = made_by(
        loaded_from=entry[kind].get("url", str(file)),
        misfits=[phrase for found in caught if isinstance(found.message, Misfits) for phrase in found.message.phrases],
        given_sha256=sha256(file),
        taken_from_key=taken,
        authors_names_translated=kind == "weights" and has_released_names(network, tensors),
        sha256=sha256(path),
        training=record_at(file.with_suffix(".json")) or "not stated",
    )
    write_json(path.with_suffix(".json"), facts)
