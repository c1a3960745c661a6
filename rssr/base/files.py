"""Files that are either whole or absent: written under a temporary name, then renamed; and their checksums."""

import csv
import errno
import hashlib
import io
import json
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from rssr.base import ROOT
from rssr.base.errors import UserError

# The project's largest inputs are aerial scenes; PIL's guard against decompression bombs starts at 89 megapixels.
Image.MAX_IMAGE_PIXELS = 1_000_000_000
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY  # profiles of colours and notes are of megabytes

_MAKE = "correct its name, or run again to make it"
_MANIFEST = "manifest_sha256"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path next to `path`, renamed to it when the block ends without an error and deleted otherwise.

    UserError for a path without a name, which is that of a folder.
    """
    if not path.name:
        raise UserError(f"{path} is a folder", "name a file in it")
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]  # the name itself may be as long as names can be
    temporary = path.with_name(f".{digest}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) or str(error.filename) == str(temporary):
            error.filename = str(path)  # the name that the user knows
        raise
    finally:
        temporary.unlink(missing_ok=True)


def missing(path: str | Path, kind: str = "file", remedy: str = "correct its name") -> UserError:
    """The error for a file or folder that cannot be opened: there is none, or only a link whose target is gone."""
    if Path(path).is_symlink() and not Path(path).exists():
        return UserError(f"{path} is a broken link, to {Path(path).readlink()}", "put that back, or correct the link")
    return UserError(f"there is no {kind} {path}", remedy)


def size_in_words(count: float) -> str:
    """A number of bytes in GB, or in MB or kB below a tenth of one."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if count >= factor / 10:
            return f"{count / factor:.1f} {unit}"
    return f"{count / 1e3:.1f} kB"


def check_name(path: Path) -> None:
    """UserError for a name whose bytes are not UTF-8, which libraries for images do not open."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UserError(f"the name {ascii(str(path))} is no UTF-8", "rename it") from None


def from_here(path: str) -> str:
    """A path of a configuration, from the working directory; what only the checkout has is meant there."""
    shipped = ROOT / path
    return path if Path(path).exists() or not shipped.exists() else os.path.relpath(shipped)


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    return _digest(path, "sha256")


def check_digest(path: Path, digest: str, name: Path | None = None) -> None:
    """UserError, which calls the file `name` if given, unless its digest begins with the given digits.

    The digest is its sha256, or for "md5:..." its md5.
    """
    algorithm, digits = digest.split(":") if ":" in digest else ("sha256", digest)
    found = _digest(path, algorithm)
    if not found.startswith(digits):
        raise UserError(
            f"{name or path} has the {algorithm} {found}, but {digits} was expected",
            "it is damaged or another file: delete it and run again, or correct the digits where you gave them",
        )


def _digest(path: Path, algorithm: str) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()
    except FileNotFoundError:
        raise missing(path, remedy=_MAKE) from None


def read_image(path: Path, digest: str | None = None) -> np.ndarray:
    """An image as (H, W, 3) uint8, RGB, 0 to 255; UserError unless its file has the sha256, if one is given."""
    try:
        content = path.read_bytes()
        if digest and (found := hashlib.sha256(content).hexdigest()) != digest:
            raise damaged(path, f"its sha256 is {found}, and not {digest} as in the manifest")
        if (pixels := decode_png(content)) is not None:
            return pixels
        with Image.open(path) as image:
            if image.mode.startswith(("I", "F")):
                raise UserError(
                    f"{path} has more than 8 bits per channel (mode {image.mode})", "convert it to 8-bit RGB"
                )
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise missing(path, remedy=_MAKE) from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path} cannot be read as an image ({error}): replace or remove it") from None


def write_image(path: Path, pixels: np.ndarray, compress: bool = True) -> str:
    """Write (H, W, 3) uint8 as PNG, see encode_png(), all or nothing; the sha256 of the file."""
    content = encode_png(pixels, compress)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encode_png(pixels: np.ndarray, compress: bool = True) -> bytes:
    """(H, W, 3) uint8 as the bytes of a PNG file.

    Compressed, each row is stored as its difference from the row above, run lengths and Huffman codes on top. Deflate's
    search for repetitions, most of the time elsewhere, finds few in photographs: files are 7 % (aerial images) to 22 %
    (images that were JPEG files) larger than PIL's and take a quarter of its time or less. Not compressed, pixels are
    stored as they are, 13 times faster to encode and 7 times faster to decode, in files that are larger by a quarter
    (the scenes of NEON) to a half (RSSCN7, which were JPEG files).
    """
    height, width, channels = pixels.shape
    if channels != 3 or pixels.dtype != np.uint8:
        raise ValueError(f"encode_png: (H, W, 3) uint8 is expected, not {pixels.shape} {pixels.dtype}")
    flat = pixels.reshape(height, -1)
    rows = np.empty((height, 1 + flat.shape[1]), np.uint8)
    if compress:
        rows[:, 0] = 2  # PNG's filter "up"
        rows[0, 1:] = flat[0]
        np.subtract(flat[1:], flat[:-1], out=rows[1:, 1:])
    else:
        rows[:, 0] = 0  # no filter
        rows[:, 1:] = flat
    deflate = zlib.compressobj(int(compress), zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    header = _chunk(b"IHDR", _png_header(width, height))
    return b"".join([_SIGNATURE, header, _chunk(b"IDAT", deflate.compress(rows) + deflate.flush()), _PNG_END])


def _png_header(width: int, height: int) -> bytes:
    return struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits per channel, RGB


def _chunk(name: bytes, data: bytes) -> bytes:
    """A part of a PNG file."""
    return b"".join([struct.pack(">I", len(data)), name, data, struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))])


_PNG_END = _chunk(b"IEND", b"")


def decode_png(content: bytes) -> np.ndarray | None:
    """(H, W, 3) uint8, the pixels of a file that encode_png() wrote uncompressed; None for any other, for Pillow.

    Threads wait for each other less than with Pillow, which holds Python's lock while it copies.
    """
    width, height = struct.unpack(">II", content[16:24].ljust(8))
    start = _SIGNATURE + _chunk(b"IHDR", _png_header(width, height))
    middle, size = memoryview(content)[len(start) : -len(_PNG_END)], height * (1 + 3 * width)
    if not (content.startswith(start) and content.endswith(_PNG_END) and middle[4:8] == b"IDAT" and len(middle) > size):
        return None
    length, checksum = (int.from_bytes(part) for part in (middle[:4], middle[-4:]))
    if length != len(middle) - 12 or checksum != zlib.crc32(middle[4:-4]):
        return None
    try:
        values = zlib.decompressobj().decompress(middle[8:-4], size + 1)
    except zlib.error:
        return None
    if len(values) != size:
        return None
    rows = np.frombuffer(values, np.uint8).reshape(height, -1)
    return None if rows[:, 0].any() else rows[:, 1:].reshape(height, width, 3)


def write_json(path: Path, value: Any) -> None:
    """Write JSON with a stable layout, all or nothing."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


class _Record(dict):
    """An object of a JSON file or a row of a CSV file: one that lacks a key is of a damaged file."""

    def __init__(self, path: Path, content: Mapping[str, Any]) -> None:
        super().__init__(content)
        self._path = path

    def __missing__(self, key: str) -> NoReturn:
        raise damaged(self._path, f"it has no {key!r}")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that an earlier step wrote; UserError for a damaged one, and at a key that it lacks."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"), object_hook=partial(_Record, path))
    except (ValueError, RecursionError) as error:
        raise damaged(path, str(error)) from None
    if not isinstance(found, dict):
        raise damaged(path, f"it holds {type(found).__name__}, and not an object")
    return found


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows of the same keys as CSV, all or nothing; floats in full precision. No rows give a file without any.

    The sha256 of a manifest goes into the record beside it, if there is one.
    """
    rows = list(rows)
    with replacing(path) as temporary:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        record, key = _record(path)
        if key == _MANIFEST and record.exists():
            write_json(record, read_json(record) | {key: sha256(temporary)})


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read the rows of a CSV file that an earlier step wrote, see write_csv(); UserError as read_json().

    If the record beside it has its sha256, it is the file that was written with that record.
    """
    try:
        content = path.read_bytes()
        text = content.decode()
        rows = [_Record(path, row) for row in csv.DictReader(io.StringIO(text, newline=""), strict=True)]
    except (ValueError, csv.Error) as error:
        raise damaged(path, str(error)) from None
    if text != "\n" and (  # written without rows
        not rows or not text.endswith("\n") or any(None in row or None in row.values() for row in rows)
    ):
        raise damaged(path, "it has no rows, its last one is cut off, or one has other columns than the first line")
    record, key = _record(path)
    digest = read_json(record).get(key) if record.exists() else None  # older records have none
    if digest and digest != (found := hashlib.sha256(content).hexdigest()):
        raise damaged(path, f"its sha256 is {found}, and not {digest} as when it was written")
    return rows


def _record(table: Path) -> tuple[Path, str]:
    """The record of a CSV file, and the key of its sha256 in it."""
    if table.name == "manifest.csv":
        return table.with_name("provenance.json"), _MANIFEST
    return table.with_suffix(".json"), "scores_sha256"


def damaged(path: Path, why: str) -> UserError:
    """The error for a file of a run whose content is not what was written."""
    return UserError(f"{path} is damaged ({' '.join(why.split())})", "delete it and run again")
