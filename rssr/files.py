"""Files that are either whole or absent: written under a temporary name, then renamed; and their checksums."""

import csv
import errno
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from rssr.errors import UserError

# The project's largest inputs are aerial scenes; PIL's guard against decompression bombs starts at 89 megapixels.
Image.MAX_IMAGE_PIXELS = 1_000_000_000


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends well and deleted otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            error.filename = str(path)  # the name that the user knows
        raise
    finally:
        temporary.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None


def check_sha256(path: Path, expected: str) -> None:
    """UserError if the file's digest is another."""
    found = sha256(path)
    if found != expected:
        raise UserError(
            f"{path}: sha256 is {found} but {expected} was expected: the file is damaged or is another one; delete it "
            "and run again, or correct the sha256 in the configuration"
        )


def read_image(path: Path) -> np.ndarray:
    """An image as (H, W, 3) uint8, RGB, 0 to 255."""
    try:
        with Image.open(path) as image:
            if image.mode.startswith(("I", "F")):
                raise UserError(f"{path} has more than 8 bits a channel (mode {image.mode})", "convert it to 8-bit RGB")
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path} cannot be read as an image ({error}): replace it or take it out") from None


def write_image(path: Path, pixels: np.ndarray) -> None:
    """Write (H, W, 3) uint8 as PNG, all or nothing."""
    with replacing(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")


def write_json(path: Path, value: Any) -> None:
    """Write JSON with a stable layout, all or nothing."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file of an earlier step."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows of the same keys as CSV, all or nothing; floats in full precision."""
    rows = list(rows)
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read the rows of a CSV file of an earlier step."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
