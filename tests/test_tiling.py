"""Tiles that blend, in memory and from file to file."""

import os
import subprocess
import sys
import weakref

import numpy as np
import pytest
import rasterio
import torch
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.transform import from_origin
from torch import nn

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.base.files import read_image
from rssr.base.resampling import imresize, to_uint8
from rssr.config import validate
from rssr.models.registry import build
from rssr.models.tiling import Tiled, blended, tiles, within_memory
from rssr.models.upscaler import OutOfMemory, Upscaler
from rssr.steps.scenes import upscale_scene

BICUBIC = {"arch": "bicubic"}
SIZES = [(8, 8), (16, 16), (17, 16), (29, 50), (64, 33), (31, 95)]


@pytest.mark.parametrize("overlap", [0, 3, 8, 12])
@pytest.mark.parametrize("size", SIZES)
def test_the_weights_of_all_tiles_add_up_to_one(size, overlap):
    x = torch.rand(2, 3, *size, dtype=torch.float64)
    nearest = nn.Upsample(scale_factor=4)
    torch.testing.assert_close(Tiled(nearest, 4, 24, overlap)(x), nearest(x))


@pytest.mark.parametrize("size", SIZES)
def test_a_network_that_looks_no_further_than_the_margin_gives_the_same_as_untiled(size):
    x = torch.rand(1, 3, *size, dtype=torch.float64)
    tiled = build(BICUBIC | {"tile": {"size": 32, "overlap": 12}})  # the kernel reaches 2 pixels, the margin is 3
    torch.testing.assert_close(tiled(x), imresize(x, 4))


def test_regions_cover_the_image_once():
    x, covered = torch.rand(1, 3, 70, 45), torch.zeros(280, 180)

    def read(top, left, bottom, right):
        assert 0 <= top < bottom <= 70 and 0 <= left < right <= 45
        return x[..., top:bottom, left:right]

    regions = list(blended(nn.Upsample(scale_factor=4), read, 70, 45, 4, 24, 10))
    for top, left, region in regions:
        covered[top : top + region.shape[2], left : left + region.shape[3]] += 1
    assert torch.equal(covered, torch.ones_like(covered))
    assert len(regions) == tiles(70, 45, 24, 10) == 5 * 3


def test_tiles_that_see_different_things_fade_without_a_seam():
    values = iter(range(100))
    paint = lambda x: torch.full((1, 3, x.shape[2], x.shape[3]), float(next(values)))  # noqa: E731
    out = Tiled(paint, 1, 40, 20)(torch.zeros(1, 3, 100, 100))
    steps = max(out.diff(dim=-1).abs().max(), out.diff(dim=-2).abs().max())
    assert steps <= 4 / 10 + 1e-5  # tiles one row apart differ by 4, and fade over 10 pixels


def test_impossible_tiles_are_refused():
    for size, overlap in ((24, 13), (24, -1), (0, 0)):
        with pytest.raises(ValueError, match="cannot overlap"):
            Tiled(nn.Identity(), 1, size, overlap)(torch.rand(1, 3, 30, 30))


def test_tile_of_an_entry_is_checked():
    entry = {"label": "B", "arch": "bicubic", "tile": {"size": 32, "overlap": 20}}
    with pytest.raises(UserError, match="models.b.tile.*more than half"):
        validate({"datasets": {"s": {"label": "S", "module": "synthetic"}}, "models": {"b": entry}}, "mine")


def scene(path, height=75, width=50, bands=3, dtype="uint8", **profile):
    pixels = np.random.default_rng(0).integers(0, 255, (bands, height, width)).astype(dtype)
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=bands, dtype=dtype, **profile
    ) as file:
        file.write(pixels)
    return pixels


def read(path):
    with rasterio.open(path) as file:
        return file.read()


def expected(pixels):
    return to_uint8(imresize(torch.from_numpy(pixels)[None].float() / 255, 4))[0].numpy()


def test_scene_is_the_image_upscaled_and_its_georeferencing_scaled(tmp_path):
    transform = from_origin(300000, 5000000, 0.5, 0.25)
    pixels = scene(tmp_path / "in.tif", crs="EPSG:32632", transform=transform, nodata=0)
    upscale_scene(build(BICUBIC), tmp_path / "in.tif", tmp_path / "out.tif", 4, size=32, overlap=12)
    assert np.abs(read(tmp_path / "out.tif").astype(int) - expected(pixels)).max() <= 1
    with rasterio.open(tmp_path / "in.tif") as before, rasterio.open(tmp_path / "out.tif") as after:
        assert (after.height, after.width) == (300, 200)
        assert after.bounds == before.bounds and after.crs == before.crs and after.nodata == 0
        assert after.res == (0.125, 0.0625)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.tif", "out.tif"]


def test_ground_control_points_are_scaled(tmp_path):
    points = [GroundControlPoint(row, col, 10.0 + col, 50.0 - row) for row, col in ((0, 0), (0, 50), (75, 0))]
    scene(tmp_path / "in.tif", gcps=points, crs="EPSG:4326")
    upscale_scene(build(BICUBIC), tmp_path / "in.tif", tmp_path / "out.tif", 4, size=64, overlap=8)
    with rasterio.open(tmp_path / "out.tif") as after:
        found, crs = after.gcps
    assert crs.to_epsg() == 4326
    assert [(p.row, p.col, p.x, p.y) for p in found] == [(4 * p.row, 4 * p.col, p.x, p.y) for p in points]


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_plain_pictures_work_too(tmp_path, suffix):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 52, 3)).astype("uint8")
    Image.fromarray(pixels).save(tmp_path / f"in.{suffix}")
    upscale_scene(build(BICUBIC), tmp_path / f"in.{suffix}", tmp_path / "out.png", 4, size=32, overlap=12)
    out = np.asarray(Image.open(tmp_path / "out.png")).transpose(2, 0, 1)
    seen = read_image(tmp_path / f"in.{suffix}").transpose(2, 0, 1)  # as data sets are read
    assert np.abs(out.astype(int) - expected(seen)).max() <= 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"in.{suffix}", "out.png"]


def test_bands_can_be_chosen(tmp_path):
    pixels = scene(tmp_path / "in.tif", bands=5)
    with pytest.raises(UserError, match="5 bands .*: say which"):
        upscale_scene(build(BICUBIC), tmp_path / "in.tif", tmp_path / "out.tif", 4)
    # Three are seen as colours, more by threes, and the rest as gray, each alone.
    for bands in ((4, 3, 2), (5,), (2, 1), (4, 3, 2, 1), (1, 2, 3, 5, 4, 3)):
        out = tmp_path / f"{len(bands)}.tif"
        upscale_scene(build(BICUBIC), tmp_path / "in.tif", out, 4, 32, 8, bands=bands)
        found = [expected(pixels[[band - 1] * 3])[0] for band in bands]  # bicubic sees each channel alone
        assert np.abs(read(out).astype(int) - found).max() <= 1


def test_what_cannot_be_upscaled_is_named(tmp_path):
    scene(tmp_path / "deep.tif", dtype="uint16")
    scene(tmp_path / "two.tif", bands=2)
    (tmp_path / "text.tif").write_text("no image")
    for name, message in (
        ("deep.tif", "has uint16 pixels, here from 0 to 254, where 8 bits"),
        ("two.tif", r"has 2 bands"),
        ("text.tif", "cannot be read as an image"),
        ("none.tif", "there is no file .*none.tif: correct its name"),
        ("", "is a folder: name an image file"),
    ):
        with pytest.raises(UserError, match=message):
            upscale_scene(build(BICUBIC), tmp_path / name, tmp_path / "out.tif", 4)
    with pytest.raises(UserError, match="format '.bmp' is unknown"):
        upscale_scene(build(BICUBIC), tmp_path / "deep.tif", tmp_path / "out.bmp", 4)
    assert not (tmp_path / "out.tif").exists()


def test_a_truncated_scene_is_named_and_nothing_is_left(tmp_path):
    scene(tmp_path / "in.tif", height=300, width=300)
    whole = (tmp_path / "in.tif").read_bytes()
    (tmp_path / "in.tif").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="in.tif cannot be read"):
        upscale_scene(build(BICUBIC), tmp_path / "in.tif", tmp_path / "out.tif", 4, size=64, overlap=8)
    assert [path.name for path in tmp_path.iterdir()] == ["in.tif"]


FULL_DISK = """
import resource, sys
from pathlib import Path
from rssr.models.registry import build
from rssr.steps.scenes import upscale_scene
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
folder = Path(sys.argv[1])
upscale_scene(build({"arch": "bicubic"}), folder / "in.tif", folder / "out.tif", 4, size=64, overlap=8)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the size of files as Linux does")
@pytest.mark.parametrize("missing", [10, 150_000, 2_000_000])
def test_a_disk_that_fills_up_leaves_nothing_that_looks_whole(tmp_path, missing):
    """GDAL keeps quiet about what it cannot write when it closes a file."""
    scene(tmp_path / "in.tif", height=310, width=290)
    upscale_scene(build(BICUBIC), tmp_path / "in.tif", tmp_path / "out.tif", 4, size=64, overlap=8)
    full = (tmp_path / "out.tif").stat().st_size
    (tmp_path / "out.tif").unlink()
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path), str(full - missing)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode != 0 and "out.tif cannot be written" in result.stderr, result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.tif"]


class Full(nn.Module):
    """Nearest neighbours, for at most 64 pixels a side; notes what it held when there was no room for more."""

    def __init__(self):
        super().__init__()
        self.held = None

    def forward(self, x):
        kept = x.clone()
        if x.shape[-1] > 64:
            self.held = weakref.ref(kept)
            raise MemoryError
        assert self.held is None or self.held() is None, "memory is still full of the whole image"
        return kept.repeat_interleave(2, -1).repeat_interleave(2, -2)


def test_memory_has_what_the_whole_image_took_before_tiles_are_tried():
    x = torch.rand(1, 3, 100, 100)
    found, side = within_memory(Upscaler(Full(), 2), x)
    assert side == 64 and found.shape == (1, 3, 200, 200)


def test_memory_that_ends_after_the_network_is_noticed_too():
    tried = []

    def finish(out):
        tried.append(out.shape)
        if len(tried) < 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return out

    x, network = torch.rand(1, 3, 300, 40), Upscaler(Full(), 2)
    assert within_memory(network, x[..., :40, :], finish)[1] == 32 and len(tried) == 2
    with pytest.raises(OutOfMemory, match="not enough memory for an image of 40x20: cut the image"):
        within_memory(network, x[..., :20, :], lambda out: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(ValueError, match="another"):
        within_memory(network, x[..., :20, :], lambda out: (_ for _ in ()).throw(ValueError("another")))
