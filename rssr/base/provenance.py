"""How a result was made: code, libraries, machine."""

import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from rssr import __version__
from rssr.base import ROOT
from rssr.base.files import sha256
from rssr.base.parallel import usable_cores

# The libraries that can change a result.
LIBRARIES = [
    *("torch", "numpy", "pillow", "pandas", "scipy", "scikit-image", "safetensors"),
    *("fvcore", "pyiqa", "basicsr", "spandrel", "matplotlib", "snakemake"),
]


def code_version() -> str:
    """The commit of the working tree, "-dirty" if files differ from it; outside a checkout the package's version."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return __version__


def code_files() -> dict[str, str]:
    """The files of this checkout that this process has imported, by path, with the first 12 digits of their sha256."""
    named = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    found = {Path(name).resolve() for name in named if name and Path(name).is_file()}  # PyTorch invents a name
    own = (path for path in found if path.is_relative_to(ROOT) and not path.is_relative_to(sys.prefix))
    return {path.relative_to(ROOT).as_posix(): sha256(path)[:12] for path in sorted(own)}


def libraries() -> dict[str, str]:
    """The installed versions of Python and of LIBRARIES."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def processor() -> str:
    """The processor's name and the number of cores that this process may use."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = models[0] if models else name
    count = usable_cores()
    return f"{name}, {count} core{'s' if count != 1 else ''}"


def gpu() -> str | None:
    """The name of the GPU, None without one or where this process does not use PyTorch."""
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name() if torch and torch.cuda.is_available() else None


def kernels() -> str | None:
    """The instructions that PyTorch's CPU kernels use, such as AVX512; None where this process does not use PyTorch."""
    torch = sys.modules.get("torch")
    return torch.backends.cpu.get_cpu_capability() if torch else None


def made_by(**facts: Any) -> dict[str, Any]:
    """The given facts, with the version of the code, the versions of the libraries, and the machine."""
    return {
        **facts,
        "code": code_version(),
        "code_files": code_files(),
        "libraries": libraries(),
        "machine": {"processor": processor(), "kernels": kernels(), "gpu": gpu(), "system": platform.platform()},
    }
