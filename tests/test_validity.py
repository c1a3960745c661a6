"""Which pixels are hidden where bands differ, and that those which are visible stay so in what GDAL reads."""

import numpy as np
import pytest
import rasterio
from PIL import Image
from test_raster import DEEP, PICTURE, PLANES, SMALL, raster
from torch import nn

from rssr.base.errors import UserError
from rssr.base.raster import open_raster
from rssr.datasets.registry import build
from rssr.steps import scenes

HIDDEN = np.arange(50) < np.full((36, 1), 20)


class Same(nn.Module):
    """Repeats each pixel."""

    def forward(self, x):
        return x.repeat_interleave(4, 2).repeat_interleave(4, 3)


def repeated(source, out, **options):
    """The file that it becomes: values, which of them GDAL takes for valid, and notes."""
    notes = scenes.upscale_scene(Same(), source, out, 4, 32, 8, **options)
    with rasterio.open(out) as file:
        return file.read(), file.read_masks() > 0, notes


def large(pixels):
    return pixels.repeat(4, -2).repeat(4, -1)


def mosaic(path, sources, marks):
    """Files of one band each as the bands of one, each with what hides its pixels."""
    bands = "".join(
        f"""<VRTRasterBand dataType="{"Byte" if "mask" in marks else "UInt16"}" band="{number}">
        {f"<NoDataValue>{mark}</NoDataValue>" if mark not in ("", "mask") else ""}
        <SimpleSource><SourceFilename relativeToVRT="1">{name}</SourceFilename></SimpleSource>
        {"<MaskBand><VRTRasterBand dataType='Byte'><SimpleSource>" if mark == "mask" else ""}
        {f"<SourceFilename relativeToVRT='1'>{name}</SourceFilename><SourceBand>mask,1</SourceBand>" * (mark == "mask")}
        {"</SimpleSource></VRTRasterBand></MaskBand>" if mark == "mask" else ""}</VRTRasterBand>"""
        for number, (name, mark) in enumerate(zip(sources, marks, strict=True), 1)
    )
    path.write_text(f'<VRTDataset rasterXSize="50" rasterYSize="36">{bands}</VRTDataset>')
    return path


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("nodata", [-1.0, 0.0, 1.0, 0.1, -9999.0])
def test_visible_floats_do_not_become_no_data(tmp_path, dtype, nodata):
    """Those that are clipped to it, and those beside it, which GDAL takes for it too."""
    pixels = np.where(HIDDEN, nodata, nodata + 1)[None].astype(dtype)
    pixels[0, :, 30:] = nodata - 1
    pixels[0, :, 40:] = np.nextafter(np.asarray(nodata, dtype), np.inf, dtype=dtype) if nodata == 0 else nodata + 0.5
    source = raster(tmp_path / "a.tif", pixels, nodata=nodata)
    values, seen, _ = repeated(source, tmp_path / "out.tif", stretch=(nodata, nodata + 1))
    np.testing.assert_array_equal(seen[0], ~large(HIDDEN))
    np.testing.assert_allclose(values, large(np.clip(pixels, nodata, nodata + 1)), rtol=2e-6, atol=1e-30)


@pytest.mark.parametrize("marks", [("", 0, 0), (0, "", 7), (0, 7, 9)])
def test_no_data_hides_its_own_band_alone(tmp_path, marks):
    """Also where the first band has none, and one value stands for all in the output, which has one."""
    expected = []
    for number, mark in enumerate(marks):
        gone = np.roll(HIDDEN, number, 1) & (mark != "")
        raster(tmp_path / f"{number}.tif", np.where(gone, mark or 0, DEEP[number] + 10)[None].astype("uint16"))
        expected.append(~gone)
    source = mosaic(tmp_path / "a.vrt", [f"{number}.tif" for number in range(3)], marks)
    for bands in ((1, 2, 3), (2, 1, 3)):
        shown = np.stack([expected[band - 1] for band in bands])
        with open_raster(source, bands, (0, 3070)) as image:
            np.testing.assert_array_equal(image.read((0, 0, 50, 36))[1] > 0, shown)
        values, seen, notes = repeated(source, tmp_path / "out.tif", bands=bands, stretch=(0, 3070), overwrite=True)
        np.testing.assert_array_equal(seen, large(shown))
        truth = large(DEEP[[band - 1 for band in bands]] + 10)
        np.testing.assert_array_equal(values[seen], truth[seen])
        assert notes == []


@pytest.mark.parametrize("shift", [0, 3])
def test_masks_of_single_bands_become_one_and_that_is_said_where_they_differ(tmp_path, shift):
    for number in range(3):
        gone = np.roll(HIDDEN, number * shift, 1)
        raster(tmp_path / f"{number}.tif", PLANES[number : number + 1], mask=np.where(gone, 0, 255).astype(np.uint8))
    source = mosaic(tmp_path / "a.vrt", [f"{number}.tif" for number in range(3)], ["mask"] * 3)
    _, seen, notes = repeated(source, tmp_path / "out.tif")
    gone = HIDDEN | np.roll(HIDDEN, shift, 1) | np.roll(HIDDEN, 2 * shift, 1)
    np.testing.assert_array_equal(seen, np.stack([~large(gone)] * 3))
    said = ["where a part of the bands is hidden in the source, all of them are"]
    assert notes == (said if shift else [])


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_no_data_beside_a_picture_hides_what_has_it_in_all_bands(tmp_path, suffix):
    """A colour without red is a colour, in JPEG too."""
    pixels = np.full_like(PICTURE, 200)
    pixels[:16], pixels[16:, :24, 0] = 0, 0
    Image.fromarray(pixels).save(
        path := tmp_path / f"a.{suffix}", **({"quality": 100, "subsampling": 0} if suffix == "jpg" else {})
    )
    bands = "".join(f'<PAMRasterBand band="{n}"><NoDataValue>0</NoDataValue></PAMRasterBand>' for n in (1, 2, 3))
    path.with_name(f"{path.name}.aux.xml").write_text(f"<PAMDataset>{bands}</PAMDataset>")
    with open_raster(path) as image:
        values, opacity = image.read((0, 0, 50, 36))
        np.testing.assert_array_equal(opacity[0] > 0, values.any(0))
        assert (values[0] == 0).sum() > (opacity[0] == 0).sum() > 0


def test_a_colour_of_four_bands_that_is_partly_no_data_stays(tmp_path):
    pixels = np.zeros((4, 20, 20), np.uint8)
    pixels[3, :, 10:] = 77
    raster(tmp_path / "a.tif", pixels, nodata=0, photometric="MINISBLACK")
    values, _, _ = repeated(tmp_path / "a.tif", tmp_path / "out.tif", bands=(1, 2, 3, 4))
    np.testing.assert_array_equal(values, large(pixels))


def test_no_data_of_all_bands_together_is_not_copied_as_a_tag(tmp_path):
    """GDAL's item of a PNG with tRNS, beside a mask too, in which it means nothing."""
    pixels = np.where(HIDDEN, 0, np.maximum(PLANES, 1)).astype(np.uint8)
    source = raster(tmp_path / "a.png", pixels, nodata=0)
    for end in ("", ".msk"):
        if end:
            with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False):
                raster(tmp_path / "m.tif", pixels)
                with rasterio.open(tmp_path / "m.tif", "r+") as file:
                    file.write_mask(~HIDDEN)
            (tmp_path / "m.tif.msk").rename(tmp_path / "a.png.msk")
        for out in ("out.tif", "out.png"):
            repeated(source, tmp_path / out, overwrite=True)
            with rasterio.open(tmp_path / out) as file:
                assert "NODATA_VALUES" not in file.tags()
                np.testing.assert_array_equal(file.dataset_mask() > 0, ~large(HIDDEN))


def test_a_png_is_read_back_from_top_to_bottom(tmp_path, monkeypatch):
    """Each of its rows once: it is decoded from its top for what lies above the last row that was read."""
    tops, read = [], scenes._read

    def noted(file, band, window):
        if file.driver == "PNG":
            assert (window.col_off, window.width) == (0, 200)
            tops.extend(range(window.row_off, window.row_off + window.height))
        return read(file, band, window)

    monkeypatch.setattr(scenes, "_read", noted)
    monkeypatch.setattr(scenes, "_STRIP", 50 * 200 * 3)
    repeated(raster(tmp_path / "a.tif", PLANES), tmp_path / "out.png")
    assert tops == list(range(144))


def test_a_palette_is_not_one_of_several_bands(tmp_path):
    Image.fromarray(PICTURE).quantize(16).save(path := tmp_path / "a.png")
    with pytest.raises(
        UserError, match="a.png has a palette, whose colours are red, green and blue: leave out --bands"
    ):
        open_raster(path, (1, 1, 1, 1))
    with open_raster(path) as image:
        assert image.channels == 3


def test_the_header_of_a_raster_leads_to_the_file_of_its_pixels(tmp_path):
    raster(tmp_path / "a.dat", PLANES, driver="ENVI")
    with pytest.raises(UserError, match="a.hdr cannot be read .*: name the file beside it that has the pixels"):
        open_raster(tmp_path / "a.hdr")
    with open_raster(tmp_path / "a.dat") as image:
        assert image.size == (50, 36)


@pytest.mark.parametrize("name", ["b.asc", "b.DAT", "b.kea", "b.tif.gz", "b.PNG.gz"])
def test_images_that_are_not_read_are_named_and_other_files_are_not(tmp_path, name):
    for other in ("a.png", "a.csv.gz", "a.txt"):
        (tmp_path / other).touch()
    assert build({"images": str(tmp_path), "split": {"test": "*"}}).splits == {"test": ("a",)}
    (tmp_path / name).touch()
    with pytest.raises(UserError, match=f"{name} is of a format that is not read"):
        build({"images": str(tmp_path), "split": {"test": "*"}})


@pytest.mark.parametrize(
    ("suffix", "options"),
    [("mpo", {}), ("geotiff", {"driver": "GTiff"}), ("gtiff", {"driver": "GTiff"}), ("gtif", {"driver": "GTiff"})]
    + [("pix", {"driver": "PCIDSK"}), ("rsw", {"driver": "RMF"}), ("jp2k", {"driver": "JP2OpenJPEG", "quality": 100})],
)
def test_more_names_of_images_are_found_and_read(tmp_path, suffix, options):
    path = tmp_path / f"a.{suffix}"
    if options:
        raster(path, PLANES, **options)
    else:
        Image.fromarray(PICTURE).save(
            path, save_all=True, append_images=[Image.fromarray(SMALL)], quality=100, subsampling=0
        )
    data_set = build({"images": str(tmp_path), "split": {"test": "*"}})
    with open_raster(data_set.find(tmp_path, *data_set.splits["test"])) as image:
        assert np.abs(image.rgb((0, 0, 50, 36))[0].astype(int) - PICTURE).mean() < 4


def test_lr_images_may_be_of_any_format_that_their_hr_images_have(tmp_path):
    for name in ("hr", "lr"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.vrt").touch()
    given = {"images": str(tmp_path / "lr")}
    data_set = build({"images": str(tmp_path / "hr"), "split": {"test": "*.vrt"}, "lr": given})
    assert data_set.given.find("a", 4) == tmp_path / "lr/a.vrt"


def test_a_pattern_without_text_leads_to_one_that_matches(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(UserError, match=r"write '\*'$"):
        build({"images": str(tmp_path), "split": {"test": ""}})
