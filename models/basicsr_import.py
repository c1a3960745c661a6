"""BasicSR 1.4.2 on today's torchvision: import this module before anything of basicsr."""

import importlib
import sys
import types

from torchvision.transforms import functional


def _restore_functional_tensor() -> None:
    """Put back the module name that basicsr.data.degradations imports rgb_to_grayscale from.

    torchvision 0.17 removed torchvision.transforms.functional_tensor and kept the function in the public module;
    BasicSR's last release still asks for the old name, and `import basicsr` fails without it.
    """
    name = "torchvision.transforms.functional_tensor"
    if name not in sys.modules:
        module = types.ModuleType(name)
        module.rgb_to_grayscale = functional.rgb_to_grayscale
        sys.modules[name] = module


_restore_functional_tensor()


def arch_classes() -> dict[str, type]:
    """The network classes of basicsr.archs by name."""
    importlib.import_module("basicsr.archs")
    from basicsr.utils.registry import ARCH_REGISTRY

    return {name.removesuffix("_basicsr"): network for name, network in ARCH_REGISTRY}
