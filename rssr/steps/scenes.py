"""A scene of any size upscaled from file to file by windows, with its validity and georeference."""

import io
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path

import numpy as np
import rasterio
import torch
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioIOError
from rasterio.windows import Window
from scipy.ndimage import distance_transform_edt
from torch import Tensor, nn
from tqdm import tqdm

from rssr.base.errors import UserError, about
from rssr.base.files import check_name, replacing
from rssr.base.raster import Raster, open_raster
from rssr.base.sidecars import placed_by, sidecars, with_parts
from rssr.models.tiling import blended, tiles, within_memory
from rssr.steps.enlarged import FORMATS, Enlarged

CACHE_MIB = 64  # GDAL's; by default it takes a share of the machine's memory
_MASK = 0  # where a mask stands among the numbers of bands
_STRIP = 2**24  # bytes of an output that are compared at once


def upscale_scene(
    model: nn.Module,
    source: Path,
    out: Path,
    scale: int,
    size: int = 256,
    overlap: int = 32,
    bands: Sequence[int] | None = None,
    stretch: Sequence[float] | None = None,
    device: torch.device | str = "cpu",
    overwrite: bool = False,
    called: str = "the network",
) -> list[str]:
    """Upscale an image file into a GeoTIFF or a PNG; the memory needed does not grow with the scene.

    A GeoTIFF keeps the source's coordinate system, geotransform, ground control points, RPCs, ICC profile, tags and
    lossless compression, its pixels `scale` times smaller. Alpha, mask and no-data are enlarged by repetition; the
    network sees hidden pixels filled from their nearest neighbours, and nothing is painted there.

    Args:
        model: (B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), in eval mode.
        source: any image, see base.raster.open_raster().
        out: .tif, .tiff or .png, written under a temporary name, read back, compared and renamed.
        scale: the model's upscaling factor.
        size: side of a tile in LR pixels, see models.tiling.
        overlap: LR pixels that neighbouring tiles share.
        bands: the bands to upscale, counted from one, in groups of three that the network sees as red, green and blue;
            what is left over is seen as gray, each alone. By default gray or RGB, if that is what the file has.
        stretch: the values that the network sees as black and white; the output has the source's type and units.
        device: the device that the model runs on.
        overwrite: whether `out` may exist, unless it is read itself; what described the old file is removed.
        called: what an error of the model names.

    Returns:
        What the output lacks of the source, in words.

    Raises:
        UserError: for a source that is not as described, an output of another format, and a failed read or write.
    """
    _check_out(out, source, overwrite)
    model, sides = model.to(device), set()
    with (
        rasterio.Env(GDAL_CACHEMAX=CACHE_MIB, GDAL_TIFF_INTERNAL_MASK=True),
        open_raster(source, bands, stretch) as raster,
    ):
        target = Enlarged(raster, scale, out)
        target.check()
        notes = target.notes()
        with replacing(out) as temporary, tempfile.TemporaryDirectory(dir=out.parent, prefix=".scene-") as name:
            regions = _regions(_named(model, called, sides), raster, scale, size, overlap, device, Path(name))
            try:
                beyond = _write(regions, target, temporary, Path(name))
            except (RasterioIOError, CPLE_BaseError) as error:
                raise UserError(
                    f"{out} cannot be written ({error.__cause__ or error})", "check the space on its disk"
                ) from None
        for beside in sidecars(out, source):  # of a file that was replaced, or has left them
            beside.unlink()
        smaller = [f"tiles of {min(sides)} pixels were used, because memory was insufficient"] if sides else []
        return notes + beyond + smaller


def _check_out(out: Path, source: Path, overwrite: bool) -> None:
    """UserError for an unknown format, what is read itself, and unless asked to overwrite for a name that is taken."""
    if out.suffix.lower() not in FORMATS:
        raise UserError(f"{out}: the format '{out.suffix}' is unknown: use one of {', '.join(FORMATS)}")
    check_name(out)
    if out.is_dir():
        raise UserError(f"{out} is a folder", "name a file")
    if out.exists() and source.exists() and any(out.samefile(part) for part in with_parts([source])):
        raise UserError(f"{out} is what is upscaled, or a part of it", "name another file")
    remedy = "name another file, or add --overwrite"
    if out.exists() and not overwrite:
        raise UserError(f"{out} exists", remedy)
    own, tiff = sidecars(out, source), FORMATS[out.suffix.lower()] == "GTiff"
    for beside in sidecars(out, None):
        # What places the source too: a GeoTIFF has a place of its own, which RPCs beside it go before.
        if beside not in own and tiff != (beside.suffix.lower() in (".rpb", ".txt")):
            continue
        if not overwrite and beside in own:
            raise UserError(f"{beside} exists and would be taken for a part of {out.name}", remedy)
        if other := placed_by(beside, out):
            problem = f"{beside} says where {other} lies, and would be taken for a part of {out.name}"
            raise UserError(problem, "name another file")


def _named(model: nn.Module, called: str, sides: set[int]) -> Callable[[Tensor], Tensor]:
    """The model; its errors carry its name. Where memory is insufficient, the side of the tiles goes to `sides`."""

    def upscale(x: Tensor) -> Tensor:
        with about(called):
            out, side = within_memory(model, x)
        sides.update([side] if side else [])
        return out

    return upscale


def _regions(
    upscale: Callable[[Tensor], Tensor],
    raster: Raster,
    scale: int,
    size: int,
    overlap: int,
    device: torch.device | str,
    folder: Path,
) -> Iterator[tuple[list[int], int, int, Tensor]]:
    """Upscaled regions, group of channels by group: the channels, top, left and (1, C, H, W)."""
    count, (width, height) = raster.channels, raster.size
    threes = count - count % 3
    groups = [list(range(start, start + 3)) for start in range(0, threes, 3)] + [[n] for n in range(threes, count)]
    total = len(groups) * tiles(height, width, size, overlap)
    with tqdm(desc=raster.path.name, unit="tile", total=total) as progress:
        for group in groups:
            read, strips = _reader(raster, group, device), _Strips(folder, device)
            for top, left, region in blended(upscale, read, height, width, scale, size, overlap, strips):
                yield group, top, left, region if len(group) == 3 else region.mean(1, keepdim=True)
                progress.update()


def _reader(
    raster: Raster, channels: Sequence[int], device: torch.device | str
) -> Callable[[int, int, int, int], Tensor]:
    """A function that reads a window (top, left, bottom, right) of a scene as (1, 3, h, w) in [0, 1]."""

    def read(top: int, left: int, bottom: int, right: int) -> Tensor:
        values, opacity = raster.read((left, top, right, bottom))
        seen = [_filled(*channel) for channel in zip(raster.unit(values[channels]), opacity[channels] > 0, strict=True)]
        return torch.from_numpy(np.stack(seen))[None].expand(1, 3, -1, -1).contiguous().to(device)

    return read


def _filled(pixels: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """(h, w) with each value that is not valid replaced by the nearest that is; black if none is."""
    if valid.all():
        return pixels
    if not valid.any():
        return np.zeros_like(pixels)
    rows, columns = distance_transform_edt(~valid, return_distances=False, return_indices=True)
    return pixels[rows, columns]


def _write(
    regions: Iterable[tuple[list[int], int, int, Tensor]], enlarged: Enlarged, out: Path, folder: Path
) -> list[str]:
    """Write upscaled regions and check the file; what was lost by tags, validity and a stretch, in words."""
    raster, scale, tiff = enlarged.raster, enlarged.scale, folder / "scene.tif"
    checksums, clipped, seen, uneven = {}, 0, 0, False
    with rasterio.open(tiff, "w+", **enlarged.profile()) as target, torch.no_grad():
        lost = enlarged.describe(target)
        for channels, top, left, region in regions:
            height, width = region.shape[2:]
            opacity = np.full((raster.channels, height // scale, width // scale), 255, np.uint8)
            if raster.validity or raster.stretched:
                box = (left // scale, top // scale, (left + width) // scale, (top + height) // scale)
                values, opacity = raster.read(box)
                values = values[channels][opacity[channels] > 0]
                clipped += int(((values < min(raster.levels)) | (values > max(raster.levels))).sum())
                seen += values.size
            window, last = Window(left, top, width, height), channels[-1] + 1 == raster.channels
            others = [target.read(number, window=window) for number in range(1, channels[0] + 1)] if last else None
            values = enlarged.values(region, _repeated(opacity[channels], scale), others)
            parts = {channel + 1: plane for channel, plane in zip(channels, values, strict=True)}
            if enlarged.cover and 0 in channels:
                uneven |= bool((opacity.any(0) != opacity.all(0)).any())
                number = target.count if enlarged.cover == "alpha" else _MASK
                parts[number] = _repeated(enlarged.covering(opacity), scale)
            for band, part in parts.items():
                if band == _MASK:
                    target.write_mask(part, window=window)
                else:
                    target.write(part, band, window=window)
                checksums[band, window] = zlib.crc32(part.tobytes())
    enlarged.finish(tiff, out)
    _compare(out, tiff, checksums)
    if uneven:
        lost.append("where a part of the bands is hidden in the source, all of them are")
    low, high = sorted(raster.levels)
    if clipped:
        lost.append(f"{100 * clipped / seen:.2g} % of the values lie beyond {low:g} to {high:g} and were clipped")
    return lost


def _repeated(pixels: np.ndarray, scale: int) -> np.ndarray:
    """(..., h, w) with each pixel `scale` times in both directions."""
    return pixels.repeat(scale, -2).repeat(scale, -1)


def _compare(path: Path, tiff: Path, checksums: Mapping[tuple[int, Window], int]) -> None:
    """Read written files back: GDAL writes the last blocks when it closes a file and does not report failures.

    The second is compared with the first from the top to the bottom, since each step back reads a PNG from its start.
    """
    with rasterio.open(tiff) as meant, rasterio.open(path) as written:
        same = all(
            zlib.crc32(_read(meant, band, window).tobytes()) == checksum
            for (band, window), checksum in checksums.items()
        )
        rows = max(1, _STRIP // (meant.width * meant.count * np.dtype(meant.dtypes[0]).itemsize))
        strips = [Window(0, top, meant.width, min(rows, meant.height - top)) for top in range(0, meant.height, rows)]
        for part in {_MASK if band == _MASK else None for band, _ in checksums}:
            same = same and all(
                _read(meant, part, strip).tobytes() == _read(written, part, strip).tobytes() for strip in strips
            )
    if not same:
        raise RasterioIOError("what was written reads back differently")


def _read(file: rasterio.DatasetReader, band: int | None, window: Window) -> np.ndarray:
    """A band, the mask, or all bands at once, for each of which a PNG would be decoded anew."""
    return file.read_masks(1, window=window) if band == _MASK else file.read(band, window=window)


class _Strips(MutableMapping):
    """Tensors by number, kept on disk: together they are as wide as the scene."""

    def __init__(self, folder: Path, device: torch.device | str) -> None:
        self._folder, self._device = folder, device

    def _path(self, key: int) -> Path:
        return self._folder / f"{key}.npy"

    def __getitem__(self, key: int) -> Tensor:
        return torch.from_numpy(np.load(self._path(key))).to(self._device)

    def __setitem__(self, key: int, value: Tensor) -> None:
        content = io.BytesIO()
        np.save(content, value.cpu().numpy())  # to a file it would not say that the disk is full
        self._path(key).write_bytes(content.getbuffer())

    def __delitem__(self, key: int) -> None:
        self._path(key).unlink()

    def __iter__(self) -> Iterator[int]:
        return (int(path.stem) for path in self._folder.glob("*.npy"))

    def __len__(self) -> int:
        return sum(1 for _ in self)
