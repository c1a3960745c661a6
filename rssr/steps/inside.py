"""The analysis of networks: selects the image, its part and the feature maps, and writes files of arrays."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from rssr.base.errors import UserError, nearest
from rssr.base.files import replacing
from rssr.base.images import box_of, read_tensor
from rssr.models.lstmconvsr.network import LSTMConvSR

_SHOWN = 4  # ARRBs whose maps are shown: 0, 3, 7 and 11 of the paper's twelve


def lr_image(lr_dir: Path, names: Sequence[str], name: str | None) -> tuple[str, Tensor]:
    """(name, (3, h, w) uint8) of an LR image, by default the first. UserError for an unknown name."""
    if name is not None and name not in names:
        raise UserError(f"analysis.image names '{name}', which is not an image of {lr_dir}{nearest(name, names)}")
    name = name or names[0]
    return name, read_tensor(lr_dir / f"{name}.png")


def cut_around(
    name: str, lr: Tensor, square: Sequence[int] | None, side: int, scale: int
) -> tuple[Tensor, tuple[int, int, int, int]]:
    """The part of an LR image around a square of its SR image, and the square within that part.

    Args:
        name: name of the image, for errors.
        lr: (3, h, w).
        square: (left, top, side) in SR pixels; None: four LR pixels in the middle of the image.
        side: side of the part in LR pixels, at most that of the image.
        scale: upscaling factor.

    Returns:
        (3, h', w'), and (left, top, right, bottom) in SR pixels of the part.
    """
    height, width = lr.shape[-2:]
    left, top, size = square or (scale * (width // 2 - 2), scale * (height // 2 - 2), 4 * scale)
    box_of("analysis.square", (left, top, size), name, scale * width, scale * height)
    rows, columns = min(side, height), min(side, width)
    x = min(max((2 * left + size) // (2 * scale) - columns // 2, 0), width - columns)
    y = min(max((2 * top + size) // (2 * scale) - rows // 2, 0), height - rows)
    left, top = left - scale * x, top - scale * y
    if min(left, top) < 0 or left + size > scale * columns or top + size > scale * rows:
        raise UserError(
            f"analysis.square: a square of {size} SR pixels is larger than the part of {side} LR pixels that it is "
            "analysed in",
            "give a smaller square or a larger `side`",
        )
    return lr[:, y : y + rows, x : x + columns], (left, top, left + size, top + size)


def dissected(model: nn.Module) -> LSTMConvSR:
    """The LSTMConvSR in a model."""
    return next(module for module in model.modules() if isinstance(module, LSTMConvSR))


def shown_arrbs(network: LSTMConvSR) -> list[int]:
    """The ARRBs of the first neural block whose maps are shown: of twelve, 0, 3, 7 and 11."""
    arrg = network.body[0].blocks[0].arrg
    count = len(arrg) if isinstance(arrg, nn.Sequential) else 0
    return sorted({index * (count - 1) // (_SHOWN - 1) for index in range(_SHOWN)}) if count else []


def feature_maps(network: LSTMConvSR, lr: Tensor, channels: Sequence[int]) -> dict[str, Tensor]:
    """Stage of the first neural block -> its maps of some channels, (channels, h, w), for an LR image (3, h, w)."""
    with torch.inference_mode():
        maps = network.features(lr[None].float() / 255, arrbs=shown_arrbs(network))
    width = next(iter(maps.values())).shape[1]
    if (most := max(channels)) >= width:
        raise UserError(
            f"analysis.channels names {most}, but the network has {width} channels",
            f"give channels from 0 to {width - 1}",
        )
    return {name: found[0, list(channels)].cpu() for name, found in maps.items()}


def write_arrays(path: Path, **arrays: Tensor | np.ndarray) -> None:
    """Write arrays in their order as an npz file, all or nothing."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **{name: np.asarray(array) for name, array in arrays.items()})


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read what write_arrays() wrote."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
