"""Tiles that cover an image."""

from rssr.base.errors import UserError

Box = tuple[int, int, int, int]


def tile_boxes(width: int, height: int, tile: int | None) -> list[Box]:
    """Boxes (left, top, right, bottom) that cover an image row by row, the last of each axis flush with its edge."""
    if tile is None:
        return [(0, 0, width, height)]
    return [(x, y, x + tile, y + tile) for y in _starts(height, tile) for x in _starts(width, tile)]


def _starts(length: int, tile: int) -> list[int]:
    if length < tile:
        raise UserError(f"an image side of {length} pixels is shorter than the tile of {tile}: set a smaller `tile`")
    return [min(start, length - tile) for start in range(0, length, tile)]
