"""Input that was made to do harm: refused in one sentence, in bounded time and memory, and nothing of it runs."""

import functools
import importlib
import os
import struct
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import torch
from field_trees import potsdam_files, refused, small, zipped
from torch import nn

from rssr.base.errors import UserError
from rssr.base.raster import open_raster
from rssr.config import load, validate
from rssr.models.files import remote_path
from rssr.models.registry import build


def enlarge(scale=4):
    return nn.Upsample(scale_factor=scale)


enlarge_by_4 = functools.partial(enlarge, scale=4)
run_anything = functools.partial(os.system)


@torch.no_grad()
def made_by_a_package(width):
    return nn.Sequential(importlib.import_module("timm.layers").create_conv2d(3, width, 3), nn.PixelShuffle(4))


@pytest.mark.parametrize(
    ("arch", "args"),
    [
        ("os:system", {"command": "touch {ran}"}),
        ("posix:system", {"command": "touch {ran}"}),
        ("subprocess:run", {"args": ["touch", "{ran}"]}),
        ("subprocess:Popen", {"args": ["touch", "{ran}"]}),
        ("builtins:exec", {}),
        ("pathlib:Path.touch", {}),
        ("runpy:run_path", {"path_name": "{ran}"}),
        ("antigravity:fly", {}),
        ("torch.hub:load", {"repo_or_dir": "a/b", "model": "c"}),
        ("torch.fx.graph_module:reduce_graph_module", {"import_block": "open('{ran}', 'w')", "body": {"_code": ""}}),
        ("torch:load", {"f": "{ran}", "weights_only": False}),
        ("numpy:savetxt", {"fname": "{ran}", "X": [1]}),
        ("pandas:read_pickle", {"filepath_or_buffer": "{ran}"}),
        ("numpy.f2py.crackfortran:os.system", {}),
        ("test_hostile:run_anything", {"command": "touch {ran}"}),
        ("__main__:x", {}),
        (":x", {}),
        ("os:", {}),
        ("..os:system", {}),
        ("basicsr:os.system", {}),
        ("spandrel:os.system", {}),
    ],
)
def test_an_entry_runs_no_function_but_ones_of_the_users_own(tmp_path, arch, args):
    ran = tmp_path / "ran"
    args = {key: str(value).format(ran=ran) if isinstance(value, str) else value for key, value in args.items()}
    args = {key: [part.format(ran=ran) for part in v] if key == "args" else v for key, v in args.items()}
    with pytest.raises(UserError) as error:
        build({"arch": arch, "args": args})
    assert not ran.exists() and "\n" not in str(error.value)
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    ("name", "args"), [("enlarge", {"scale": 4}), ("enlarge_by_4", {}), ("made_by_a_package", {"width": 48})]
)
def test_functions_of_ones_own_make_networks_too(name, args):
    assert build({"arch": f"test_hostile:{name}", "args": args})(torch.zeros(1, 3, 8, 8)).shape == (1, 3, 32, 32)


def test_a_function_of_a_package_is_refused_with_what_works():
    """As above: made_by_a_package()."""
    with pytest.raises(UserError, match=r"function of an installed package: .*function in a file of your own, which"):
        build({"arch": "timm.layers:create_conv2d", "args": {"in_channels": 3, "out_channels": 48, "kernel_size": 3}})


YAML = {
    "objects": "a: !!python/object/new:os.system [touch {ran}]",
    "calls": "a: !!python/object/apply:subprocess.run [[touch, {ran}]]",
    "names": "a: !!python/name:os.system",
    "modules": "a: !!python/module:os",
    "own tags": "a: !include /etc/passwd",
    "anchors by the thousand": "\n".join(
        f"x{i}: &a{i} [*a{i - 1}, *a{i - 1}]" if i else "x0: &a0 [1]" for i in range(3000)
    ),
    "billion laughs": "\n".join(
        f"x{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" if i else "x0: &a0 [lol]" for i in range(30)
    ),
    "merges of merges": "\n".join(
        f"x{i}: &a{i} {{{{<<: [{', '.join([f'*a{i - 1}'] * 10)}], k{i}: 1}}}}" if i else "x0: &a0 {{k: 1}}"
        for i in range(30)
    ),
    "depth": "a: " + "[" * 100_000,
    "depth of keys": "\n".join(" " * i + f"k{i}:" for i in range(3000)),
    "flows": "{{a: " * 50_000,
    "one long text": "a: " + "x" * 5_000_000,
    "a number of a million digits": "a: " + "9" * 1_000_000,
    "many keys": "\n".join(f"k{i}: 1" for i in range(50_000)),
    "a key that is a list": "? [a, b]\n: 1",
    "a key that holds itself": "? &a [*a]\n: 1",
    "control characters": "a: \x07",
    "several documents": "a: 1\n---\nb: 2",
}  # fmt: skip


@pytest.mark.parametrize("kind", YAML)
def test_yaml_that_was_made_to_harm_is_one_sentence_in_bounded_time(tmp_path, kind):
    ran = tmp_path / "ran"
    (tmp_path / "c.yaml").write_text(YAML[kind].format(ran=ran))
    start = time.process_time()
    with pytest.raises(UserError) as error:
        load(tmp_path / "c.yaml")
    assert time.process_time() - start < 60
    assert not ran.exists() and "\n" not in str(error.value) and len(str(error.value)) < 2000


def test_links_devices_and_members_that_lie_in_archives(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    name = "2_Ortho_RGB/top_potsdam_2_10_RGB.tif"
    for kind in (0o120777, 0o020666, 0o060666, 0o010666):  # a link, a device of characters, of blocks, a pipe
        with zipfile.ZipFile(root / "a.zip", "w") as archive:
            member = zipfile.ZipInfo(name)
            member.external_attr = kind << 16
            archive.writestr(member, "/etc/passwd")
        refused(small("potsdam", root=str(root)), tmp_path / "downloads")
        found = [path for path in (tmp_path / "downloads").rglob("*") if path.is_symlink() or not path.is_file()]
        assert not [path for path in found if not path.is_dir()]
    whole = zipped(potsdam_files())
    (root / "a.zip").write_bytes(lied(whole, name))
    assert "cannot be unpacked" in refused(small("potsdam", root=str(root)), tmp_path / "downloads")
    assert not list((tmp_path / "downloads").rglob("*.part*"))


def lied(content, name):
    """An archive whose directory states ten bytes for a member that has more."""
    place = content.rindex(name.encode()) - 46
    return content[: place + 24] + struct.pack("<I", 10) + content[place + 28 :]


def test_a_million_members_take_bounded_time(tmp_path):
    """Their list is written by hand, since zipfile takes minutes for it."""
    root, entries, count = tmp_path / "root", [], 1_000_000
    root.mkdir()
    for number in range(count):
        name = b"junk/%08d.tif" % number
        head = struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0, 0, 0, 0, 0, 0)
        entries.append(head + name)
    directory = b"".join(entries)
    end64 = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, count, count, len(directory), 0)
    locator = struct.pack("<IIQI", 0x07064B50, 0, len(directory), 1)
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, len(directory), 0, 0)
    (root / "a.zip").write_bytes(directory + end64 + locator + end)
    start = time.process_time()
    message = refused(small("potsdam", root=str(root)), tmp_path / "downloads")
    assert "has too many members" in message
    assert time.process_time() - start < 10


def test_an_address_chooses_no_path():
    for url in (
        "https://x/..",
        "https://x/a/../../etc/passwd",
        "https://x/%2e%2e%2fevil",
        "https://x/a\\..\\b",
        "file:///",
    ):
        path = remote_path({"url": url, "sha256": "0" * 64}, Path("downloads"))
        assert path.parent == Path("downloads") and path.name.startswith("0" * 12)


@pytest.mark.parametrize("name", ["../evil", "a/b", "/etc", "a\\b", "..", ".", "", "a b", "-n", "A", "é", "a\n"])
@pytest.mark.parametrize("block", ["datasets", "models", "degradations", "training"])
def test_names_that_become_paths_are_letters_digits_and_underscores(block, name):
    entry = {"label": "M", "images": "x", "split": {"test": "*"}}
    content = {"datasets": {"mine": entry}, "models": {"m": {"label": "B", "arch": "bicubic"}}}
    new = {"datasets": entry, "models": {"label": "N", "arch": "bicubic"}, "degradations": [{"reduce": "bicubic"}]}
    new["training"] = {"epochs": 1, "optimiser": {"lr": 1e-3}}
    content[block] = content.get(block, {}) | {name: new[block]}
    with pytest.raises(UserError, match="a name has lower-case letters, digits and underscores"):
        validate(content, "c.yaml")


def test_an_image_takes_no_pixels_from_another_folder(tmp_path):
    inside = tmp_path / "images"
    inside.mkdir()
    (tmp_path / "secret").write_bytes(b"secret" * 300)
    (inside / "ers.png").write_text(
        'DatasetHeader Begin\n Version = "6.0"\n DataFile = "../secret"\n DataSetType = ERStorage\n DataType = Raster\n'
        " ByteOrder = LSBFirst\n RasterInfo Begin\n  CellType = Unsigned8BitInteger\n  NrOfLines = 30\n"
        "  NrOfCellsPerLine = 20\n  NrOfBands = 3\n RasterInfo End\nDatasetHeader End\n"
    )
    shape = {"count": 3, "height": 30, "width": 20, "dtype": "uint8"}
    pixels = np.full((3, 30, 20), 7, np.uint8)
    for name, part, options in (
        ("a.img", "a.ige", {"driver": "HFA", "USE_SPILL": "YES"}),
        ("b.pix", "b.002", {"driver": "PCIDSK", "INTERLEAVING": "FILE"}),
    ):
        with rasterio.open(inside / name, "w", **shape | options) as file:
            file.write(pixels)
        (tmp_path / name).symlink_to(inside / name)
        with open_raster(inside / name, (1, 2, 3)) as image, open_raster(tmp_path / name, (1, 2, 3)) as link:
            assert (image.read((0, 0, 20, 30))[0] == 7).all() and link.size == image.size
        (inside / part).rename(tmp_path / "z")
        old, new = part.encode(), b"../z"
        content = (inside / name).read_bytes()
        (inside / name).write_bytes(content.replace(old, new + (b"\0" if name == "a.img" else b" ")))
    with rasterio.open(inside / "c.tif", "w", driver="GTiff", **shape | {"count": 1}) as file:
        file.write(pixels[:1])
    rasterio.shutil.copy(inside / "c.tif", inside / "c.nc", driver="netCDF")
    with open_raster(inside / "c.nc") as image:
        assert (image.rgb((0, 0, 20, 30))[0] == 7).all()
    (inside / "c.nc").rename(inside / "c.png")  # its HDF5 could name other files
    unread, outside = "cannot be read as an image", "has its pixels in .*/z, outside"
    for name, said in {"ers.png": unread, "a.img": outside, "b.pix": outside, "c.png": unread}.items():
        with pytest.raises(UserError, match=f"{name} {said}"):
            open_raster(inside / name, (1, 2, 3))


def test_a_mask_or_overviews_beside_an_image_name_no_address(tmp_path):
    path, shape = tmp_path / "a.png", {"count": 1, "height": 30, "width": 20, "dtype": "uint8"}
    for name, driver, value in (("a.png", "PNG", 7), ("a.png.msk", "GTiff", 0), ("a.png.ovr", "GTiff", 8)):
        with rasterio.open(tmp_path / name, "w", driver=driver, **shape) as file:
            file.write(np.full((1, 30, 20), value, np.uint8))
            file.update_tags(INTERNAL_MASK_FLAGS_1="2")
    with open_raster(path) as raster:
        assert not raster.read((0, 0, 20, 30))[1].any()
    (tmp_path / "a.png.msk").unlink()
    for end in ("ovr.msk", "ovr", "msk", "Msk", "OVR"):
        (part := tmp_path / f"a.png.{end}").write_text(
            "<GDAL_WMTS><GetCapabilitiesUrl>x</GetCapabilitiesUrl></GDAL_WMTS>"
        )
        with pytest.raises(UserError, match=f"a.png.{end} is no TIFF file.*: remove it"):
            open_raster(path)
        part.unlink()
