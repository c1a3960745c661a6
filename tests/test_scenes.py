"""What comes out of `upscale` beside colours: validity, units, georeference, tags and compression."""

import errno
import os

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import torch
from rasterio.enums import ColorInterp
from rasterio.rpc import RPC
from rasterio.transform import RPCTransformer, from_origin
from test_raster import DEEP, PICTURE, PLANES, hidden, raster
from torch import nn

from rssr.base.errors import UserError
from rssr.base.raster import open_raster
from rssr.base.resampling import imresize
from rssr.steps import scenes
from rssr.steps.scenes import upscale_scene

DENSITY = {"TIFFTAG_XRESOLUTION": "72", "TIFFTAG_YRESOLUTION": "72", "TIFFTAG_RESOLUTIONUNIT": "2"}
SEEN = np.arange(50) >= np.full((36, 1), 20)  # hidden() hides the first 20 columns
LARGE = SEEN.repeat(4, 0).repeat(4, 1)


class Painter(nn.Module):
    """Makes everything brighter, as networks with a bias do, and notes what it has seen."""

    def forward(self, x):
        self.seen = x
        return nn.functional.interpolate(x, scale_factor=4) * 0.8 + 0.1


def upscaled(source, out, **options):
    return upscale_scene(Painter(), source, out, 4, 32, 8, **options)


@pytest.mark.parametrize("suffix", ["tif", "png"])
@pytest.mark.parametrize("how", ["nodata", "mask", "alpha", "float", "png", "gif", "palette.png"])
def test_validity_is_enlarged_and_hidden_pixels_are_not_painted(tmp_path, how, suffix):
    source, options = hidden(tmp_path, how)
    if how == "float" and suffix == "png":
        with pytest.raises(UserError, match="out.png: a PNG cannot hold 3 bands of float32: write a .tif"):
            upscaled(source, tmp_path / "out.png", **options)
        return
    upscaled(source, tmp_path / f"out.{suffix}", **options)
    with rasterio.open(tmp_path / f"out.{suffix}") as file:
        seen = np.isfinite(file.read(1)) if how == "float" else file.dataset_mask() > 0
        np.testing.assert_array_equal(seen, LARGE)
        assert not np.nan_to_num(file.read()[:, ~LARGE]).any()
        assert file.nodata == (0 if (how, suffix) == ("nodata", "tif") else None)
        colours = file.read([1, 2, 3])
    with open_raster(source, **options) as image:
        values = image.unit(image.read((0, 0, 50, 36))[0]).repeat(4, 1).repeat(4, 2) * 0.8 + 0.1
    expected = values if how == "float" else np.rint(values * 255)
    assert np.abs(colours[:, LARGE] - expected[:, LARGE]).max() <= (1e-6 if how == "float" else 1)


def test_networks_see_hidden_pixels_filled_from_their_surroundings(tmp_path):
    source, options = hidden(tmp_path, "mask")
    model = Painter()
    upscale_scene(model, source, tmp_path / "out.tif", 4, 64, 0, **options)
    seen = model.seen[0].numpy()
    np.testing.assert_array_equal(seen[:, :, :20], seen[:, :, 20:21].repeat(20, 2))
    raster(source, PLANES * 0, nodata=0)
    upscale_scene(model, source, tmp_path / "empty.tif", 4, 64, 0)
    with rasterio.open(tmp_path / "empty.tif") as file:
        assert not file.read().any() and not file.dataset_mask().any()


def test_valid_pixels_never_become_no_data(tmp_path):
    """A dark valid pixel that the network makes 0 would be hidden in a file whose no-data value is 0."""
    pixels = np.full((3, 20, 20), 1, np.uint8)
    raster(tmp_path / "a.tif", pixels, nodata=0)
    upscale_scene(nn.Upsample(scale_factor=4), tmp_path / "a.tif", tmp_path / "one.tif", 4)
    black = lambda x: torch.zeros(1, 3, 4 * x.shape[2], 4 * x.shape[3])  # noqa: E731
    black.to = lambda device: black
    upscale_scene(black, tmp_path / "a.tif", tmp_path / "out.tif", 4)
    with rasterio.open(tmp_path / "out.tif") as file:
        assert file.dataset_mask().all() and (file.read() == 1).all()


@pytest.mark.parametrize(
    ("pixels", "options"),
    [
        (DEEP, {"stretch": (0, 3060)}),
        (DEEP.astype("int16") - 300, {"stretch": (-300, 2760)}),
        ((PLANES / 255).astype("float32"), {"stretch": (0, 1)}),
        (np.concatenate([DEEP, DEEP[:1]]), {"stretch": (0, 3060), "bands": (4, 3, 2, 1)}),
    ],
)
def test_stretched_values_keep_type_and_units(tmp_path, pixels, options):
    raster(tmp_path / "a.tif", pixels)
    assert upscaled(tmp_path / "a.tif", tmp_path / "out.tif", **options) == []
    chosen = pixels[[band - 1 for band in options.get("bands", (1, 2, 3))]].astype(float)
    low, high = options["stretch"]
    expected = (chosen.repeat(4, 1).repeat(4, 2) - low) * 0.8 + (high - low) * 0.1 + low
    with rasterio.open(tmp_path / "out.tif") as file:
        assert set(file.dtypes) == {str(pixels.dtype)}
        assert np.abs(file.read() - expected).max() <= (high - low) * 1e-6 + 0.5 * (pixels.dtype.kind != "f")


def test_a_band_without_data_stays_without_and_the_others_keep_theirs(tmp_path):
    pixels = DEEP + 1
    pixels[1, 10:20, 10:20] = 0
    raster(tmp_path / "a.tif", pixels, nodata=0)
    upscaled(tmp_path / "a.tif", tmp_path / "out.tif", stretch=(0, 3060))
    with rasterio.open(tmp_path / "out.tif") as file:
        np.testing.assert_array_equal(file.read_masks() > 0, (pixels > 0).repeat(4, 1).repeat(4, 2))


def test_values_beyond_a_stretch_are_counted(tmp_path):
    raster(tmp_path / "a.tif", DEEP)
    (note,) = upscaled(tmp_path / "a.tif", tmp_path / "out.tif", stretch=(0, 1200))
    share = 100 * (DEEP > 1200).mean()
    assert note == f"{share:.2g} % of the values lie beyond 0 to 1200 and were clipped"


def test_gray_stays_gray(tmp_path):
    raster(tmp_path / "a.tif", PLANES[:1])
    upscaled(tmp_path / "a.tif", tmp_path / "out.png")
    with rasterio.open(tmp_path / "out.png") as file:
        expected = np.rint((PLANES[0] / 255 * 0.8 + 0.1) * 255).repeat(4, 0).repeat(4, 1)
        assert file.count == 1 and np.abs(file.read(1) - expected).max() <= 1


@pytest.mark.parametrize("area_or_point", ["Area", "Point"])
@pytest.mark.parametrize(("given", "kept"), [(None, "deflate"), ("lzw", "lzw"), ("zstd", "zstd"), ("jpeg", "deflate")])
def test_tags_compression_and_place_are_kept(tmp_path, given, kept, area_or_point):
    place = {"crs": "EPSG:32633", "transform": from_origin(4e5, 5e6, 10, 10)}
    raster(tmp_path / "a.tif", PLANES, photometric="RGB", **place | ({"compress": given} if given else {}))
    with rasterio.open(tmp_path / "a.tif", "r+") as file:
        file.update_tags(SENSOR="S2", AREA_OR_POINT=area_or_point, **DENSITY)
        file.update_tags(1, WAVELENGTH="665")
        file.set_band_description(1, "red edge")
    upscaled(tmp_path / "a.tif", tmp_path / "out.tif")
    with rasterio.open(tmp_path / "a.tif") as before, rasterio.open(tmp_path / "out.tif") as after:
        assert after.profile["compress"] == kept and after.descriptions[0] == "red edge"
        assert after.bounds == before.bounds and after.crs == before.crs and after.res == (2.5, 2.5)
        tags = after.tags()
        assert (tags["SENSOR"], tags["AREA_OR_POINT"], tags["TIFFTAG_XRESOLUTION"]) == ("S2", area_or_point, "288")
        assert after.tags(1)["WAVELENGTH"] == "665"
    assert upscaled(tmp_path / "a.tif", tmp_path / "out.png") == [
        "a PNG holds no georeference: write a .tif to keep it"
    ]


def test_rpcs_point_at_the_same_place(tmp_path):
    term = [0.0] * 20
    rpc = RPC(
        height_off=100, height_scale=500, lat_off=48, lat_scale=0.1, long_off=11, long_scale=0.1, line_off=17.5,
        line_scale=18, samp_off=24.5, samp_scale=25, line_den_coeff=[1.0, *term[1:]], samp_den_coeff=[1.0, *term[1:]],
        line_num_coeff=[0.01, 0.1, -1.0, 0.02, *term[4:]], samp_num_coeff=[0.02, 1.0, 0.1, 0.01, *term[4:]],
    )  # fmt: skip
    raster(tmp_path / "a.tif", PLANES, rpcs=rpc)
    upscaled(tmp_path / "a.tif", tmp_path / "out.tif")
    with rasterio.open(tmp_path / "a.tif") as before, rasterio.open(tmp_path / "out.tif") as after:
        small, large = before.rpcs, after.rpcs
    with RPCTransformer(small) as small, RPCTransformer(large) as large:
        for row, column in ((0, 0), (10, 30), (36, 50)):
            expected = small.xy(row, column, offset="ul")
            np.testing.assert_allclose(large.xy(4 * row, 4 * column, offset="ul"), expected, rtol=0, atol=1e-9)


def test_a_photograph_stands_upright_and_its_tag_does_not_turn_it_again(tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PICTURE).save(tmp_path / "a.jpg", exif=exif, quality=100, subsampling=0)
    upscaled(tmp_path / "a.jpg", tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as file:
        assert file.shape == (200, 144) and "EXIF_Orientation" not in file.tags()
        expected = np.rot90(PICTURE, -1).repeat(4, 0).repeat(4, 1).transpose(2, 0, 1) * 0.8 + 25.5
        assert np.abs(file.read() - expected).max() <= 4


def test_nothing_is_overwritten_unasked(tmp_path):
    raster(tmp_path / "a.tif", PLANES)
    before = (tmp_path / "a.tif").read_bytes()
    raster(tmp_path / "b.tif", PLANES[:, ::-1])
    with pytest.raises(UserError, match="a.tif exists: name another file, or add --overwrite"):
        upscaled(tmp_path / "b.tif", tmp_path / "a.tif")
    assert (tmp_path / "a.tif").read_bytes() == before
    upscaled(tmp_path / "b.tif", tmp_path / "a.tif", overwrite=True)
    with rasterio.open(tmp_path / "a.tif") as file:
        assert file.shape == (144, 200)


def test_what_is_read_is_never_overwritten(tmp_path):
    """Neither under its own name nor by a link, nor a tile of a mosaic that is read."""
    tile = raster(tmp_path / "a.tif", PLANES)
    before = tile.read_bytes()
    (tmp_path / "link.tif").symlink_to(tile)
    (tmp_path / "hard.tif").hardlink_to(tile)
    rasterio.shutil.copy(tile, tmp_path / "mosaic.vrt", driver="VRT")
    for source, out in (("a", "a"), ("a", "link"), ("link", "a"), ("a", "hard"), ("mosaic", "a")):
        source = tmp_path / f"{source}{'.vrt' if source == 'mosaic' else '.tif'}"
        for overwrite in (False, True):
            with pytest.raises(UserError, match=f"{out}.tif is what is upscaled, or a part of it: name another file"):
                upscaled(source, tmp_path / f"{out}.tif", overwrite=overwrite)
    assert tile.read_bytes() == before and (tmp_path / "link.tif").is_symlink()


def test_pixels_that_are_all_valid_are_what_the_network_makes(tmp_path):
    """To the byte, as before this reader knew of validity."""
    raster(tmp_path / "a.tif", PLANES)
    model = lambda x: imresize(x, 4)  # noqa: E731
    model.to = lambda device: model
    upscale_scene(model, tmp_path / "a.tif", tmp_path / "out.tif", 4)
    expected = imresize(torch.from_numpy(PLANES.copy())[None].float() / 255, 4).clamp(0, 1).mul(255).round()
    with rasterio.open(tmp_path / "out.tif") as file:
        np.testing.assert_array_equal(file.read(), expected[0].numpy())


def test_a_float_raster_without_no_data_gets_none(tmp_path):
    pixels = (PLANES / 255).astype("float32")
    pixels[0, 3, 4] = np.nan
    raster(tmp_path / "a.tif", pixels)
    assert upscaled(tmp_path / "a.tif", tmp_path / "out.tif", stretch=(0, 1)) == []
    with rasterio.open(tmp_path / "out.tif") as file:
        assert file.nodata is None
        np.testing.assert_array_equal(np.isnan(file.read()), np.isnan(pixels).repeat(4, 1).repeat(4, 2))


@pytest.mark.parametrize("how", ["", "alpha", "mask"])
@pytest.mark.parametrize(
    ("bands", "kinds"),
    [
        ((3, 2, 1, 4), ["red", "green", "blue", "nir"]),
        ((3, 2, 1, 4, 5, 1), ["red", "green", "blue", "nir", "undefined", "undefined"]),
        ((4, 3, 2), ["red", "green", "blue"]),
        ((4, 5), ["gray", "undefined"]),
    ],
)
def test_bands_say_what_they_are(tmp_path, bands, kinds, how):
    pixels = np.concatenate([DEEP, DEEP[:2], np.full_like(DEEP[:1], 65535)])[: 6 if how == "alpha" else 5]
    called = ["blue", "green", "red", "nir", "undefined", "alpha"][: len(pixels)]
    raster(tmp_path / "a.tif", pixels, **({"mask": np.full((36, 50), 255, np.uint8)} if how == "mask" else {}))
    with rasterio.open(tmp_path / "a.tif", "r+") as file:
        file.colorinterp = [ColorInterp[name] for name in called]
        file.descriptions = [f"B{number}" for number in range(1, len(pixels) + 1)]
    upscaled(tmp_path / "a.tif", tmp_path / "out.tif", stretch=(0, 3060), bands=bands)
    with rasterio.open(tmp_path / "out.tif") as file:
        alpha = ["alpha"] if how == "alpha" else []
        assert [kind.name for kind in file.colorinterp] == kinds + alpha
        assert file.descriptions == (*(f"B{band}" for band in bands), *[None for _ in alpha])
        assert (file.read_masks() == 255).all()


def test_values_that_viewers_show_dark_are_named(tmp_path):
    raster(tmp_path / "a.tif", DEEP)
    dark = "values are those of the input, 0 to 3060 of 65535: viewers show them dark"
    assert upscaled(tmp_path / "a.tif", tmp_path / "out.png", stretch=(0, 3060)) == [dark]
    assert upscaled(tmp_path / "a.tif", tmp_path / "out.tif", stretch=(0, 3060)) == []
    assert upscaled(tmp_path / "a.tif", tmp_path / "white.png", stretch=(0, 65535)) == []


@pytest.mark.parametrize("suffix", [".tif", ".png"])
@pytest.mark.parametrize("rows", [1, 7, 10**9])
def test_a_file_that_reads_back_differently_is_not_kept(tmp_path, monkeypatch, suffix, rows):
    source, copied = raster(tmp_path / "a.tif", PLANES), rasterio.shutil.copy
    monkeypatch.setattr(scenes, "_STRIP", rows * 4 * PLANES.shape[2] * 3)  # compared in strips of as many rows

    def damaged(tiff, out, **options):
        copied(tiff, tiff.with_name("other.tif"))
        with rasterio.open(tiff.with_name("other.tif"), "r+") as file:
            values = file.read()
            values[-1, -1, -1] ^= 1
            file.write(values)
        copied(tiff.with_name("other.tif"), out, **options)

    upscale_scene(nn.Upsample(scale_factor=4), source, tmp_path / f"sound{suffix}", 4)
    monkeypatch.setattr(rasterio.shutil, "copy", damaged)
    with pytest.raises(UserError, match="what was written reads back differently"):
        upscale_scene(nn.Upsample(scale_factor=4), source, tmp_path / f"b{suffix}", 4)
    assert not (tmp_path / f"b{suffix}").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")  # noqa: PTH110
def test_a_disk_that_fills_up_between_rows_of_tiles_is_said(tmp_path):
    """NumPy's own words about it say neither how much nor what is missing."""
    (tmp_path / "3.npy").symlink_to("/dev/full")
    with pytest.raises(OSError) as told:
        scenes._Strips(tmp_path, "cpu")[3] = torch.zeros(1, 3, 64, 64)
    assert told.value.errno == errno.ENOSPC
