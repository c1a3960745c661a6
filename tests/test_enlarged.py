"""An upscaled file beside an old one of its name, and what it can and cannot keep of a source's bands and tags."""

import os

import numpy as np
import pytest
import rasterio
from PIL import Image, ImageCms, PngImagePlugin
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, Resampling
from rasterio.transform import Affine
from runs import rssr
from test_raster import DEEP, PLANES, raster
from test_scenes import upscaled
from test_sidecars import mask, place
from torch import nn

from rssr.base.errors import UserError
from rssr.steps.scenes import upscale_scene

UNIT = (PLANES / 255).astype("float32")


def with_sidecars(path):
    """A file that hides its left half by a mask beside it, with overviews of both, statistics and a world file."""
    raster(path, PLANES)
    mask(path)
    with rasterio.Env(TIFF_USE_OVR=True), rasterio.open(path, "r+") as file:
        file.build_overviews([2], Resampling.nearest)
    with rasterio.open(path) as file:
        file.statistics(1)
    place(path)
    return {f"a.tif{end}" for end in (".msk", ".msk.ovr", ".ovr", ".aux.xml")} | {"a.tfw", "a.wld"}


def test_what_lies_beside_an_old_file_does_not_describe_the_new_one(tmp_path):
    other = raster(tmp_path / "b.tif", PLANES)
    beside = with_sidecars(tmp_path / "a.tif")
    assert beside < {path.name for path in tmp_path.iterdir()}
    upscaled(other, tmp_path / "a.tif", overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {"a.tif", "b.tif"}


def test_a_file_is_read_with_what_lies_beside_it(tmp_path):
    with_sidecars(tmp_path / "a.tif")
    upscaled(tmp_path / "a.tif", tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as file:
        np.testing.assert_array_equal(file.dataset_mask() > 0, np.arange(200) >= np.zeros((144, 1)) + 100)
        assert file.res == (2.5, 2.5) and file.overviews(1) == []


def test_what_an_old_file_has_left_is_not_taken_for_a_part_of_the_new_one(tmp_path):
    raster(tmp_path / "a.tif", PLANES)
    for name, out in (("out.tif.ovr", "out.tif"), ("out.PGW", "out.png")):
        (tmp_path / name).touch()
        with pytest.raises(UserError, match=f"{name} exists and would be taken for a part of {out}: name another file"):
            upscaled(tmp_path / "a.tif", tmp_path / out)
        upscaled(tmp_path / "a.tif", tmp_path / out, overwrite=True)
        assert not (tmp_path / name).exists()


def test_what_places_another_image_is_not_removed(tmp_path):
    other, source = (raster(tmp_path / name, PLANES) for name in ("a.tiff", "b.tif"))
    beside = place(other)
    with pytest.raises(
        UserError, match="a.(wld|tfw) says where .*a.tiff lies, and would be taken .*: name another file"
    ):
        upscaled(source, tmp_path / "a.tif", overwrite=True)
    assert all(path.exists() for path in beside) and not (tmp_path / "a.tif").exists()


@pytest.mark.parametrize("end", [".wld", ".TAB", ".RPB", "_RPC.TXT", "_rpc.txt"])
def test_what_says_where_any_image_lies_is_no_part_of_a_new_one(tmp_path, end):
    source, beside = raster(tmp_path / "a.tif", PLANES), tmp_path / f"out{end}"
    (tmp_path / "out.txt").touch()
    for others in ((), ("out.jpg",)):
        beside.touch()
        for name in others:
            (tmp_path / name).touch()
        with pytest.raises(UserError, match=f"out{end} exists and would be taken for a part of out.tif: name another"):
            upscaled(source, tmp_path / "out.tif")
        if others:
            with pytest.raises(UserError, match=f"out{end} says where .*out.jpg lies, and would be taken"):
                upscaled(source, tmp_path / "out.tif", overwrite=True)
        else:
            upscaled(source, tmp_path / "out.tif", overwrite=True)
            (tmp_path / "out.tif").unlink()
        assert beside.exists() == bool(others)


@pytest.mark.parametrize(("end", "out"), [(".wld", "a.png"), ("_RPC.TXT", "a.tiff"), (".RPB", "a.tiff")])
def test_what_places_the_source_does_not_place_the_larger_file(tmp_path, end, out):
    """Beside names that it is read for; with a GeoTIFF's own georeference, only RPCs are."""
    source = raster(tmp_path / "a.tif", PLANES)
    (tmp_path / f"a{end}").write_text("10\n0\n0\n-10\n5\n5\n")
    for overwrite in (False, True):
        with pytest.raises(UserError, match=f"a{end} says where .*a.tif lies, .*: name another file"):
            upscaled(source, tmp_path / out, overwrite=overwrite)
    other = {"a.png": "a.tiff", "a.tiff": "a.png"}[out]
    upscaled(source, tmp_path / other)
    assert (tmp_path / f"a{end}").exists() and (tmp_path / other).exists()


def test_a_folder_in_the_place_of_the_output_is_refused_first(tmp_path):
    (tmp_path / "out.tif").mkdir()
    for overwrite in (False, True):
        with pytest.raises(UserError, match="out.tif is a folder: name a file"):
            upscaled(raster(tmp_path / "a.tif", PLANES), tmp_path / "out.tif", overwrite=overwrite)


@pytest.mark.parametrize("space", ["RGB ", "GRAY", "CMYK"])
@pytest.mark.parametrize("out", ["out.tif", "out.png"])
def test_a_profile_of_colours_is_kept_where_it_is_of_these_colours(tmp_path, out, space):
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[16:20] = space.encode()
    Image.fromarray(PLANES[0] if space == "GRAY" else PLANES.transpose(1, 2, 0)).save(
        tmp_path / "a.tif", icc_profile=bytes(profile)
    )
    notes = upscaled(tmp_path / "a.tif", tmp_path / out)
    kept = Image.open(tmp_path / out).info.get("icc_profile")
    if space == "CMYK":
        assert kept is None and notes == ["of the source's metadata, colour profile are left out"]
    else:
        assert kept == bytes(profile) and notes == []


def test_a_profile_that_gdal_overlooks_is_kept(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(PLANES.transpose(1, 2, 0)).save(tmp_path / "a.webp", lossless=True, icc_profile=profile)
    assert upscaled(tmp_path / "a.webp", tmp_path / "out.tif") == []
    assert Image.open(tmp_path / "out.tif").info["icc_profile"] == profile


@pytest.mark.parametrize("name", ["a.ppm", "a.pgm", "a.pfm", "a.pbm", "a.bmp", "a.gif", "a.webp"])
def test_a_file_without_a_place_gets_none(tmp_path, name):
    """GDAL fills in no transform for Netpbm, and rasterio passes on what memory held."""
    picture = Image.fromarray(PLANES.transpose(1, 2, 0))
    for suffix, mode in ((".pgm", "L"), (".pfm", "F"), (".pbm", "1"), (".gif", "P")):
        picture = picture.convert(mode) if name.endswith(suffix) else picture
    picture.save(tmp_path / name)
    stretch = (0, 255) if name == "a.pfm" else None
    upscaled(tmp_path / name, tmp_path / "out.tif", stretch=stretch)
    with rasterio.open(tmp_path / "out.tif") as file:
        assert file.transform == Affine.identity()
    if stretch is None:
        assert upscaled(tmp_path / name, tmp_path / "out.png") == []


def test_metadata_that_are_left_out_are_named(tmp_path):
    raster(tmp_path / "a.tif", PLANES)
    with rasterio.open(tmp_path / "a.tif", "r+") as file:
        file.update_tags(ns="xml:XMP", **{"xml:XMP": "<x/>"})
        file.update_tags(ns="IMD", bandId="P")
    notes = upscaled(tmp_path / "a.tif", tmp_path / "out.tif")
    assert notes == ["of the source's metadata, IMD, xml:XMP are left out"]


def test_a_coordinate_system_whose_unit_is_a_pixel_keeps_its_place(tmp_path):
    raster(tmp_path / "a.tif", PLANES)
    place = "<SRS>EPSG:32633</SRS><GeoTransform>0, 1, 0, 0, 0, 1</GeoTransform>"
    (tmp_path / "a.tif.aux.xml").write_text(f"<PAMDataset>{place}</PAMDataset>")
    upscaled(tmp_path / "a.tif", tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as file:
        assert file.crs == "EPSG:32633" and file.transform.to_gdal() == (0, 0.25, 0, 0, 0, 0.25)


@pytest.mark.parametrize("crs", [CRS(), CRS.from_epsg(32633)])
@pytest.mark.parametrize("area_or_point", ["Area", "Point"])
def test_control_points_are_kept(tmp_path, crs, area_or_point):
    raster(tmp_path / "a.tif", PLANES)
    with rasterio.open(tmp_path / "a.tif", "r+") as file:
        file.update_tags(AREA_OR_POINT=area_or_point)
        file.gcps = [GroundControlPoint(row, col, col + 5, row + 7) for row, col in ((0, 0), (0, 50), (36, 0))], crs
    assert upscaled(tmp_path / "a.tif", tmp_path / "out.tif") == []
    with rasterio.open(tmp_path / "a.tif") as before, rasterio.open(tmp_path / "out.tif") as after:
        given, found = before.gcps[0], after.gcps[0]  # GDAL moves them when it writes those of points, not of areas
        assert (
            after.gcps[1] == before.gcps[1]
            and after.tags().get("AREA_OR_POINT", "Area") == area_or_point
            and len(given) == 3
        )
        assert [(p.row, p.col, p.x, p.y) for p in found] == [(p.row * 4, p.col * 4, p.x, p.y) for p in given]


@pytest.mark.parametrize(("out", "inverted"), [("out.tif", False), ("out.png", True)])
def test_values_whose_small_ones_are_bright_stay_those_of_the_source(tmp_path, out, inverted):
    source = raster(tmp_path / "a.tif", np.full((1, 36, 50), 1000, "uint16"), photometric="MINISWHITE")
    notes = upscale_scene(nn.Upsample(scale_factor=4), source, tmp_path / out, 4, stretch=(0, 10000))
    with rasterio.open(tmp_path / out) as file:
        assert (file.read() == 1000).all()
    assert any("viewers show them inverted" in note for note in notes) == inverted


def test_the_place_of_the_source_stays(tmp_path):
    """A world file a.tfw is read for a.tif and for a.tiff."""
    raster(tmp_path / "a.tiff", PLANES)
    (tmp_path / "a.tfw").write_text("10\n0\n0\n-10\n5\n5\n")
    for overwrite in (False, True):
        upscaled(tmp_path / "a.tiff", tmp_path / "a.tif", overwrite=overwrite)
        with rasterio.open(tmp_path / "a.tiff") as before, rasterio.open(tmp_path / "a.tif") as after:
            assert (before.res, after.res) == ((10, 10), (2.5, 2.5)) and before.bounds == after.bounds


def test_no_data_that_is_not_a_number_stays_no_data_of_several_bands(tmp_path):
    pixels = UNIT.copy()
    pixels[:, :, :20] = np.nan
    raster(tmp_path / "a.tif", pixels, nodata=np.nan)
    upscaled(tmp_path / "a.tif", tmp_path / "out.tif", stretch=(0, 1))
    with rasterio.open(tmp_path / "out.tif") as file:
        assert np.isnan(file.nodata)
        np.testing.assert_array_equal(np.isnan(file.read()), np.isnan(pixels).repeat(4, 1).repeat(4, 2))


@pytest.mark.parametrize(
    ("pixels", "file", "options", "kept"),
    [
        (DEEP, {}, {"stretch": (0, 3060)}, True),
        (PLANES, {}, {}, True),
        (PLANES[:1], {"photometric": "MINISWHITE"}, {}, False),
        (PLANES[:1] // 64, {"nbits": 2}, {}, False),  # 0 to 3, of which 0 to 255 is made
    ],
)
def test_units_scales_and_offsets_stay_where_values_mean_the_same(tmp_path, pixels, file, options, kept):
    raster(tmp_path / "a.tif", pixels, **file)
    count = len(pixels)
    given = {"units": ("K",) * count, "scales": (0.5,) * count, "offsets": (-3.0,) * count}
    with rasterio.open(tmp_path / "a.tif", "r+") as file:
        for name, values in given.items():
            setattr(file, name, values)
    upscaled(tmp_path / "a.tif", tmp_path / "out.tif", **options)
    with rasterio.open(tmp_path / "out.tif") as file:
        found = {name: getattr(file, name) for name in given}
    assert (found == given) == kept
    assert kept or found == {"units": (None,), "scales": (1.0,), "offsets": (0.0,)}


def test_half_transparent_floats_stay_half_transparent(tmp_path):
    raster(tmp_path / "a.tif", np.concatenate([UNIT, np.full_like(UNIT[:1], 0.5)]), photometric="RGB", alpha="YES")
    assert upscaled(tmp_path / "a.tif", tmp_path / "out.tif", stretch=(0, 1)) == []
    with rasterio.open(tmp_path / "out.tif") as file:
        assert file.colorinterp[3] == ColorInterp.alpha
        np.testing.assert_allclose(file.read(4), 0.5, atol=1 / 255)


def test_opacity_of_signed_numbers_becomes_a_mask_and_that_is_said(tmp_path):
    alpha = np.where(np.arange(50) < 20, 0, 16000) + np.zeros((1, 36, 1))
    raster(tmp_path / "a.tif", np.concatenate([DEEP, alpha]).astype("int16"), photometric="RGB", alpha="YES")
    notes = upscaled(tmp_path / "a.tif", tmp_path / "out.tif", stretch=(0, 3060))
    assert notes == ["int16 has no alpha: what is half transparent in the source becomes opaque"]
    with rasterio.open(tmp_path / "out.tif") as file:
        np.testing.assert_array_equal(file.dataset_mask() > 0, np.arange(200) >= np.zeros((144, 1)) + 80)


def test_tags_that_cannot_be_kept_are_named_and_the_others_are_kept(tmp_path):
    info = PngImagePlugin.PngInfo()
    for key, text in {"bidx": "7", "ns": "me", "TIFFTAG_XRESOLUTION": "72 dpi", "SENSOR": "S2"}.items():
        info.add_text(key, text)
    Image.new("RGB", (16, 16), (9, 90, 200)).save(tmp_path / "a.png", pnginfo=info)
    assert upscaled(tmp_path / "a.png", tmp_path / "out.tif") == [
        "of the source's tags, TIFFTAG_XRESOLUTION, bidx, ns cannot be kept"
    ]
    with rasterio.open(tmp_path / "out.tif") as file:
        assert file.tags()["SENSOR"] == "S2" and not {"bidx", "ns", "TIFFTAG_XRESOLUTION"} & file.tags().keys()


@pytest.mark.parametrize("name", ["descriptions", "units"])
def test_names_of_bands_in_another_encoding_are_left_out(tmp_path, name):
    raster(tmp_path / "a.tif", PLANES)
    with rasterio.open(tmp_path / "a.tif", "r+") as file:
        setattr(file, name, ["Grxn", "b", "c"])
        file.scales = [0.5] * 3
    path = tmp_path / "a.tif"
    path.write_bytes(path.read_bytes().replace(b"Grxn", b"Gr\xfcn"))
    assert upscaled(path, tmp_path / "out.tif") == [f"of the source's tags, {name} cannot be kept"]
    with rasterio.open(tmp_path / "out.tif") as file:
        assert file.scales == (0.5,) * 3 and getattr(file, name) == (None,) * 3


def test_a_name_of_another_encoding_is_one_sentence(tmp_path):
    named = os.fsdecode(os.fsencode(tmp_path) + b"/M\xfcnchen.png")
    try:
        Image.new("RGB", (16, 16)).save(named)
    except OSError:
        pytest.skip("the file system takes no such names")
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    for image, out in ((named, tmp_path / "out.png"), (tmp_path / "a.png", f"{named}.tif")):
        said = rssr("upscale", image, "--model", "bicubic", "-o", out)
        assert said.returncode == 1
        assert "nchen.png" in said.stderr and "is no UTF-8: rename it" in said.stderr, said.stderr
        assert "\n" not in said.stderr.strip()
