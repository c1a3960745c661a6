"""From a configuration entry to a network: the three kinds of entries, and nothing else for a new baseline."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rssr.base.errors import UserError
from rssr.models.names import NETWORKS, check_arch


def import_class(arch: str) -> type:
    """The class that an `arch` with a colon names, or one of NETWORKS.

    `basicsr:EDSR` is looked up in basicsr.archs, `spandrel:HAT.HAT` in spandrel.architectures.HAT, anything else is
    an import path.

    Raises:
        UserError: if the module or the class is not there, or the module fails while it is imported.
    """
    try:
        check_arch(arch)
    except ValueError as error:
        raise UserError(str(error)) from None
    module_name, _, name = NETWORKS.get(arch, arch).partition(":")
    if module_name == "basicsr":
        from rssr.models.basicsr_import import arch_class

        found = arch_class(name)
    else:
        if module_name == "spandrel":
            package, _, name = name.rpartition(".")
            module_name = f"spandrel.architectures.{package or name}"
        try:
            module = importlib.import_module(module_name)
        except Exception as error:  # the user's own module may fail in any way
            raise UserError(
                f"arch '{arch}' cannot be imported ({type(error).__name__}: {error})",
                "install the package or correct it",
            ) from error
        found = getattr(module, name, None)
    if found is None:
        raise UserError(f"arch '{arch}': module {module_name} has no class '{name}'")
    return found


def build(entry: Mapping[str, Any]):
    """Build a network in eval mode.

    Args:
        entry: a model of the configuration, as a dict: `arch` with `args` (and `weights`, a File with a path), or
            `checkpoint`; `scale` (4 by default), `range`, `multiple_of`, `self_ensemble` and `tile`.

    Returns:
        nn.Module: (B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), any h and w from 8. Random weights where
        the entry names none.

    Raises:
        UserError: for an unknown class, arguments that it refuses, or weights that do not fit.
    """
    from rssr.models.ensemble import SelfEnsemble
    from rssr.models.tiling import Tiled
    from rssr.models.upscaler import Upscaler  # which imports this module

    model = Upscaler.from_entry(entry)
    scale = model.scale
    if entry.get("self_ensemble"):
        model = SelfEnsemble(model).eval()
    return Tiled(model, scale, **entry["tile"]).eval() if entry.get("tile") else model


def with_weights(entry: Mapping[str, Any], weights: Path | None) -> dict[str, Any]:
    """A model's entry with the weights that an earlier step left; as it is where there are none."""
    return {**entry, "checkpoint" if "checkpoint" in entry else "weights": {"path": str(weights)}} if weights else entry


def backends(model: nn.Module, device: torch.device | str) -> list[str]:
    """What the networks inside a model compute their own operators with, for those that say so: a method `backend`."""
    found = (module.backend(device) for module in model.modules() if callable(getattr(module, "backend", None)))
    return sorted(set(found))


def seed(model: nn.Module, value: int) -> bool:
    """Fix what the networks inside a model draw at their next calls: those with a method `seed`, which says if they do.

    Returns:
        Whether any does, so that the output depends on the value.
    """
    networks = [module for module in model.modules() if callable(getattr(module, "seed", None))]
    drawing = [network for network in networks if network.seed(value)]
    return bool(drawing)
