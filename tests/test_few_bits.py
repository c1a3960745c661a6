"""Pictures whose white is not 255: gray PNG files of few bits, TIFF whose white is 0, and Netpbm of every kind."""

import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image
from test_image_files import upscaled
from test_raster import DEEP, PICTURE, PLANES, raster, rgb

from rssr.base.errors import UserError
from rssr.base.files import read_image

GRAY = PLANES[1]


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_gray_png_of_few_bits_spans_black_to_white(tmp_path, bits):
    """Written by hand, since Pillow and GDAL write none of 2 and 4 bits."""
    levels = PICTURE[:, :48, 0] >> (8 - bits)
    rows = np.packbits((levels[..., None] >> np.arange(bits)[::-1] & 1).astype(bool).reshape(36, -1), axis=1)
    lines = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 48, 36, bits, 0, 0, 0, 0)), (b"IDAT", lines), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(d)) + kind + d + struct.pack(">I", zlib.crc32(kind + d)) for kind, d in parts]
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    expected = np.rint(levels / (2**bits - 1) * 255)
    np.testing.assert_array_equal(rgb(tmp_path / "a.png")[0], expected[..., None].repeat(3, 2))


WHITE_IS_0 = {
    **{
        name: lambda path, name=name: Image.fromarray(GRAY > 99).save(path, compression=name, tiffinfo={262: 0})
        for name in ("group3", "group4", "tiff_lzw", "raw")
    },
    "8 bits of Pillow": lambda path: Image.fromarray(GRAY).save(path, tiffinfo={262: 0}),
    "1 bit of tifffile": lambda path: tifffile.imwrite(path, GRAY > 99, photometric="miniswhite", metadata=None),
    "8 bits of tifffile": lambda path: tifffile.imwrite(path, GRAY, photometric="miniswhite", metadata=None),
    **{
        f"{bits} bits of GDAL, {profile}": lambda path, bits=bits, profile=profile: raster(
            path, GRAY[None] >> (8 - bits), photometric="MINISWHITE", nbits=bits, profile=profile
        )
        for bits in (1, 2, 4, 8)
        for profile in ("GDALGeoTIFF", "BASELINE")
    },
}


@pytest.mark.parametrize("writer", WHITE_IS_0)
def test_tiff_whose_white_is_0_is_what_pillow_sees(tmp_path, writer):
    WHITE_IS_0[writer](path := tmp_path / "a.tif")
    seen = read_image(path)
    np.testing.assert_array_equal(rgb(path)[0], seen)
    for out in ("b.tif", "b.png"):
        upscaled(path, tmp_path / out)
        np.testing.assert_array_equal(read_image(tmp_path / out), seen.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("extra", ["unassalpha", "unspecified"])
def test_tiff_whose_white_is_0_beside_an_extra_sample(tmp_path, extra):
    """Pillow knows no such files."""
    kind = {"photometric": "miniswhite", "planarconfig": "contig", "extrasamples": [extra], "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", np.dstack([GRAY, np.full_like(GRAY, 255)]), **kind)
    pixels, valid = rgb(tmp_path / "a.tif", **({"bands": (1,)} if extra == "unspecified" else {}))
    np.testing.assert_array_equal(pixels, 255 - GRAY[..., None].repeat(3, 2))
    assert valid.all()


@pytest.mark.parametrize("dtype", ["uint16", "int16"])
def test_deep_tiff_whose_white_is_0_takes_a_stretch(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "a.tif", DEEP[1].astype(dtype), photometric="miniswhite", metadata=None)
    np.testing.assert_array_equal(rgb(tmp_path / "a.tif", stretch=(0, 3060))[0], 255 - GRAY[..., None].repeat(3, 2))
    with pytest.raises(UserError, match=f"a.tif has {dtype} pixels, here from"):
        rgb(tmp_path / "a.tif")


def netpbm(path, kind, values, white=255, order="<"):
    """A Netpbm file of (H, W) or (H, W, 3) values, with a comment where it is a text."""
    head = f"{kind}\n{'# by hand' if kind in ('P1', 'P2', 'P3') else ''}\n" if kind[1] in "123" else f"{kind}\n"
    head += f"{values.shape[1]} {values.shape[0]}\n"
    head += (
        "" if kind in ("P1", "P4") else f"{-1.0 if order == '<' else 1.0}\n" if kind in ("PF", "Pf") else f"{white}\n"
    )
    if kind in ("PF", "Pf"):
        body = values[::-1].astype(f"{order}f4").tobytes()
    else:
        body = np.packbits(values, axis=1).tobytes() if kind == "P4" else " ".join(map(str, values.ravel())).encode()
    path.write_bytes(head.encode() + body)
    return path


@pytest.mark.parametrize("kind", ["P1", "P4"])
def test_bits_of_netpbm_are_black_where_set(tmp_path, kind):
    bits = PICTURE[..., 0] // 128
    pixels, valid = rgb(netpbm(tmp_path / "a.pbm", kind, bits))
    np.testing.assert_array_equal(pixels, np.repeat(255 * (1 - bits[..., None]), 3, 2))
    assert valid.all()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("kind", "white"), [("P2", 255), ("P3", 255), ("P2", 15), ("P3", 65535), ("PF", 1), ("Pf", 1)])
def test_numbers_of_netpbm_are_read_with_their_white(tmp_path, kind, white, order):
    shown = PICTURE if kind in ("P3", "PF") else PICTURE[..., :1]
    values = shown / 255 if kind[1] in "Ff" else np.rint(shown.astype(int) * (white / 255)).astype(int)
    deep = {"P3": (0, 65535), "PF": (0, 1), "Pf": (0, 1)}.get(kind) if white != 255 else None
    path = netpbm(tmp_path / "a.pnm", kind, values, white, order)
    if deep:
        with pytest.raises(UserError, match="has (uint16|float32) pixels"):
            rgb(path)
    pixels, _ = rgb(path, stretch=deep)
    np.testing.assert_allclose(pixels.astype(int), np.broadcast_to(shown, PICTURE.shape), atol=9 if white == 15 else 0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match="a.pnm cannot be read as an image"):
        rgb(path, stretch=deep)
