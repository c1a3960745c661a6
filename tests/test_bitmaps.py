"""BMP and GIF files as programs write them: read for what they say, or refused."""

import struct

import numpy as np
import pytest
from PIL import Image
from test_raster import PICTURE, PLANES, rgb

from rssr.base.errors import UserError
from rssr.base.raster import open_raster


@pytest.mark.parametrize(("bits", "size"), [(24, 108), (24, 124), (32, 108), (32, 124)])
def test_bitmaps_with_newer_headers_are_read(tmp_path, bits, size):
    pixels = PICTURE[::-1, :, ::-1]
    if bits == 32:
        pixels = np.dstack([pixels, np.full((36, 50), 200, np.uint8)])
    else:
        pixels = np.pad(pixels.reshape(36, -1), ((0, 0), (0, 2)))
    head = struct.pack("<IiiHHIIiiII", size, 50, 36, 1, bits, 3 if bits == 32 else 0, pixels.size, 0, 0, 0, 0)
    head += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) if bits == 32 else bytes(16)
    head = head.ljust(size, b"\0")
    whole = b"BM" + struct.pack("<IHHI", 14 + size + pixels.size, 0, 0, 14 + size) + head + pixels.tobytes()
    (tmp_path / "a.bmp").write_bytes(whole)
    with open_raster(tmp_path / "a.bmp") as image:
        values, opacity = image.read((0, 0, 50, 36))
    np.testing.assert_array_equal(values, PLANES)
    assert (opacity == (200 if bits == 32 else 255)).all()
    (tmp_path / "a.bmp").write_bytes(whole[:3000])
    with pytest.raises(UserError, match="a.bmp cannot be read as an image"):
        rgb(tmp_path / "a.bmp")


@pytest.mark.parametrize("size", [40, 108])
def test_bitmaps_say_where_their_colours_lie(tmp_path, size):
    for shifts, read in (((16, 8, 0), True), ((24, 16, 8), True), ((0, 8, 16), False)):
        pixels = sum(PICTURE[::-1, :, band].astype("<u4") << shift for band, shift in enumerate(shifts))
        head = struct.pack("<IiiHHIIiiII", size, 50, 36, 1, 32, 3, pixels.nbytes, 0, 0, 0, 0)
        head = (head + struct.pack("<III", *(0xFF << shift for shift in shifts))).ljust(max(size, 52), b"\0")
        start = struct.pack("<IHHI", 14 + len(head) + pixels.nbytes, 0, 0, 14 + len(head))
        (tmp_path / "a.bmp").write_bytes(b"BM" + start + head + pixels.tobytes())
        if read:
            np.testing.assert_array_equal(rgb(tmp_path / "a.bmp")[0], PICTURE)
        else:
            with pytest.raises(UserError, match="colours lie in unusual bits: save it as PNG"):
                rgb(tmp_path / "a.bmp")


def test_a_gif_that_covers_a_part_of_its_screen_is_refused(tmp_path):
    Image.fromarray(PICTURE).quantize().save(tmp_path / "a.gif")
    whole = bytearray((tmp_path / "a.gif").read_bytes())
    whole[6:10] = struct.pack("<HH", 60, 40)
    (tmp_path / "a.gif").write_bytes(whole)
    with pytest.raises(UserError, match="shows an image of 50x36 pixels on a screen of 60x40: save it as PNG"):
        rgb(tmp_path / "a.gif")
