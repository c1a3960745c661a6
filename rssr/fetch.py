"""Files from the web: checked, and whole or absent."""

import http.client
import shutil
import urllib.error
import urllib.request
from pathlib import Path

from rssr.errors import UserError
from rssr.files import replacing, sha256


def download(url: str, path: Path, digest_start: str) -> None:
    """Download a file whose sha256 begins with the given digits.

    Raises:
        UserError: without a network, for a transfer that ended early, for another content.
    """
    by_hand = f"download {url} on another machine and put it there"
    with replacing(path) as temporary:
        try:
            with urllib.request.urlopen(url, timeout=60) as response, temporary.open("wb") as file:
                shutil.copyfileobj(response, file)
                expected = response.headers.get("Content-Length")
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            reason = getattr(error, "reason", error)
            raise UserError(
                f"{path} cannot be downloaded ({reason})", f"connect to the network, or {by_hand}"
            ) from None
        size = temporary.stat().st_size
        if expected is not None and size != int(expected):
            raise UserError(
                f"the download of {path} broke off after {size} of {expected} bytes", f"run again, or {by_hand}"
            )
        check_digest(temporary, digest_start, path)


def check_digest(file: Path, digest_start: str, name: Path | None = None) -> None:
    """UserError unless the sha256 of a file begins with the given digits; `name` is the one that the user knows."""
    if not (found := sha256(file)).startswith(digest_start):
        raise UserError(
            f"{name or file} has the sha256 {found}, but {digest_start} was expected",
            "the file has changed or was damaged on its way: delete it and run again",
        )
