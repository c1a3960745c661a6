"""The names of networks; the only part of this room that reading a configuration needs.

Separate from registry.py, so that a new name re-makes nothing: plan.dependencies.code() leaves this file out.
"""

import importlib.util
import re
from pathlib import Path

from rssr.base.errors import nearest
from rssr.base.targets import parts

# Networks of this folder by name; imported when they are built.
NETWORKS = {
    "lstmconvsr": "rssr.models.lstmconvsr:LSTMConvSR",
    "mambairv2": "rssr.models.mambairv2:MambaIRv2",
    "hsenet": "rssr.models.hsenet:HSENet",
    "transenet": "rssr.models.transenet:TransENet",
    "ttst": "rssr.models.ttst:TTST",
}
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")


def check_arch(arch: str) -> None:
    """ValueError, with the nearest known name, unless `arch` can name a network."""
    known = [*INTERPOLATIONS, *NETWORKS]
    if arch not in known and ":" not in arch:
        module, _, name = arch.rpartition(".")
        if module and all(part.isidentifier() for part in arch.split(".")):
            raise ValueError(f"'{arch}' names no class: write {module}:{name}")
        if found := _in_basicsr(arch):
            raise ValueError(f"unknown model '{arch}', did you mean 'basicsr:{found}'?")
        raise ValueError(f"unknown model '{arch}'{nearest(arch, known)} (or package:Class)")
    path, _, name = arch.rpartition(":")
    *folders, file = re.split(r"[/\\]", path.removesuffix(".py").removeprefix("./"))
    if path.endswith(".py") or folders:
        below = "\\" not in path and not set(folders) & {"", "..", "~"}
        target = f"{'.'.join([*folders, file])}:{name}" if below else f"{file}:{name}"
        remedy = f"write {target}" if below else f"put its folder in PYTHONPATH and write {target}"
        raise ValueError(f"'{arch}' names a file, where a module is expected: {remedy}")
    module, name = parts(arch)
    if ":" in arch and not (all(module.split(".")) and all(part.isidentifier() for part in name.split("."))):
        raise ValueError(f"'{arch}' names no class: write it as package.module:Class")


def _in_basicsr(name: str) -> str | None:
    """The network of basicsr.archs that a name means in any case of letters; files are read, as imports take long."""
    package = importlib.util.find_spec("basicsr")
    for file in Path(package.origin).parent.glob("archs/*_arch.py") if package and package.origin else ():
        for found in re.findall(r"@ARCH_REGISTRY\.register\(\)\s+class (\w+)", file.read_text(encoding="utf-8")):
            if found.lower() == name.lower():
                return found
    return None
