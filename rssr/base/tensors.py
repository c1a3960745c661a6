"""Files of tensors, read without running code; PyTorch is imported only by what loads tensors."""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rssr.base.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

# Where training codes put the weights inside their files; the averaged ones first, as BasicSR evaluates them.
_WRAPPERS = ("params_ema", "params", "state_dict", "model_state_dict", "model")


def read_weights(path: Path, scale: int | None = None) -> dict[str, Tensor]:
    """The tensors of a .safetensors or PyTorch file, by name, taken out of what training codes wrap them in.

    Args:
        path: the file.
        scale: which weights to take from a file with several scales, under keys such as 4, "x4" or "params_x4".

    Raises:
        UserError: for a missing or damaged file, a pickle that would run code, and a file without a state dict.
    """
    import torch
    from safetensors.torch import load_file

    if not path.exists():
        raise UserError(f"{path} does not exist")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise UserError(
            f"{path} holds more than tensors (code, or a damaged file) and is refused: ask for a plain state dict"
        ) from None
    except Exception as error:  # the readers fail in many ways on a file that is cut off
        reason = f"{type(error).__name__}: {error}".split(". ")[0].rstrip(": ")
        raise UserError(f"{path} cannot be read as weights ({reason}): get it again") from None
    content = _unwrap(content, scale)
    if not _is_state_dict(content):
        found = f", but {', '.join(map(repr, list(content)[:5]))}" if isinstance(content, Mapping) else ""
        raise UserError(f"{path} holds no state dict: names with tensors were expected{found}")
    return {name.removeprefix("module."): value for name, value in content.items()}


def _unwrap(content: Any, scale: int | None) -> Any:
    """Follow the known wrappers and the scale down to a state dict."""
    keys = [*_WRAPPERS]
    if scale is not None:
        keys += [scale, *(form.format(scale) for form in ("{}", "x{}", "X{}", "params_x{}", "scale_{}"))]
    while isinstance(content, Mapping) and not _is_state_dict(content):
        key = next((key for key in keys if isinstance(content.get(key), Mapping)), None)
        if key is None:
            break
        content = content[key]
    return content


def _is_state_dict(content: Any) -> bool:
    from torch import Tensor

    return (
        isinstance(content, Mapping)
        and len(content) > 0
        and all(isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items())
    )


def scale_of(path: Path) -> int | None:
    """The upscaling factor that a safetensors file records, read from its header alone; None if it records none."""
    if path.suffix != ".safetensors" or not path.is_file():
        return None
    with path.open("rb") as file:
        start = file.read(8)
        if len(start) < 8 or (length := struct.unpack("<Q", start)[0]) > 100_000_000:
            return None  # not a safetensors file; loading it raises the error
        try:
            header = json.loads(file.read(length))
        except ValueError:
            return None
    scale = header.get("__metadata__", {}).get("scale", "")
    return int(scale) if scale.isdecimal() else None  # other codes may write something else there
