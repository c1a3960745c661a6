"""The one reader of images: what is in a file is read for what it is, or refused in a sentence whose remedy works."""

import re

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from PIL import Image, ImageOps
from rasterio.enums import ColorInterp as Kind

from rssr.base.errors import UserError
from rssr.base.files import read_csv, read_image
from rssr.base.raster import open_raster
from rssr.datasets.prepare import prepare_hr
from rssr.datasets.registry import build
from rssr.render.scores import left_out

SMALL = np.random.default_rng(0).integers(0, 256, (8, 10, 3), dtype=np.uint8)
PICTURE = np.asarray(Image.fromarray(SMALL).resize((50, 36), Image.BICUBIC))
PLANES = PICTURE.transpose(2, 0, 1)
DEEP = PLANES.astype("uint16") * 12
TO_8_BITS = {"stretch": (0, 255 * 12)}


def raster(path, pixels, kinds=None, mask=None, **options):
    """A file of GDAL's: (C, H, W) of any type."""
    shape = {"count": len(pixels), "height": pixels.shape[1], "width": pixels.shape[2], "dtype": pixels.dtype}
    shape["driver"] = {".png": "PNG", ".jp2": "JP2OpenJPEG"}.get(path.suffix, "GTiff")
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **shape | options) as file:
        file.write(pixels)
        if kinds:
            file.colorinterp = kinds
        if mask is not None:
            file.write_mask(mask)
    return path


def rgb(path, **options):
    with open_raster(path, **options) as image:
        return image.rgb((0, 0, *image.size))


HELD = {
    "png": ("RGB", "L", "P", "1", "LA", "RGBA"),
    "jpg": ("RGB", "L", "CMYK"),
    "tif": ("RGB", "L", "P", "1", "CMYK", "YCbCr", "LA", "RGBA"),
    "bmp": ("RGB", "L", "P", "1"),
    "webp": ("RGB", "L", "RGBA"),
    "gif": ("RGB", "L", "P", "1"),
    "ppm": ("RGB", "L"),
    "jp2": ("RGB", "L", "LA", "RGBA"),
}


@pytest.mark.parametrize(("suffix", "mode"), [(suffix, mode) for suffix, modes in HELD.items() for mode in modes])
def test_pictures_of_8_bits_are_what_pillow_sees(tmp_path, mode, suffix):
    Image.fromarray(PICTURE).convert(mode).save(path := tmp_path / f"a.{suffix}")
    pixels, valid = rgb(path)
    assert valid.all()
    assert np.abs(pixels.astype(int) - read_image(path)).max() <= (mode == "YCbCr")


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright_also_in_parts(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(PICTURE).save(path := tmp_path / f"a.{suffix}", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    with open_raster(path) as image:
        assert image.size == expected.shape[1::-1]
        np.testing.assert_array_equal(image.rgb((3, 5, 30, 35))[0], expected[5:35, 3:30])


@pytest.mark.parametrize(
    ("name", "pixels", "file", "options"),
    [
        ("bgr.tif", PLANES[::-1], {"kinds": (Kind.blue, Kind.green, Kind.red)}, {}),
        ("plain.tif", PLANES, {"photometric": "MINISBLACK"}, {}),
        ("white.tif", 255 - PLANES[[1, 1, 1]][:1], {"photometric": "MINISWHITE"}, {}),
        ("bits.tif", PLANES[1:2] // 64, {"nbits": 2}, {}),
        ("a.jp2", PLANES, {"quality": 100, "reversible": "YES"}, {}),
        ("deep.png", DEEP, {}, TO_8_BITS),
        ("deep.tif", DEEP, {"photometric": "RGB"}, TO_8_BITS),
        ("planar.tif", DEEP, {"photometric": "RGB", "interleave": "band"}, TO_8_BITS),
        ("signed.tif", DEEP.astype("int16") - 300, {}, {"stretch": (-300, 255 * 12 - 300)}),
        ("wide.tif", PLANES.astype("uint16"), {}, {"stretch": (0, 255)}),
        ("beyond.tif", np.where(PLANES < 255, PLANES.astype("int16"), 300), {}, {"stretch": (0, 255)}),
        ("float.tif", (PLANES / 255).astype("float32"), {}, {"stretch": (0, 1)}),
        ("sentinel.tif", np.concatenate([DEEP[:1] * 0, DEEP[::-1]]), {}, TO_8_BITS | {"bands": (4, 3, 2)}),
        ("bgrn.tif", np.concatenate([PLANES[::-1], PLANES[:1]]), {"alpha": "NO"}, {"bands": (3, 2, 1)}),
        ("two.tif", PLANES[:2], {}, {"bands": (2,)}),
    ],
)  # fmt: skip
def test_rasters_of_every_kind(tmp_path, name, pixels, file, options):
    pixels, valid = rgb(raster(tmp_path / name, pixels, **file), **options)
    gray = {"white.tif": PICTURE[..., 1], "two.tif": PICTURE[..., 1], "bits.tif": PICTURE[..., 1] // 64 * 85}
    expected = gray[name][..., None] if name in gray else PICTURE
    np.testing.assert_array_equal(pixels, np.broadcast_to(expected, PICTURE.shape))
    assert valid.all()


@pytest.mark.parametrize(
    ("name", "pixels", "file", "message"),
    [
        ("deep.tif", DEEP, {}, "has uint16 pixels, here from .* to .*: say which values are black and white"),
        ("float.tif", DEEP.astype("float32"), {}, "has float32 pixels"),
        ("nan.tif", DEEP * np.float32("nan"), {}, "has float32 pixels, where 8 bits"),
        ("complex.tif", DEEP.astype("complex64"), {}, "has complex64 pixels"),
        ("long.tif", DEEP.astype("int64"), {"nodata": -(2**63)}, "has int64 pixels, .* exact: save it in 32 bits or"),
        ("two.tif", PLANES[:2], {}, r"has 2 bands \(gray, undefined\).*: say which with `bands"),
        ("four.tif", np.repeat(PLANES[:1], 4, 0), {"alpha": "NO"}, "has 4 bands .*say which"),
        ("nir.tif", PLANES, {"kinds": (Kind.nir, Kind.red, Kind.green)}, r"has 3 bands \(nir, red, green\)"),
        ("ten.tif", np.repeat(PLANES[:1], 10, 0), {}, "has 10 bands .*say which"),
    ],
)
def test_what_is_not_clear_is_refused(tmp_path, name, pixels, file, message):
    with pytest.raises(UserError, match=f"{name} {message}"):
        rgb(raster(tmp_path / name, pixels, **file))


def test_bands_and_values_that_are_not_there_are_refused(tmp_path):
    path = raster(tmp_path / "a.tif", np.repeat(PLANES[:1], 5, 0))
    for bands in ((0, 1, 2), (4, 5, 6), ()):
        with pytest.raises(UserError, match="a.tif has 5 band.*name bands from 1 to 5"):
            rgb(path, bands=bands)
    for stretch in ((5, 5), (3000, 0), (0, float("inf")), (float("-inf"), 1), (0, float("nan")), (-1e308, 1e308)):
        with pytest.raises(UserError, match="stretch .*: two finite values are expected, the lower one first"):
            rgb(path, bands=(1, 2, 3), stretch=stretch)


@pytest.mark.parametrize("suffix", ["tif", "gif", "webp", "png"])
def test_several_pages_are_not_one_image(tmp_path, suffix):
    pages = [Image.fromarray(np.roll(PICTURE, 9 * n, 1)) for n in range(3)]
    pages[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=pages[1:])
    with pytest.raises(UserError, match="has 3 pages, where one image is expected: save each"):
        rgb(tmp_path / f"a.{suffix}")


def test_a_file_that_only_points_elsewhere_is_no_image(tmp_path):
    raster(tmp_path / "a.tif", PLANES)
    rasterio.shutil.copy(tmp_path / "a.tif", tmp_path / "b.vrt", driver="VRT")
    np.testing.assert_array_equal(rgb(tmp_path / "b.vrt")[0], PICTURE)
    (tmp_path / "b.vrt").rename(tmp_path / "b.tif")
    (tmp_path / "c.png").write_text(
        "<GDAL_WMS><Service name='TMS'><ServerUrl>http://x/${z}</ServerUrl></Service></GDAL_WMS>"
    )
    for name in ("b.tif", "c.png"):
        with pytest.raises(UserError, match=f"{name} cannot be read as an image"):
            rgb(tmp_path / name)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_more_pixels_than_memory_holds_are_refused_before_they_are_read(tmp_path, suffix, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    path = raster(tmp_path / f"a.{suffix}", PLANES, **({"blockysize": 12} if suffix == "tif" else {}))
    with open_raster(path) as image, pytest.raises(UserError, match="50x36 pixels of .* are too many to hold: cut"):
        image.rgb((0, 0, 50, 36))
    if suffix == "tif":
        with open_raster(path) as image:
            assert image.rgb((0, 0, 50, 10))[1].all()


@pytest.mark.parametrize("suffix", HELD)
def test_half_a_file_is_refused(tmp_path, suffix):
    Image.fromarray(PICTURE).save(path := tmp_path / f"a.{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=f"a.{suffix} cannot be read"):
        rgb(path)


@pytest.mark.parametrize("suffix", HELD)
def test_damaged_files_are_read_or_refused(tmp_path, suffix):
    """Never another exception: bytes changed at random, most of them in the header."""
    Image.fromarray(PICTURE).save(path := tmp_path / f"a.{suffix}")
    whole, random, refused = path.read_bytes(), np.random.default_rng(0), 0
    for _ in range(100):
        damaged = bytearray(whole)
        for place in random.integers(0, random.choice([32, 256, len(whole)]), random.integers(1, 9)):
            damaged[place % len(whole)] = random.integers(256)
        path.write_bytes(damaged)
        try:
            with open_raster(path) as image:
                image.rgb((0, 0, *(min(side, 100) for side in image.size)))
        except UserError:
            refused += 1
    assert refused


def hidden(tmp_path, how):
    """A file of 50x36 pixels, of which the left 20 columns are not valid; and how to read it."""
    gone = np.zeros((36, 50), bool)
    gone[:, :20] = True
    shown = np.where(gone, 0, 255).astype(np.uint8)
    planes, path = np.maximum(PLANES, 1), tmp_path / "a.tif"
    planes[:2, 0, 30] = 0  # a colour that has nothing of red and green is a colour
    if how == "nodata":
        return raster(path, np.where(gone, 0, planes).astype(np.uint8), nodata=0), {}
    if how == "mask":
        return raster(path, planes, mask=shown), {}
    if how == "alpha":
        return raster(path, np.concatenate([planes, shown[None]]), alpha="YES", photometric="RGB"), {}
    if how == "float":
        return raster(path, np.where(gone, np.nan, planes / 255).astype("float32")), {"stretch": (0, 1)}
    if how == "png":
        Image.fromarray(np.dstack([*planes, shown])).save(path := tmp_path / "a.png")
        return path, {}
    palette = Image.fromarray(np.where(gone, 0, 1 + planes[0] // 2).astype(np.uint8), "P")
    palette.putpalette(np.repeat(np.arange(256), 3).astype(np.uint8).tobytes())
    palette.save(path := tmp_path / f"a.{how}", transparency=0)
    return path, {}


@pytest.mark.parametrize("how", ["nodata", "mask", "alpha", "float", "png", "gif", "palette.png"])
def test_hidden_pixels_are_not_valid_and_their_tiles_are_left_out_and_counted(tmp_path, how, capsys):
    path, options = hidden(tmp_path, how)
    np.testing.assert_array_equal(rgb(path, **options)[1], np.arange(50) >= np.full((36, 1), 20))
    data_set = build({"images": str(tmp_path), "split": {"test": "a.*"}} | options)
    prepare_hr(data_set, tmp_path, "test", 16, tmp_path / "HR", 1)
    rows = read_csv(tmp_path / "HR/manifest.csv")
    assert {(row["left"], row["left_out"]) for row in rows} == {("32", "4")} and len(rows) == 2
    assert "hides pixels of 4 of 6 HR images (67 %), which are left out" in capsys.readouterr().out
    assert left_out(tmp_path / "HR/manifest.csv") == [
        "4 of 6 images (67 %) are left out: alpha, a mask or no-data hides pixels"
    ]
    with pytest.raises(UserError, match="hides pixels of 1 of 1 HR images: set a smaller `tile`"):
        prepare_hr(data_set, tmp_path, "test", None, tmp_path / "whole", 1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_colours_that_are_multiplied_by_their_opacity_are_read_without_it(tmp_path, dtype):
    top, white = (1, 3000.0) if dtype == "float32" else 2 * (np.iinfo(dtype).max,)  # of alpha, of colours
    colours = PLANES * (white / 255)
    opacity = np.full((36, 50), float(top))
    opacity[:, :10], opacity[:, 10:30] = 0, top * 2 / 3
    stored = {"YES": colours, "PREMULTIPLIED": colours * opacity / top}
    for alpha, values in stored.items():
        pixels = np.concatenate([values, opacity[None]]).astype(dtype)
        path = raster(tmp_path / f"{alpha}.tif", pixels, alpha=alpha, photometric="RGB")
        rasterio.shutil.copy(path, tmp_path / f"{alpha}.vrt", driver="VRT")
        for file in (path, tmp_path / f"{alpha}.vrt"):
            found, valid = rgb(file, **({} if dtype == "uint8" else {"stretch": (0, white)}))
            np.testing.assert_array_equal(valid, opacity > 0)
            # Whole numbers were cut off by less than one before opacity is divided out of them.
            assert np.abs(found.astype(int) - PICTURE)[valid].max() <= (0 if alpha == "YES" else 2)
    mosaic = (tmp_path / "YES.vrt").read_text().replace("YES.tif", "PREMULTIPLIED.tif", 1)
    (tmp_path / "mosaic.vrt").write_text(mosaic)
    with pytest.raises(
        UserError, match="PREMULTIPLIED.tif are multiplied by their alpha and those of .*YES.tif are not"
    ):
        rgb(tmp_path / "mosaic.vrt", stretch=(0, white))


def test_no_data_in_one_band_of_measured_values_is_no_data(tmp_path):
    pixels = DEEP + 1
    pixels[1, 4, 5] = 0
    assert not rgb(raster(tmp_path / "a.tif", pixels, nodata=0), **TO_8_BITS)[1][4, 5]


def test_one_entry_reads_a_folder_of_deep_rasters(tmp_path):
    raster(tmp_path / "a.TIF", np.concatenate([DEEP[::-1], DEEP[:1]]))
    Image.fromarray(PICTURE).save(tmp_path / ".hidden.png")
    entry = {"images": str(tmp_path), "split": {"test": "*"}}
    with pytest.raises(UserError, match=re.escape("or --bands R G B, counted from 1")):
        prepare_hr(build(entry), tmp_path, "test", None, tmp_path / "HR", 1)
    data_set = build(entry | {"bands": [3, 2, 1], "stretch": [0, 255 * 12]})
    assert data_set.part == "bands 3 2 1, values from 0 to 3060"
    prepare_hr(data_set, tmp_path, "test", None, tmp_path / "HR", 1)
    np.testing.assert_array_equal(read_image(tmp_path / "HR/a.png"), PICTURE)


def test_images_that_are_not_read_are_named(tmp_path):
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    (tmp_path / "b.HEIC").write_bytes(b"")
    with pytest.raises(UserError, match="b.HEIC is of a format that is not read: convert it"):
        build({"images": str(tmp_path), "split": {"test": "*"}})
