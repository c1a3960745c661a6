"""What decides an image's pixels beside it, and that results depend on it."""

import os
import subprocess
import sys

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from objects import a_plan
from test_raster import PLANES, raster, rgb

from rssr.base.sidecars import sidecars, with_parts
from rssr.plan.fingerprints import Fingerprints


def mask(path):
    """Hides the left half."""
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as file:
        file.write_mask(np.arange(50) >= np.zeros((36, 1)) + 25)
    return [path.with_name(f"{path.name}.msk")]


def no_data(path):
    beside = path.with_name(f"{path.name}.aux.xml")
    bands = "".join(f'<PAMRasterBand band="{n}"><NoDataValue>9</NoDataValue></PAMRasterBand>' for n in (1, 2, 3))
    beside.write_text(f"<PAMDataset>{bands}</PAMDataset>")
    return [beside]


def place(path):
    beside = [path.with_suffix(end) for end in (".wld", ".tfw")]
    for file in beside:
        file.write_text("10\n0\n0\n-10\n5\n5\n")
    return beside


@pytest.mark.parametrize("added", [mask, no_data, place])
def test_results_depend_on_what_lies_beside_an_image(tmp_path, added):
    (tmp_path / "pictures").mkdir()
    pixels = PLANES.copy()
    pixels[:, 0, 0] = 9
    paths = [raster(tmp_path / f"pictures/{name}.tif", pixels) for name in "ab"]
    entry = {"label": "Mine", "images": str(tmp_path / "pictures"), "split": {"test": "*.tif"}}
    plan = a_plan(datasets={"synthetic": {"label": "S", "module": "synthetic"}, "mine": entry})

    def files():
        return plan.own_images("mine", "test", 4)

    def fingerprint():
        return Fingerprints(tmp_path / "none.json", write=False).of(files())

    assert files() == paths
    before = fingerprint()
    beside = added(paths[0])
    assert files() == [paths[0], *beside, paths[1]] and fingerprint() != before
    assert added is place or not rgb(paths[0])[1].all()


def test_what_viewers_leave_beside_an_image_decides_nothing(tmp_path):
    path = raster(tmp_path / "a.tif", PLANES)
    with rasterio.open(path) as file:
        file.statistics(1)
    for name in ("a.tif.ovr", "a.txt", "b.tif.msk", "b.tfw"):
        (tmp_path / name).touch()
    assert "STATISTICS_MEAN" in (tmp_path / "a.tif.aux.xml").read_text()
    assert list(with_parts([path])) == [path]


def test_an_image_may_have_a_name_that_nothing_beside_it_can_have(tmp_path):
    path = tmp_path / ("x" * 251 + ".tif")
    path.with_suffix(".tfw").write_text("")
    assert sidecars(path, tmp_path / "a.tif") == [path.with_suffix(".tfw")]


def test_an_image_whose_name_is_as_long_as_names_can_be_is_read(tmp_path):
    path = raster(tmp_path / ("x" * 251 + ".tif"), PLANES)
    np.testing.assert_array_equal(rgb(path)[0], PLANES.transpose(1, 2, 0))


def test_a_mosaic_depends_on_its_tiles(tmp_path):
    tile = raster(tmp_path / "a.tif", PLANES)
    (tmp_path / "mosaics").mkdir()
    mosaic = tmp_path / "mosaics/a.vrt"
    rasterio.shutil.copy(tile, mosaic, driver="VRT")
    assert [path.resolve() for path in with_parts([mosaic])] == [mosaic, tile]
    mosaic.write_text("no mosaic")
    assert list(with_parts([mosaic])) == [mosaic]


def test_a_mosaic_of_mosaics_depends_on_the_tiles_of_the_inner_one(tmp_path):
    tile = raster(tmp_path / "a.tif", PLANES)
    inner, outer = tmp_path / "inner.vrt", tmp_path / "outer.vrt"
    rasterio.shutil.copy(tile, inner, driver="VRT")
    rasterio.shutil.copy(inner, outer, driver="VRT")
    outer.write_text(outer.read_text().replace("a.tif", "inner.vrt"))
    assert [path.resolve() for path in with_parts([outer])] == [outer, inner, tile]
    inner.write_text(outer.read_text().replace("inner.vrt", "outer.vrt"))
    assert {path.name for path in with_parts([outer])} <= {"outer.vrt", "inner.vrt"}, "of a circle"


@pytest.mark.parametrize(
    ("options", "part"), [({"driver": "HFA", "USE_SPILL": "YES"}, "a.ige"), ({"driver": "ENVI"}, "a.hdr")]
)
def test_what_holds_the_pixels_or_their_form_belongs_to_an_image(tmp_path, options, part):
    path = tmp_path / "a.img"
    with rasterio.open(path, "w", count=3, height=36, width=50, dtype="uint8", **options) as file:
        file.write(PLANES)
    assert tmp_path / part in with_parts([path])
    if part == "a.hdr":
        (tmp_path / part).rename(tmp_path / "a.img.hdr")
        assert tmp_path / "a.img.hdr" in with_parts([path])


def test_masks_are_found_in_any_case(tmp_path):
    (beside,) = mask(path := raster(tmp_path / "a.tif", PLANES))
    capitals = beside.rename(tmp_path / "a.tif.MSK")
    (tmp_path / "A.tif.msk").touch()
    assert not rgb(path)[1].all()
    assert list(with_parts([path])) == [path, capitals] and sidecars(path, tmp_path / "b.tif") == [capitals]


def test_a_link_is_read_with_what_lies_beside_its_target(tmp_path):
    """Unless something lies beside the link, as in stores of files by their contents."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "set").mkdir()
    (beside,) = mask(target := raster(tmp_path / "raw/a.tif", PLANES))
    (link := tmp_path / "set/b.tif").symlink_to(target)
    assert not rgb(link)[1].all() and list(with_parts([link])) == [link, beside]
    own = raster(tmp_path / "set/b.tif.msk", np.full((1, 36, 50), 255, np.uint8))
    assert list(with_parts([link])) == [link, own]
    assert rgb(link)[1].all() and not rgb(target)[1].all()


def test_what_other_programs_need_of_gdal_does_not_change_what_is_read(tmp_path):
    mask(path := raster(tmp_path / "a.tif", PLANES, crs="EPSG:2154"))
    (tmp_path / "empty").mkdir()
    code = f"""
from pathlib import Path
from rssr.base.raster import open_raster
with open_raster(Path({str(path)!r})) as image:
    print(image.rgb((0, 0, 50, 36))[1].all(), image.file.crs.to_epsg())
"""
    foreign = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_GEOREF_SOURCES": "NONE"} | dict.fromkeys(
        ("PROJ_LIB", "PROJ_DATA"), f"{tmp_path}/empty"
    )
    for environment in ({}, foreign):
        done = subprocess.run(
            [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == ["False", "2154"], environment
