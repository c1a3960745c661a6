"""Upscaling in tiles that overlap and blend: a network's own memory is that of one tile, whatever the image."""

from collections.abc import Callable, Iterator, MutableMapping

import torch
from torch import Tensor, nn

from rssr.models.upscaler import OutOfMemory, Upscaler, memory_ended

_SIDES = (512, 256, 128, 64, 32)  # of tiles that are tried in turn where memory has no room for more


class Tiled(nn.Module):
    """A network that sees an image in overlapping tiles.

    The outer quarter of an overlap is left out on both sides, because a network lacks context there; in between, one
    tile fades into the next. A network whose output depends on less than `overlap // 4` LR pixels around it gives the
    same as on the whole image.

    Args:
        network: (B, 3, h, w) -> (B, 3, scale * h, scale * w), any h and w up to the tile's size.
        scale: upscaling factor.
        size: side of a tile in LR pixels; shorter images are one tile.
        overlap: LR pixels that neighbouring tiles share, at most half of the size.
    """

    def __init__(self, network: nn.Module, scale: int, size: int, overlap: int) -> None:
        super().__init__()
        self.network = network
        self.scale, self.size, self.overlap = scale, size, overlap

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w)."""
        height, width = x.shape[-2:]

        def read(top: int, left: int, bottom: int, right: int) -> Tensor:
            return x[..., top:bottom, left:right]

        out = None
        for top, left, region in blended(self.network, read, height, width, self.scale, self.size, self.overlap):
            if out is None:
                out = region.new_empty(*region.shape[:2], height * self.scale, width * self.scale)
            out[..., top : top + region.shape[-2], left : left + region.shape[-1]] = region
        return out


def within_memory(
    model: nn.Module, x: Tensor, finish: Callable[[Tensor], Tensor] = lambda out: out
) -> tuple[Tensor, int]:
    """What a model of registry.build() makes of an input, in tiles if memory has no room for the whole.

    Args:
        model: the model.
        x: its input, (B, 3, h, w) in [0, 1].
        finish: what is made of its output, for which there has to be room too.

    Returns:
        The output, and the side of the tiles in LR pixels; 0 for the whole.

    Raises:
        OutOfMemory: if there is no room for the smallest tile either.
    """
    try:
        return finish(model(x)), 0
    except Exception as error:
        whole = _out_of_memory(error, x)
    scale = next(part.scale for part in model.modules() if isinstance(part, Upscaler))
    for side in (side for side in _SIDES if side < max(x.shape[-2:])):
        try:
            return finish(Tiled(model, scale, side, side // 8)(x)), side
        except Exception as error:
            _out_of_memory(error, x)
    raise whole


def _out_of_memory(error: Exception, x: Tensor) -> OutOfMemory:
    """An exception that says that there is no memory left, for users; any other is raised again.

    It is a new one, because the other's traceback holds the tensors that memory was full of.
    """
    if isinstance(error, OutOfMemory):
        return OutOfMemory(error.problem, error.remedy)
    if not memory_ended(error):
        raise error
    return OutOfMemory(f"there is not enough memory for an image of {x.shape[-1]}x{x.shape[-2]}", "cut the image")


def blended(
    upscale: Callable[[Tensor], Tensor],
    read: Callable[[int, int, int, int], Tensor],
    height: int,
    width: int,
    scale: int,
    size: int,
    overlap: int,
    strips: MutableMapping[int, Tensor] | None = None,
) -> Iterator[tuple[int, int, Tensor]]:
    """Upscale an image tile by tile, row by row, and yield its finished regions, which cover it without overlapping.

    Args:
        upscale: (B, 3, h, w) -> (B, 3, scale * h, scale * w).
        read: (top, left, bottom, right) in LR pixels -> that part of the image, (B, 3, h, w).
        height: of the image, in LR pixels.
        width: of the image, in LR pixels.
        scale: upscaling factor.
        size: see Tiled.
        overlap: see Tiled.
        strips: where the lower ends of a row of tiles wait for the next row, by column; a dict by default.

    Yields:
        top and left in SR pixels, and the region, (B, 3, H, W).

    Raises:
        ValueError: for a size below one, or an overlap that is negative or more than half of the size.
    """
    if size < 1 or not 0 <= 2 * overlap <= size:
        raise ValueError(f"tiles of {size} pixels cannot overlap by {overlap}: at most half of the size is possible")
    strips = {} if strips is None else strips
    rows, columns = _spans(height, size, overlap), _spans(width, size, overlap)
    fade = (overlap - 2 * (overlap // 4)) * scale
    for row, (top, first_row, end_row) in enumerate(rows):
        beside = None
        for column, (left, first_column, end_column) in enumerate(columns):
            tile = upscale(read(top, left, min(top + size, height), min(left + size, width)))
            tile = tile[..., (first_row - top) * scale : (end_row - top) * scale, :]
            tile = tile[..., (first_column - left) * scale : (end_column - left) * scale].clone()
            _fade(tile, fade, row > 0, row < len(rows) - 1)
            _fade(tile.mT, fade, column > 0, column < len(columns) - 1)
            # The corner that four tiles share travels to the right before it travels down, so it is added once.
            if beside is not None:
                tile[..., :fade] += beside
            if column < len(columns) - 1:
                tile, beside = _cut(tile, fade, -1)
            if row > 0:
                tile[..., :fade, :] += strips.pop(column)
            if row < len(rows) - 1:
                tile, strips[column] = _cut(tile, fade, -2)
            yield first_row * scale, first_column * scale, tile


def tiles(height: int, width: int, size: int, overlap: int) -> int:
    """The number of tiles that blended() makes of an image."""
    return len(_spans(height, size, overlap)) * len(_spans(width, size, overlap))


def _spans(length: int, size: int, overlap: int) -> list[tuple[int, int, int]]:
    """Along one axis, for each tile: where it starts, and the first and the end of the pixels that are used of it.

    Neighbours share the span in which they fade. The last tile starts earlier where it would leave the image.
    """
    margin = overlap // 4
    starts = range(0, max(length - overlap, 1), size - overlap)
    return [
        (
            max(0, min(start, length - size)),
            start + (margin if start else 0),
            length if start == starts[-1] else start + size - margin,
        )
        for start in starts
    ]


def _cut(tile: Tensor, length: int, axis: int) -> tuple[Tensor, Tensor]:
    """What comes before the last pixels of an axis, and a copy of these, which does not keep the tile alive."""
    kept, end = tile.tensor_split([tile.shape[axis] - length], axis)
    return kept, end.clone()


def _fade(tile: Tensor, length: int, before: bool, after: bool) -> None:
    """Weight the first and the last rows of a tile, in place, so that neighbours' weights add up to one."""
    ramp = ((torch.arange(length, device=tile.device) + 0.5) / length).to(tile.dtype)[:, None]
    if before:
        tile[..., :length, :] *= ramp
    if after:
        tile[..., tile.shape[-2] - length :, :] *= 1 - ramp
