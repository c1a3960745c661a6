"""Kinds of Netpbm images that GDAL does not read: numbers written as text, bits, and floats (PFM)."""

import re
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio.enums import ColorInterp
from rasterio.io import DatasetWriter

from rssr.base.errors import UserError

_KINDS = rb"P[1234Ff]\s"
_RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)


def opened(path: Path) -> DatasetWriter | None:
    """The image as GDAL has it, held in memory; None for a file of another kind, UserError for a damaged one."""
    with path.open("rb") as file:
        kind = file.read(3)
    if not re.fullmatch(_KINDS, kind):
        return None
    try:
        pixels = {b"1": _bits, b"4": _bits, b"2": _numbers, b"3": _numbers}.get(kind[1:2], _floats)(path)
    except Exception as error:  # any part of it may be anything
        raise UserError(f"{path} cannot be read as an image ({error})", "replace or remove it") from None
    count, height, width = pixels.shape
    image = rasterio.open("", "w+", driver="MEM", count=count, height=height, width=width, dtype=pixels.dtype)
    image.write(pixels)
    image.colorinterp = _RGB if count == 3 else (ColorInterp.gray,)
    return image


def _bits(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))[None]


def _numbers(path: Path) -> np.ndarray:
    """(C, H, W) uint8, the greatest value as white, or uint16 as it is."""
    kind, *words = re.sub(rb"#[^\n]*", b"", path.read_bytes()).split()
    width, height, white = map(int, words[:3])
    values = np.array(list(map(int, words[3:])))
    pixels = values.reshape(height, width, 3 if kind == b"P3" else 1).transpose(2, 0, 1)
    if not pixels.size or pixels.min() < 0 or not pixels.max() <= white <= 65535:
        raise ValueError("values from 0 to its greatest one are expected")
    return pixels.astype(np.uint16) if white > 255 else np.rint(pixels * (255 / white)).astype(np.uint8)


def _floats(path: Path) -> np.ndarray:
    """(C, H, W) float32; the rows of a file begin at the bottom."""
    content = path.read_bytes()
    head = re.match(rb"(P[Ff])\s+(\d+)\s+(\d+)\s+(-?[\d.eE+-]+)\s", content)
    kind, width, height, order = head[1], int(head[2]), int(head[3]), "<" if float(head[4]) < 0 else ">"
    pixels = np.frombuffer(content[head.end() :], f"{order}f4").reshape(height, width, 3 if kind == b"PF" else 1)
    return pixels[::-1].transpose(2, 0, 1).astype(np.float32)
