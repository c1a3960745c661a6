"""The opacity of pixels, and colours that a TIFF file has multiplied by it."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tifffile

from rssr.base.errors import UserError


def are_premultiplied(paths: Iterable[Path]) -> bool:
    """Whether the colours of TIFF files are multiplied by their opacity, which GDAL does not tell (TIFF 6.0).

    UserError if those of some are and those of others are not.
    """
    kinds = {path: _extra_samples(path) for path in paths}
    multiplied, straight = (
        [path for path, found in kinds.items() if kind in found]
        for kind in (tifffile.EXTRASAMPLE.ASSOCALPHA, tifffile.EXTRASAMPLE.UNASSALPHA)
    )
    if multiplied and straight:
        what = f"the colours of {multiplied[0]} are multiplied by their alpha and those of {straight[0]} are not"
        raise UserError(what, "write both in one of these ways")
    return bool(multiplied)


def _extra_samples(path: Path) -> tuple[int, ...]:
    """What channels beside the colours are; empty for what is no TIFF file."""
    try:
        with tifffile.TiffFile(path) as file:
            return tuple(file.pages[0].extrasamples)
    except Exception:  # of a damaged file too, about which GDAL has the last word
        return ()


def uncovered(values: np.ndarray, alpha: np.ndarray, premultiplied: bool) -> tuple[np.ndarray, np.ndarray]:
    """Colours that no opacity is multiplied into, black where all is hidden, and opacity from 0 to 255.

    Args:
        values: (C, h, w).
        alpha: (h, w), up to 1 in floats and to the highest value of whole numbers.
        premultiplied: whether `values` are multiplied by it.
    """
    top = 1 if alpha.dtype.kind == "f" else np.iinfo(alpha.dtype).max
    if premultiplied:
        factor = np.divide(top, alpha, where=alpha > 0, out=np.zeros(alpha.shape), dtype=np.float64)
        colours = values * factor
        if values.dtype.kind != "f":
            limits = np.iinfo(values.dtype)
            colours = np.rint(colours).clip(limits.min, limits.max)
        values = colours.astype(values.dtype)
    return values, np.ceil(np.nan_to_num(alpha) * (255 / top)).clip(0, 255).astype(np.uint8)
