"""From a configuration entry to a network: the three kinds of entries, and nothing else for a new baseline."""

import difflib
import importlib
from collections.abc import Mapping
from typing import Any

# Networks of this folder by name; imported when they are built, so that reading a configuration stays light.
NETWORKS = {"lstmconvsr": "rssr.models.lstmconvsr:LSTMConvSR"}
INTERPOLATIONS = ("bicubic",)


def check_arch(arch: str) -> None:
    """ValueError, with the nearest known name, unless `arch` can name a network."""
    known = [*INTERPOLATIONS, *NETWORKS]
    if arch in known:
        return
    if ":" not in arch:
        close = difflib.get_close_matches(arch, known, 1)
        hint = f"did you mean '{close[0]}'?" if close else f"known are {', '.join(known)}, or package:Class"
        raise ValueError(f"unknown model '{arch}', {hint}")


def import_class(arch: str) -> type:
    """The class that an `arch` with a colon names, or one of NETWORKS.

    `basicsr:EDSR` is looked up in basicsr.archs, `spandrel:HAT.HAT` in spandrel.architectures.HAT, anything else is
    an import path.

    Raises:
        UserError: if the module or the class is not there.
    """
    from rssr.errors import UserError

    check_arch(arch)
    module, _, name = NETWORKS.get(arch, arch).partition(":")
    try:
        if module == "basicsr":
            from rssr.models.basicsr_import import arch_class

            return arch_class(name)
        if module == "spandrel":
            package, _, name = name.rpartition(".")
            module = f"spandrel.architectures.{package or name}"
        return getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise UserError(
            f"arch '{arch}' cannot be imported ({error}): install the package or correct the name"
        ) from None
    except (AttributeError, KeyError):
        raise UserError(f"arch '{arch}': module {module} has no class '{name}'") from None


def build(entry: Mapping[str, Any]):
    """Build a network in eval mode.

    Args:
        entry: a model of the configuration, as a dict: `arch` with `args` (and `weights`, a File with a path), or
            `checkpoint`; `scale` (4 by default), `range` and `multiple_of`.

    Returns:
        nn.Module: (B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), any h and w from 8. Random weights where
        the entry names none.

    Raises:
        UserError: for an unknown class, arguments that it refuses, or weights that do not fit.
    """
    from rssr.models.upscaler import Upscaler  # torch takes seconds to import, and a configuration needs none of it

    return Upscaler.from_entry(entry)
