"""The file that an upscaled raster goes into: values in the source's units, its validity, georeference and tags."""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.io import DatasetWriter, MemoryFile
from rasterio.rpc import RPC
from rasterio.transform import Affine
from torch import Tensor

from rssr.base.errors import UserError
from rssr.base.headers import geotransform, header, rpcs
from rssr.base.raster import Raster
from rssr.base.resampling import to_uint8

FORMATS = {".tif": "GTiff", ".tiff": "GTiff", ".png": "PNG"}
_LOSSLESS = ("deflate", "lzw", "zstd", "lzma", "packbits")
# Tags that upscaling makes wrong; the last is GDAL's name for no-data, whose bands the file need not have.
_STALE = ("EXIF_Orientation", "EXIF_PixelXDimension", "EXIF_PixelYDimension", "NODATA_VALUES")
_UNWRITABLE = {"bidx", "ns"}  # tags that rasterio takes for its own arguments
_ULPS = 2.0**-22  # GDAL's ARE_REAL_EQUAL: how far floats and doubles are equal, in parts of their sum
_ICC = "COLOR_PROFILE"
# GDAL's domains that are read, or said, otherwise, and those that it makes of the file itself.
_KNOWN = {"", _ICC, "IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "SUBDATASETS", "RPC", "GEOLOCATION"}
_DENSITY = {"TIFFTAG_XRESOLUTION", "TIFFTAG_YRESOLUTION"}
_RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)


@dataclass(frozen=True)
class Enlarged:
    """How an upscaled raster is stored.

    Attributes:
        raster: the source.
        scale: how many times longer its sides become.
        out: the file; it is a GeoTIFF or a PNG, see FORMATS.
    """

    raster: Raster
    scale: int
    out: Path

    @property
    def driver(self) -> str:
        """GDAL's name of the format."""
        return FORMATS[self.out.suffix.lower()]

    @property
    def dtype(self) -> np.dtype:
        """The type of its values: the source's if they were stretched, so that they keep their units, or 8 bits."""
        return self.raster.dtype if self.raster.stretched else np.dtype("uint8")

    @cached_property
    def nodata(self) -> float | None:
        """What the file calls no-data; None if it says in another way which pixels are valid, or all are."""
        if self.raster.validity != "nodata" or self.driver == "PNG" or self.raster.palette is not None:
            return None
        values = (self.raster.file.nodatavals[band - 1] for band in self.raster.bands)
        return next((value for value in values if value is not None), None)  # a GeoTIFF has one for all of its bands

    @cached_property
    def cover(self) -> str:
        """What else says which pixels are valid: alpha, mask or nothing."""
        if self.raster.validity in ("", "finite") or self.nodata is not None:
            return ""
        opaque = "uf" if self.raster.validity == "alpha" else "u"  # kinds of numbers whose opacity others understand
        # Beside other numbers of bands GDAL takes no alpha for what hides them.
        seen = self.raster.validity == "nodata" and self.raster.channels in (1, 3)
        kept = self.raster.validity == "alpha" or self.driver == "PNG" or seen
        return "alpha" if kept and self.dtype.kind in opaque else "mask"

    @property
    def _white_is_least(self) -> bool:
        """Whether small values are bright: as in the source, where values keep their units and the format says so."""
        low, high = self.raster.levels
        return low > high and self.raster.stretched and self.driver == "GTiff" and self.raster.channels < 3

    @property
    def _levels(self) -> tuple[float, float]:
        """The values that are black and white."""
        return self.raster.levels if self.raster.stretched else (0, 255)

    @property
    def _photometric(self) -> str:
        return "RGB" if self.raster.channels >= 3 else "MINISWHITE" if self._white_is_least else "MINISBLACK"

    @cached_property
    def _colour_profile(self) -> str | None:
        """The source's ICC profile, which says what its colours look like; empty if it is of other colours (inks)."""
        path, file = self.raster.path, self.raster.file
        found = file.tags(ns=_ICC).get("SOURCE_ICC_PROFILE") or b64encode(header(path, file.driver).profile).decode()
        kind = b"RGB " if self.raster.channels >= 3 else b"GRAY"
        return (found if b64decode(found)[16:20] == kind else "") if found else None

    def check(self) -> None:
        """UserError if the format cannot hold it."""
        if self.driver == "PNG" and (self.dtype.name not in ("uint8", "uint16") or self.raster.channels not in (1, 3)):
            what = f"{self.raster.channels} bands of {self.dtype}"
            raise UserError(f"{self.out}: a PNG cannot hold {what}", "write a .tif")

    def notes(self) -> list[str]:
        """What the file lacks of the source's."""
        file, found = self.raster.file, []
        if self.driver == "PNG" and (file.crs or file.gcps[0] or rpcs(file) or geotransform(file) != Affine.identity()):
            found.append("a PNG holds no georeference: write a .tif to keep it")
        if file.tags(ns="GEOLOCATION"):
            found.append("the source's geolocation arrays are left out")
        if (domains := set(file.tag_namespaces()) - _KNOWN) or self._colour_profile == "":
            lacks = sorted(domains) + ["colour profile"] * (self._colour_profile == "")
            found.append(f"of the source's metadata, {', '.join(lacks)} are left out")
        if self.raster.validity == "alpha" and self.cover == "mask":
            found.append(f"{self.dtype} has no alpha: what is half transparent in the source becomes opaque")
        low, high = sorted(self._levels)
        if self.raster.stretched and self._levels[0] > self._levels[1] and not self._white_is_least:
            found.append("values are those of the input, whose small ones are bright: viewers show them inverted")
        if self.driver == "PNG" and self.raster.stretched and high < (most := np.iinfo(self.dtype).max) / 2:
            found.append(f"values are those of the input, {low:g} to {high:g} of {most}: viewers show them dark")
        return found

    def values(self, region: Tensor, opacity: np.ndarray, others: Sequence[np.ndarray] | None) -> np.ndarray:
        """(C, H, W) to store of a region (1, C, H, W) in [0, 1]; what has no opacity (C, H, W) is not painted.

        Args:
            region: of some of the channels.
            opacity: of these channels.
            others: (H, W) of what is stored of each of the other channels; None if some follow.
        """
        low, high = self._levels
        if (low, high) == (0, 255) and self.dtype == np.uint8:
            values = to_uint8(region)[0].cpu().numpy()
        else:
            values = low + region.clamp(0, 1)[0].cpu().double().numpy() * (high - low)
            if self.dtype.kind in "iu":
                values = np.rint(values).clip(np.iinfo(self.dtype).min, np.iinfo(self.dtype).max)
            values = values.astype(self.dtype)
        if self.nodata is not None:  # a valid pixel that happens to have this value moves beside it
            same = self._hides(values)
            if self.dtype == np.uint8:  # where all bands have it
                together = others is not None and np.logical_and.reduce([*same, *map(self._hides, others)])
                same = np.broadcast_to(together, same.shape)
            values[same] = self._beside_nodata
        unstated = np.nan if self.raster.validity == "finite" else 0
        values[opacity == 0] = unstated if self.nodata is None else self.nodata
        return values

    def _hides(self, values: np.ndarray) -> np.ndarray:
        """Which values GDAL takes for no-data: of floats also those nearby."""
        if self.dtype.kind != "f":
            return values == self.nodata
        nodata = self.dtype.type(self.nodata)
        near = np.abs(values - nodata) < _ULPS * np.abs(values + nodata)
        return near | (values == nodata)

    @property
    def _beside_nodata(self) -> float:
        if self.dtype.kind == "f":  # twice as far as what is nearby, towards zero
            return self.nodata * (1 - 4 * _ULPS) or float(np.finfo(self.dtype).tiny)
        return self.nodata + 1 if self.nodata < np.iinfo(self.dtype).max else self.nodata - 1

    def covering(self, opacity: np.ndarray) -> np.ndarray:
        """(H, W) of alpha, in the file's type, or mask, of (C, H, W) of opacity: a pixel is hidden if a band is."""
        if self.cover == "mask":
            return np.where(opacity.all(0), 255, 0).astype(np.uint8)
        if self.dtype.kind == "f":
            return (opacity.min(0) / 255).astype(self.dtype)
        return opacity.min(0).astype(self.dtype) * self.dtype.type(np.iinfo(self.dtype).max // 255)

    def profile(self) -> dict:
        """What rasterio needs to create it, uncompressed."""
        file, channels = self.raster.file, self.raster.channels
        width, height = self.raster.size
        profile = {
            "driver": "GTiff",
            "width": width * self.scale,
            "height": height * self.scale,
            "count": channels + (self.cover == "alpha"),
            "dtype": self.dtype,
            "photometric": self._photometric,
            "tiled": True,
            "bigtiff": "IF_SAFER",
            "crs": file.crs,
            "nodata": self.nodata,
        }
        # Without a geotransform, a pixel is one unit of the coordinate system, unless other things say where it lies.
        transform = geotransform(file)
        if transform != Affine.identity() or (file.crs and not file.gcps[0] and not rpcs(file)):
            profile["transform"] = transform @ Affine.scale(1 / self.scale)
        return profile

    def describe(self, target: DatasetWriter) -> list[str]:
        """Copy place, tags and the meaning of bands, as they are after upscaling; what cannot be copied, in words."""
        target.colorinterp = self._colours
        self._place(target)
        if self._colour_profile:
            target.update_tags(ns=_ICC, SOURCE_ICC_PROFILE=self._colour_profile)
        lost = self._copy_tags(target, 0)
        if self.raster.palette is None and not self.raster.pillow:
            for number in range(1, self.raster.channels + 1):
                lost |= self._copy_tags(target, number)
            lost |= self._name_bands(target)
        return [f"of the source's tags, {', '.join(sorted(lost))} cannot be kept"] if lost else []

    def _place(self, target: DatasetWriter) -> None:
        """Copy ground control points and RPCs."""
        file, scale = self.raster.file, self.scale
        points, crs = file.gcps
        if points:
            moved = _moved() if file.tags().get("AREA_OR_POINT", "").lower() == "point" else 0
            target.gcps = (
                [
                    GroundControlPoint(p.row * scale - moved, p.col * scale - moved, p.x, p.y, p.z, p.id, p.info)
                    for p in points
                ],
                crs or CRS(),
            )
        if polynomials := rpcs(file):
            facts = polynomials.to_dict()
            for axis in ("line", "samp"):  # RPCs count from the centre of the first pixel
                facts[f"{axis}_off"] = (facts[f"{axis}_off"] + 0.5) * scale - 0.5
                facts[f"{axis}_scale"] *= scale
            target.rpcs = RPC(**facts)

    def _copy_tags(self, target: DatasetWriter, number: int) -> set[str]:
        """Copy the tags of the file, 0, or of a band of the target; the names of those that cannot be copied."""
        tags = self.raster.file.tags(self.raster.bands[number - 1] if number else 0)
        lost = tags.keys() & _UNWRITABLE
        for key in _DENSITY & tags.keys():
            try:
                tags[key] = str(float(tags[key]) * self.scale)
            except ValueError:  # such as "72 dpi"
                lost.add(key)
        stale = {key for key in tags if key.startswith("STATISTICS_")}.union(_STALE, lost)
        target.update_tags(number, **{key: value for key, value in tags.items() if key not in stale})
        return lost

    def _name_bands(self, target: DatasetWriter) -> set[str]:
        """Copy what bands are called and how their values are measured; the names of what cannot be copied."""
        lost, extra = set(), target.count - self.raster.channels
        facts = {"descriptions": ""}
        if self.raster.stretched or self.raster.levels == (0, 255):  # values mean what the source's do
            facts |= {"units": "", "scales": 1.0, "offsets": 0.0}
        for name, default in facts.items():
            try:
                given = getattr(self.raster.file, name)
            except UnicodeDecodeError:  # a text of another encoding
                lost.add(name)
            else:
                found = [given[band - 1] or default for band in self.raster.bands]
                setattr(target, name, found + [default] * extra)
        return lost

    @property
    def _colours(self) -> list[ColorInterp]:
        """What bands are: the first as the network saw them, others as the source says, unless it says a colour."""
        first = _RGB if self.raster.channels >= 3 else (ColorInterp.gray,)
        kinds = [self.raster.file.colorinterp[band - 1] for band in self.raster.bands[len(first) :]]
        rest = [kind if kind >= ColorInterp.pan else ColorInterp.undefined for kind in kinds]
        return [*first, *rest, *([ColorInterp.alpha] if self.cover == "alpha" else [])]

    def finish(self, tiff: Path, out: Path) -> None:
        """Copy the uncompressed TIFF, which was written in parts, into the file's own format and compression."""
        options = {}
        if self.driver == "GTiff":
            given = str(self.raster.file.profile.get("compress")).lower()
            options = {"tiled": True, "bigtiff": "IF_SAFER", "compress": given if given in _LOSSLESS else "deflate"}
            if self._white_is_least:
                options["photometric"] = self._photometric
            if options["compress"] in _LOSSLESS[:3]:
                options["predictor"] = 3 if self.dtype.kind == "f" else 2
        try:
            rasterio.shutil.copy(tiff, out, driver=self.driver, **options)
        finally:
            out.with_name(f"{out.name}.aux.xml").unlink(missing_ok=True)


@cache
def _moved() -> float:
    """How many pixels GDAL moves ground control points when it writes them beside AREA_OR_POINT=Point: 1 in 3.10."""
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", width=1, height=1, count=1, dtype="uint8") as file:
            file.update_tags(AREA_OR_POINT="Point")
            file.gcps = [GroundControlPoint(0, 0, 0, 0)], CRS()
        with memory.open() as file:
            return file.gcps[0][0].row
