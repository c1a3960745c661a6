"""A scene of any size upscaled from file to file by windows, its georeferencing scaled."""

import tempfile
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
import torch
from rasterio.control import GroundControlPoint
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from rasterio.transform import Affine
from rasterio.windows import Window
from torch import Tensor, nn
from tqdm import tqdm

from rssr.base.errors import UserError
from rssr.base.files import replacing
from rssr.base.resampling import to_uint8
from rssr.models.tiling import blended, tiles

FORMATS = {".tif": "GTiff", ".tiff": "GTiff", ".png": "PNG"}
CACHE_MIB = 64  # GDAL's; by default it takes a share of the machine's memory


def upscale_scene(
    model: nn.Module,
    source: Path,
    out: Path,
    scale: int,
    size: int = 256,
    overlap: int = 32,
    bands: Sequence[int] | None = None,
    device: torch.device | str = "cpu",
) -> None:
    """Upscale an 8-bit image file into a GeoTIFF or a PNG; the memory needed does not grow with the scene.

    A GeoTIFF keeps the source's coordinate system, geotransform, ground control points and no-data value, its pixels
    `scale` times smaller. RPCs are not carried over.

    Args:
        model: (B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), in eval mode.
        source: any raster that GDAL reads, 8 bits per channel.
        out: .tif, .tiff or .png, written under a temporary name, read back, compared and renamed.
        scale: the model's upscaling factor.
        size: side of a tile in LR pixels, see models.tiling.
        overlap: LR pixels that neighbouring tiles share.
        bands: which bands of the source are red, green and blue, counted from one; by default the only three, or the
            first three where the source itself says that the fourth is alpha.
        device: the device that the model runs on.

    Raises:
        UserError: for a source that is not as described, an output of another format, and a failed read or write.
    """
    if out.suffix.lower() not in FORMATS:
        raise UserError(f"{out}: the format '{out.suffix}' is unknown: use one of {', '.join(FORMATS)}")
    model = model.to(device)
    with warnings.catch_warnings(), rasterio.Env(GDAL_CACHEMAX=CACHE_MIB), replacing(out) as temporary:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".scene-") as name, _open(source) as scene:
            folder, sides = Path(name), (scene.height, scene.width)
            read = _reader(scene, source, _bands(scene, source, bands), device)
            regions = blended(model, read, *sides, scale, size, overlap, _Strips(folder, device))
            regions = tqdm(regions, desc=source.name, unit="tile", total=tiles(*sides, size, overlap))
            try:
                _write(regions, scene, scale, temporary, folder)
            except RasterioIOError as error:
                raise UserError(
                    f"{out} cannot be written ({error.__cause__ or error})", "check the space on its disk"
                ) from None


def _reader(
    scene: rasterio.DatasetReader, source: Path, bands: Sequence[int], device: torch.device | str
) -> Callable[[int, int, int, int], Tensor]:
    """A function that reads a window (top, left, bottom, right) of a scene as (1, 3, h, w) in [0, 1]."""

    def read(top: int, left: int, bottom: int, right: int) -> Tensor:
        try:
            pixels = scene.read(bands, window=Window(left, top, right - left, bottom - top))
        except RasterioIOError as error:
            raise UserError(
                f"{source} cannot be read to its end ({error.__cause__ or error})", "get it again"
            ) from None
        return torch.from_numpy(pixels)[None].to(device).float() / 255

    return read


def _write(
    regions: Iterable[tuple[int, int, Tensor]], scene: rasterio.DatasetReader, scale: int, out: Path, folder: Path
) -> None:
    """Write upscaled regions of a scene and check the file; a PNG, which GDAL cannot write in parts, from a TIFF."""
    tiff = out if FORMATS[out.suffix.lower()] == "GTiff" else folder / "scene.tif"
    checksums = {}
    with rasterio.open(tiff, "w", **_profile(scene, scale)) as target, torch.inference_mode():
        _copy_points(scene, target, scale)
        for top, left, region in regions:
            pixels = to_uint8(region)[0].cpu().numpy()
            window = Window(left, top, pixels.shape[2], pixels.shape[1])
            target.write(pixels, window=window)
            checksums[window] = zlib.crc32(pixels.tobytes())
    if tiff != out:
        _to_png(tiff, out)
    _compare(out, checksums)


def _to_png(tiff: Path, png: Path) -> None:
    try:
        rasterio.shutil.copy(tiff, png, driver="PNG")
    finally:
        png.with_name(f"{png.name}.aux.xml").unlink(missing_ok=True)


def _compare(path: Path, checksums: Mapping[Window, int]) -> None:
    """Read a written file back: GDAL writes the last blocks when it closes a file and does not report failures."""
    with rasterio.open(path) as written:
        for window, checksum in checksums.items():
            if zlib.crc32(written.read(window=window).tobytes()) != checksum:
                raise RasterioIOError("what was written reads back differently")


def _open(source: Path) -> rasterio.DatasetReader:
    try:
        return rasterio.open(source)
    except RasterioIOError as error:
        raise UserError(f"{source} cannot be read as an image ({error}): give a GeoTIFF, PNG or JPEG file") from None


def _bands(scene: rasterio.DatasetReader, source: Path, bands: Sequence[int] | None) -> list[int]:
    """The bands to read; UserError unless they are three of 8 bits."""
    chosen = [1, 2, 3] if bands is None else list(bands)
    if len(chosen) != 3 or min(chosen) < 1:
        raise UserError(f"bands {chosen}: three numbers from 1 are expected, of the red, green and blue band")
    if max(chosen) > scene.count:
        raise UserError(f"{source} has {scene.count} band(s), where {max(chosen)} are needed", "give an RGB image")
    if bands is None and scene.count > 3 and not _is_rgb_with_alpha(scene):
        raise UserError(f"{source} has {scene.count} bands, not three", "say which are red, green and blue")
    for band in chosen:
        if scene.dtypes[band - 1] != "uint8":
            raise UserError(
                f"{source} has {scene.dtypes[band - 1]} pixels, where 8 bits per channel are expected",
                "convert it first, for example with gdal_translate -ot Byte -scale",
            )
    return chosen


def _is_rgb_with_alpha(scene: rasterio.DatasetReader) -> bool:
    """Whether the file itself says that its first three bands are red, green and blue, and the fourth is alpha."""
    return [kind.name for kind in scene.colorinterp] == ["red", "green", "blue", "alpha"]


def _profile(scene: rasterio.DatasetReader, scale: int) -> dict:
    profile = {
        "driver": "GTiff",
        "width": scene.width * scale,
        "height": scene.height * scale,
        "count": 3,
        "dtype": "uint8",
        "photometric": "RGB",
        "tiled": True,
        "bigtiff": "IF_SAFER",
        "crs": scene.crs,
        "nodata": scene.nodata,
    }
    if scene.transform != Affine.identity():
        profile["transform"] = scene.transform @ Affine.scale(1 / scale)
    return profile


def _copy_points(scene: rasterio.DatasetReader, target: rasterio.io.DatasetWriter, scale: int) -> None:
    points, crs = scene.gcps
    if points:
        target.gcps = (
            [GroundControlPoint(p.row * scale, p.col * scale, p.x, p.y, p.z, p.id, p.info) for p in points],
            crs,
        )


class _Strips(MutableMapping):
    """Tensors by number, kept on disk: together they are as wide as the scene."""

    def __init__(self, folder: Path, device: torch.device | str) -> None:
        self._folder, self._device = folder, device

    def _path(self, key: int) -> Path:
        return self._folder / f"{key}.npy"

    def __getitem__(self, key: int) -> Tensor:
        return torch.from_numpy(np.load(self._path(key))).to(self._device)

    def __setitem__(self, key: int, value: Tensor) -> None:
        np.save(self._path(key), value.cpu().numpy())

    def __delitem__(self, key: int) -> None:
        self._path(key).unlink()

    def __iter__(self) -> Iterator[int]:
        return (int(path.stem) for path in self._folder.glob("*.npy"))

    def __len__(self) -> int:
        return sum(1 for _ in self)
