"""Files of tensors, read without running code; PyTorch is imported only by what loads tensors."""

from __future__ import annotations

import argparse
import datetime
import decimal
import json
import pathlib
import pickle
import re
import struct
import time
import types
import uuid
import warnings
import zipfile
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rssr.base.errors import UserError, nearest
from rssr.base.files import missing
from rssr.base.state_dicts import StateDict, state_dicts, take_averaged, without_counters

if TYPE_CHECKING:
    from torch import Tensor

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


def read_weights(
    path: Path, scale: int | None = None, key: str | None = None, names: Container[str] = ()
) -> dict[str, Tensor]:
    """The tensors of a .safetensors or PyTorch file, by name, see choose_weights()."""
    return choose_weights(path, scale, key, names)[0]


def choose_weights(
    path: Path, scale: int | None = None, key: str | None = None, names: Container[str] = ()
) -> tuple[dict[str, Tensor], str]:
    """The tensors of a file, by name, taken out of what training codes wrap them in; averaged ones before raw ones.

    What is in the file decides how it is read, not its suffix. Counters of other tools are left out. What wrappers add
    to names stays, see models.wrappers.

    Args:
        path: the file.
        scale: which weights to take from a file with several scales, under keys such as 4, "x4" or "params_x4".
        key: which weights to take from a file with several: a key, keys joined by dots, or a prefix of names.
        names: those of the network's tensors, as far as known, which tell its layers from averages.

    Returns:
        The tensors, and the keys that they were found under, joined by dots; empty for a plain state dict.

    Raises:
        UserError: for a missing or damaged file, a pickle that would run code, a file without a state dict or with
            several that nothing tells apart, or with averaged weights whose names are not known.
    """
    content = _content(path)
    try:
        found, unnamed = state_dicts(content, scale)
    except RecursionError:
        raise UserError(f"{path} has a part inside of itself", "save `network.state_dict()` alone") from None
    if not found:
        said = f", but {', '.join(map(repr, list(content)[:5])) or 'nothing'}" if isinstance(content, Mapping) else ""
        raise UserError(f"{path} holds no state dict: names with tensors were expected{said}")
    at = {".".join(each.place): each for each in found}
    if key is None:
        wanted = _first(found, path)
        if unnamed and not wanted.averaged:
            key = ".".join(wanted.place)
            remedy = f"choose the raw ones with `key: {key}`" if key else "save the raw ones alone"
            what = f"averaged weights without names ({unnamed}), whose shapes are not those of the raw ones in order"
            raise UserError(f"{path} holds {what}", f"{remedy}, or save the averaged ones with their names")
    else:
        below = [each for each in found if key in each.place]
        wanted = at.get(key) or (_first(below, path) if below else None)
    if wanted is not None:
        own = scale_of(path) is not None  # this suite writes no averages beside raw ones
        tensors, prefix = (wanted.tensors, ()) if own else take_averaged(wanted.tensors, names)
        return without_counters(tensors), ".".join((*wanted.place, *prefix))
    for each in found:
        start = key.removeprefix(".".join((*each.place, ""))).removesuffix(".") + "."
        named = each.tensors.items()
        if inside := {name.removeprefix(start): value for name, value in named if name.startswith(start)}:
            return without_counters(inside), key
    known = at.keys() | {name.partition(".")[0] for each in found for name in each.tensors}
    named = (name for name in known if name and not re.search("optim|exp_avg|^step$", name))  # moments are no weights
    raise UserError(f"{path} holds no weights under the key '{key}'{nearest(key, named)}")


def _first(found: Sequence[StateDict], path: Path) -> StateDict:
    """The best of state dicts in their order; UserError if nothing tells it from the next."""
    if names := [".".join(each.place) for each in found[1:] if each.rank == found[0].rank]:
        known = ", ".join((".".join(found[0].place), *names))
        raise UserError(f"{path} holds several networks: {known}", "name one of them with `key`")
    return found[0]


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
    """What stands beside weights without running code: NumPy's numbers and arrays, options, paths, dates, collections.

    Not arrays of objects: a file could have their bytes taken for addresses.
    """
    import numpy as np

    numbers = np._core.multiarray
    functions = [
        (getattr(numbers, name), f"numpy.{core}.multiarray.{name}")
        for name in ("scalar", "_reconstruct")
        for core in ("core", "_core")
    ]
    dtypes = [type(np.dtype(code)) for code in "?bBhHiIlLqQefdgUMm"]
    paths = [getattr(pathlib, f"{pure}{system}Path") for pure in ("", "Pure") for system in ("Posix", "Windows")]
    dates = [datetime.datetime, datetime.date, datetime.timedelta, datetime.timezone, time.struct_time]
    more = [argparse.Namespace, types.SimpleNamespace, decimal.Decimal, uuid.UUID]
    # PyTorch's reader fills plain lists and dicts alone. A defaultdict names the kind of its values, which is not used.
    names = {"collections.deque": _empty_list, "collections.defaultdict": _empty_dict, "builtins.dict": _empty_dict}
    names |= dict.fromkeys([f"builtins.{kind}" for kind in ("list", "int", "float", "str", "bool")], _empty_list)
    collections = [frozenset, *((made, name) for name, made in names.items())]
    return [*functions, *dtypes, np.dtype, np.ndarray, *paths, *dates, *more, *collections]


def _empty_list(*_: Any) -> list:
    return []


def _empty_dict(*_: Any) -> dict:
    return {}


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


def scale_of(path: Path) -> int | None:
    """The upscaling factor that this suite recorded in a safetensors file, read from its header alone.

    None for any other file: another code may mean something else by "scale", but hardly writes a factor there alone.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        start = file.read(9)
        if start[8:] != b"{" or (length := struct.unpack("<Q", start[:8])[0]) > 100_000_000:
            return None  # not a safetensors file; loading it raises the error
        try:
            noted = json.loads(b"{" + file.read(length - 1)).get("__metadata__")
        except (ValueError, RecursionError):
            return None
    scale = noted["scale"] if isinstance(noted, dict) and noted.keys() == {"scale"} else None
    return int(scale) if isinstance(scale, str) and re.fullmatch("[2-9]|[1-9][0-9]{1,2}", scale) else None
