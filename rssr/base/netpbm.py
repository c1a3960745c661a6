"""Kinds of Netpbm images that GDAL does not read: numbers written as text, bits, and floats (PFM)."""

import re
from pathlib import Path

import numpy as np
from PIL import Image

from rssr.base.errors import UserError

_KINDS = rb"P[1234Ff]\s"
_SPACE = rb"(?:\s+(?:#[^\n]*\n\s*)*)"  # with comments


def pixels(path: Path) -> np.ndarray | None:
    """(C, H, W) of an image; None for a file of another kind, UserError for a damaged one."""
    with path.open("rb") as file:
        kind = file.read(3)
    if not re.fullmatch(_KINDS, kind):
        return None
    try:
        found = {b"1": _bits, b"4": _bits, b"2": _numbers, b"3": _numbers}.get(kind[1:2], _floats)(path)
        if not found.size:
            raise ValueError("it has no pixels")
        return found
    except Exception as error:  # any part of it may be anything
        raise UserError(f"{path} cannot be read as an image ({error})", "replace or remove it") from None


def _bits(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))[None]


def _numbers(path: Path) -> np.ndarray:
    """(C, H, W) uint8, the greatest value as white, or uint16 as it is."""
    kind, *words = re.sub(rb"#[^\n]*", b"", path.read_bytes()).split()
    width, height, white = map(int, words[:3])
    values = np.array(list(map(int, words[3:])))
    found = values.reshape(height, width, 3 if kind == b"P3" else 1).transpose(2, 0, 1)
    if not found.size or found.min() < 0 or not found.max() <= white <= 65535:
        raise ValueError("values from 0 to its greatest one are expected")
    return found.astype(np.uint16) if white > 255 else np.rint(found * (255 / white)).astype(np.uint8)


def _floats(path: Path) -> np.ndarray:
    """(C, H, W) float32; the rows of a file begin at the bottom, and white space may follow them."""
    content = path.read_bytes()
    head = re.match(rb"(P[Ff])%b(\d+)%b(\d+)%b(-?[\d.eE+-]+)\s" % (3 * (_SPACE,)), content)
    if head is None:
        raise ValueError("width, height and order of bytes are expected")
    kind, width, height, order = head[1], int(head[2]), int(head[3]), "<" if float(head[4]) < 0 else ">"
    channels = 3 if kind == b"PF" else 1
    end = head.end() + 4 * channels * width * height
    if content[end:].strip():
        raise ValueError("more follows its pixels")
    values = np.frombuffer(content[head.end() : end], f"{order}f4").reshape(height, width, channels)
    return values[::-1].transpose(2, 0, 1).astype(np.float32)
