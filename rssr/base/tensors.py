"""Files of tensors, read without running code; PyTorch is imported only by what loads tensors."""

from __future__ import annotations

import argparse
import datetime
import json
import pathlib
import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rssr.base.errors import UserError, nearest
from rssr.base.files import missing

if TYPE_CHECKING:
    from torch import Tensor

# Where training codes put the weights inside their files, in the order in which they are looked for.
_WRAPPERS = (
    *("params", "state_dict", "model_state_dict", "model", "generator", "net_g", "netg", "g", "net", "network"),
    *("weights", "module"),
)
_AVERAGED = re.compile(r"(?:^|(?<=[^a-z]))(ema|swa|averaged?)(?=[^a-z]|$)", re.IGNORECASE)
_SCALE = re.compile(r"(?:params_|scale_)?x?([2-9])", re.IGNORECASE)
_COUNTERS = ("total_ops", "total_params", "n_averaged")  # of thop, and of torch.optim.swa_utils: no weights
_OTHER_FILES = {  # by their first bytes
    b"version https://git-lfs": "a Git LFS pointer: run `git lfs pull` in its repository, or download the file itself",
    b"<": "a page in HTML or XML, as a server sends instead of a file: download it in a browser",
    b"{": "a JSON text: download the weights themselves",
    b"\x89HDF": "an HDF5 file, as Keras writes: ask for the weights as PyTorch has them",
    b"\x93NUMPY": "an array of NumPy: ask for the weights as PyTorch has them",
    b"\x1f\x8b": "a gzip archive: unpack it",
    b"\x08": "a Protocol Buffer, as ONNX writes: ask for the weights as PyTorch has them",
    b"BZh": "a bzip2 archive: unpack it",
    b"\xfd7zXZ": "an xz archive: unpack it",
    b"(\xb5/\xfd": "a Zstandard archive: unpack it",
    b"GGUF": "a GGUF file, of a language model",
    b"7z\xbc\xaf": "a 7z archive: unpack it",
    b"Rar!": "a RAR archive: unpack it",
    b"\x89PNG": "a picture",
    b"%PDF": "a PDF document",
}


def read_weights(path: Path, scale: int | None = None, key: str | None = None) -> dict[str, Tensor]:
    """The tensors of a .safetensors or PyTorch file, by name, see choose_weights()."""
    return choose_weights(path, scale, key)[0]


def choose_weights(path: Path, scale: int | None = None, key: str | None = None) -> tuple[dict[str, Tensor], str]:
    """The tensors of a file, by name, taken out of what training codes wrap them in; averaged ones before raw ones.

    What is in the file decides how it is read, not its suffix. Counters of other tools are left out. What wrappers add
    to names stays, see models.wrappers.

    Args:
        path: the file.
        scale: which weights to take from a file with several scales, under keys such as 4, "x4" or "params_x4".
        key: which weights to take from a file with several: a key, keys joined by dots, or a prefix of names.

    Returns:
        The tensors, and the keys that they were found under, joined by dots; empty for a plain state dict.

    Raises:
        UserError: for a missing or damaged file, a pickle that would run code, a file without a state dict or with
            several that nothing tells apart.
    """
    found = dict(_state_dicts(_content(path), scale, ()))
    if not found:
        content = _content(path)
        said = f", but {', '.join(map(repr, list(content)[:5])) or 'nothing'}" if isinstance(content, Mapping) else ""
        raise UserError(f"{path} holds no state dict: names with tensors were expected{said}")
    order = sorted(found, key=_preference)
    if key is None:
        if several := [place for place in order[1:] if _preference(place) == _preference(order[0])]:
            names = ", ".join(".".join(place) for place in (order[0], *several))
            raise UserError(f"{path} holds several networks: {names}", "name one of them with `key`")
        wanted = order[0]
    else:
        wanted = next((place for place in order if ".".join(place) == key), None)
        wanted = wanted or next((place for place in order if key in place), None)
    if wanted is not None:
        tensors, prefix = _averaged(found[wanted])
        return _without_counters(tensors), ".".join((*wanted, *prefix))
    for place in order:
        below = key.removeprefix(".".join((*place, ""))).removesuffix(".") + "."
        named = found[place].items()
        if inside := {name.removeprefix(below): value for name, value in named if name.startswith(below)}:
            return _without_counters(inside), key
    known = {".".join(place) for place in found} | {
        name.partition(".")[0] for place in found.values() for name in place
    }
    raise UserError(f"{path} holds no weights under the key '{key}'{nearest(key, filter(None, known))}")


def _content(path: Path) -> Any:
    """What a file holds."""
    import torch
    from safetensors.torch import load_file

    if not path.is_file():  # a device is none either, and has no end
        raise UserError(f"{path} is no file", "correct its name") if path.exists() else missing(path)
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        raise UserError(f"{path} cannot be read as weights (it is empty)", "get it again")
    try:
        if start[8:9] == b"{":
            return load_file(path)
        with path.open("rb") as file, torch.serialization.safe_globals(_harmless()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # the readers fail in many ways on a file that is cut off
        if what := _another_kind(path, start.lstrip()):
            raise UserError(f"{path} is {what}") from None
        if isinstance(error, pickle.UnpicklingError) and path.suffix != ".safetensors":
            raise UserError(
                f"{path} holds more than tensors (code, or a damaged file) and is refused",
                "ask for a plain state dict or, if it is yours, save `network.state_dict()`",
            ) from None
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}".split(". ")[0].rstrip(": ")
        raise UserError(f"{path} cannot be read as weights ({reason}): get it again") from None


def _harmless() -> list[Any]:
    """What stands beside weights without running code: NumPy's numbers and arrays, options, paths, dates."""
    import numpy as np

    numbers = np._core.multiarray
    functions = [
        (getattr(numbers, name), f"numpy.{core}.multiarray.{name}")
        for name in ("scalar", "_reconstruct")
        for core in ("core", "_core")
    ]
    dtypes = [type(np.dtype(code)) for code in "?bBhHiIlLqQefdgU"]
    paths = [getattr(pathlib, f"{pure}{system}Path") for pure in ("", "Pure") for system in ("Posix", "Windows")]
    dates = [datetime.datetime, datetime.date, datetime.timedelta, datetime.timezone]
    return [*functions, *dtypes, np.dtype, np.ndarray, argparse.Namespace, *paths, *dates]


def _another_kind(path: Path, start: bytes) -> str:
    """What a file that cannot be read is, in words, and what to do; empty if that is not known."""
    for mark, what in _OTHER_FILES.items():
        if start.startswith(mark):
            return what
    if re.fullmatch(rb"[\w .:,;'!-]{4,}\s*", start):
        return f"a text that begins with '{start.decode('ascii', 'replace').strip()}': get it again"
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.rpartition("/")[2] for name in archive.namelist()}
    except Exception:  # no archive, or a damaged one
        return ""
    if "constants.pkl" in names:
        return "a TorchScript program, which is code: ask for its state dict, which torch.jit.load() gives as well"
    return "" if "data.pkl" in names else "a ZIP archive: unpack it"


def _state_dicts(content: Any, scale: int | None, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The state dicts inside of a file, each with the keys that lead to it; those of other scales are left out."""
    if not isinstance(content, Mapping):
        return
    if scale is not None and any(isinstance(value, Mapping) and _scale_of_key(key) for key, value in content.items()):
        content = {key: value for key, value in content.items() if _scale_of_key(key) == scale}
    inner = [
        found
        for key, value in content.items()
        if isinstance(key, str) or key == scale  # an optimiser numbers its states
        for found in _state_dicts(value, scale, (*place, str(key)))
    ]
    tensors = {name: value for name, value in content.items() if isinstance(name, str) and _is_tensor(value)}
    yield from inner or ([(place, tensors)] if tensors else [])


def _scale_of_key(key: Any) -> int | None:
    found = _SCALE.fullmatch(str(key))
    return int(found[1]) if found else None


def _is_tensor(value: Any) -> bool:
    from torch import Tensor

    return isinstance(value, Tensor)


def _preference(place: tuple[str, ...]) -> tuple:
    """The order in which state dicts are taken: averaged ones first, then by the names of their wrappers."""
    bare = [_AVERAGED.sub("", part).strip("_-. ").lower() for part in place]
    bare = [part for part in bare if part and not _SCALE.fullmatch(part)]
    ranks = [_WRAPPERS.index(part) if part in _WRAPPERS else len(_WRAPPERS) for part in bare]
    return not any(map(_AVERAGED.search, place)), ranks


def _averaged(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The averaged ones of tensors that are told apart by a prefix of their names, such as "generator_ema."."""
    parts = (name.split(".")[:-1] for name in tensors)
    found = (tuple(p[:depth]) for p in parts for depth in (1, 2) if len(p) >= depth and _AVERAGED.search(p[depth - 1]))
    for prefix in dict.fromkeys(found):
        depth = len(prefix)
        start = ".".join((*prefix, ""))
        # Without dots, which some codes leave out of the averaged names.
        mean = {name.removeprefix(start).replace(".", ""): t for name, t in tensors.items() if name.startswith(start)}
        raw: dict[str, list[str]] = {}
        for name in (name for name in tensors if not name.startswith(start)):
            raw.setdefault(".".join(name.split(".")[:depth]), []).append(".".join(name.split(".")[depth:]))
        whole = {"": [name for name in tensors if not name.startswith(start)], **raw}
        for names in sorted(whole.values(), key=len, reverse=True):
            if names and all(name and name.replace(".", "") in mean for name in names):
                return {name: mean[name.replace(".", "")] for name in names}, prefix
    return dict(tensors), ()


def _without_counters(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in tensors.items() if name.rpartition(".")[2] not in _COUNTERS}


def scale_of(path: Path) -> int | None:
    """The upscaling factor that a safetensors file records, read from its header alone; None if it records none."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        start = file.read(9)
        if start[8:] != b"{" or (length := struct.unpack("<Q", start[:8])[0]) > 100_000_000:
            return None  # not a safetensors file; loading it raises the error
        try:
            header = json.loads(b"{" + file.read(length - 1))
        except ValueError:
            return None
    scale = header.get("__metadata__", {}).get("scale", "")
    return int(scale) if scale.isdecimal() else None  # other codes may write something else there
