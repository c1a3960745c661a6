"""An upscaled file beside an old one of its name, and what it can and cannot keep of a source's bands and tags."""

import os

import numpy as np
import pytest
import rasterio
from PIL import Image, PngImagePlugin
from rasterio.enums import ColorInterp, Resampling
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
    (tmp_path / "a.wld").write_text("of a.jpg")
    assert beside < {path.name for path in tmp_path.iterdir()}
    upscaled(other, tmp_path / "a.tif", overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {"a.tif", "b.tif", "a.wld"}


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
