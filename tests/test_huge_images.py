"""Pictures that declare more pixels than memory holds: refused in one sentence, before memory is taken for them."""

import re
import struct
import subprocess
import sys

import pytest
from test_image_files import png

from rssr.base import ROOT


def tiff(width, height):
    """One strip of ten bytes for all rows."""
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 200), (277, 3, 1)]
    tags += [(278, 4, height), (279, 4, 10)]
    body = b"II*\0" + struct.pack("<IH", 8, len(tags))
    body += b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags) + bytes(4)
    return body.ljust(210, b"\0")


@pytest.mark.parametrize(
    "sides", [(40_000, 40_000), (1_000_000, 1_000), (2**31 - 1, 2**31 - 1), (0, 0), (2**31 - 1, 1)]
)
@pytest.mark.parametrize("kind", ["png", "tif"])
def test_pictures_that_declare_too_much_are_refused_before_memory_is_taken(tmp_path, kind, sides):
    path, (width, height) = tmp_path / f"a.{kind}", sides
    if kind == "png":
        png(path, bytes(1000), 2, width=width, height=height)
    else:
        path.write_bytes(tiff(width, height))
    assert path.name in read_in_little_memory(path)


def test_a_window_of_a_picture_takes_no_block_beyond_memory(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff(2**30, 24))  # one strip, which GDAL would read whole
    said = read_in_little_memory(tmp_path / "a.tif", (0, 0, 100, 20))
    assert re.search("blocks of 1073741824 pixels.*: write it in tiles", said)


def read_in_little_memory(path, box=None):
    """What reading a picture is refused with, in a process of its own that may take 300 MiB for it."""
    code = f"""
import resource
from pathlib import Path
from rssr.base.process import run
from rssr.base.raster import open_raster

def read():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        with open_raster(Path({str(path)!r})) as image:
            image.rgb({box!r} or (0, 0, *image.size))
    finally:
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)

run(read)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1 and float(done.stdout) < 300
    assert "Traceback" not in done.stderr
    (said,) = re.findall("^error: (.*)", done.stderr, re.MULTILINE)  # beside what GDAL says
    return said
