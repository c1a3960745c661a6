"""The file of weights that an entry names: found, or downloaded, and checked. Imports no PyTorch."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rssr.base.errors import UserError
from rssr.base.fetch import download
from rssr.base.files import check_digest, missing, replacing, sha256
from rssr.models.entry import mirrors


def local_file(file: Mapping[str, Any], downloads: Path) -> Path:
    """The path of a weights file, downloaded if its entry has a `url`, and checked.

    If a `url` has no `sha256`, the checksum of the first download is recorded beside the file, see recorded(), and no
    other file is accepted from then on.

    Args:
        file: a File of the configuration, as a dict: `path`, or `url` (one or several mirrors), and `sha256`.
        downloads: folder for downloaded files.

    Raises:
        UserError: if the file is missing, available from no mirror, or has a different checksum.
    """
    if "path" in file:
        path, expected = Path(file["path"]), file.get("sha256")
        if not path.is_file():
            raise missing(path, remedy="correct its `path`")
    else:
        urls, path = mirrors(file), remote_path(file, downloads)
        expected = file.get("sha256") or recorded(path)
        for number, url in enumerate(urls if not path.exists() else []):
            try:
                download(url, path, expected or "")
                break
            except UserError:
                if number == len(urls) - 1:
                    raise
    if expected:
        check_digest(path, expected)
    elif "url" in file:
        with replacing(_note(path)) as note:
            note.write_text(f"{sha256(path)}  {path.name}\n", encoding="utf-8")
    return path


def remote_path(file: Mapping[str, Any], downloads: Path) -> Path:
    """Where local_file() stores a downloaded file; its name depends on the sha256, or if that is unknown on the URL."""
    url = mirrors(file)[0]
    key = file.get("sha256") or hashlib.sha256(url.encode()).hexdigest()
    return downloads / f"{key[:12]}-{Path(urlsplit(url).path).name}"


def recorded(path: Path) -> str:
    """The sha256 recorded at the first use of a file whose entry states none; empty before that."""
    return _note(path).read_text(encoding="utf-8").split()[0] if _note(path).exists() else ""


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")
