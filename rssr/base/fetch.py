"""Files from the web: checked, and whole or absent; an interrupted transfer resumes."""

import fcntl
import http.client
import os
import re
import shutil
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from rssr.base.errors import UserError
from rssr.base.files import check_digest

WAITS = (1, 2, 4, 8)  # seconds before each retry, as long as no byte arrives
TIMEOUT = 60  # seconds without a byte received
_CHUNK = 1 << 20
_PASSING = {408, 425, 429, 500, 502, 503, 504}  # HTTP errors that a later try may not meet


def download(
    url: str, path: Path, digest: str = "", size: int | None = None, password: str | None = None, room: int = 0
) -> None:
    """Download a file, unless another process has downloaded it in the meantime.

    What has arrived is kept beside it under a temporary name; the next try or run requests the rest.

    Args:
        url: http or https address.
        path: where the file goes.
        digest: the first digits of its sha256, or "md5:" and those of its md5; empty: not checked.
        size: its length in bytes, if known.
        password: of a Seafile share that `url` leads to.
        room: bytes that the disk must have free beyond the file itself.

    Raises:
        UserError: without a network, for a transfer that keeps breaking off, for a full disk, for another content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _partial(path) as part:
        if path.exists():
            part.unlink()
            return
        _transfer(url, part, path, size, password, room)
        try:
            if size is not None and (found := part.stat().st_size) != size:
                raise UserError(
                    f"{path} has {found} bytes, but {size} were expected",
                    f"the file behind {url} has changed or its server is broken: get it from elsewhere",
                )
            check_digest(part, digest, path)
        except UserError:
            part.unlink()
            raise
        part.replace(path)


def check_room(folder: Path, needed: int, what: object) -> None:
    """UserError unless the disk of a folder has `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"{what} needs {needed / 1e9:.2f} GB on the disk of {folder}, which has {free / 1e9:.2f} GB free",
            "free some and run again",
        )


@contextmanager
def _partial(path: Path) -> Iterator[Path]:
    """The temporary file of a download, created where absent and locked; deleted at the end if nothing is in it."""
    part = path.with_name(f".{path.name}.part")
    while True:
        with part.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # The last holder of the lock may have renamed or deleted the file, and a third process created it again.
            if _is(part, file):
                try:
                    yield part
                finally:
                    if _is(part, file) and not part.stat().st_size:
                        part.unlink()
                return


def _is(path: Path, file: BinaryIO) -> bool:
    """Whether an open file still lies at a path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _transfer(url: str, part: Path, path: Path, size: int | None, password: str | None, room: int) -> None:
    """Append to `part` until it is whole; a try that receives more bytes resets the waiting times."""
    waits = iter(WAITS)
    while True:
        start = part.stat().st_size
        problem = _try(url, part, path, size, password, room)
        if problem is None:
            return
        if part.stat().st_size > start:
            waits = iter(WAITS)
        wait = next(waits, None)
        if wait is None:
            raise UserError(problem, f"run again to resume, or {_by_hand(url)}")
        time.sleep(wait)


def _try(url: str, part: Path, path: Path, size: int | None, password: str | None, room: int) -> str | None:
    """One request; the problem, if a retry may succeed, or None when the file is whole."""
    start = part.stat().st_size
    connected = False
    try:
        with _open(url, start, password) as response:
            connected = True
            total = _append(response, part, start, path, room)
        found = part.stat().st_size
        return None if total in (None, found) else f"the download of {path} broke off after {found} of {total} bytes"
    except urllib.error.HTTPError as error:
        problem = f"{path} cannot be downloaded (HTTP {error.code} {error.reason})"
        if error.code == 416 and start:  # nothing lies beyond `start`: it is whole, or not a part of this file
            if start == size or error.headers.get("Content-Range", "").endswith(f"/{start}"):
                return None
            os.truncate(part, 0)
        elif error.code not in _PASSING:
            raise UserError(problem, f"connect to the network, or {_by_hand(url)}") from None
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError) as error:
        problem = f"{path} cannot be downloaded ({getattr(error, 'reason', None) or error or type(error).__name__})"
        if not connected and not start:  # no such host, or no network: retrying does not help
            raise UserError(problem, f"connect to the network, or {_by_hand(url)}") from None
    return problem


def _by_hand(url: str) -> str:
    return f"download {url} on another machine and put it there"


def _open(url: str, start: int, password: str | None) -> http.client.HTTPResponse:
    """Ask for a file from byte `start` on; redirections are followed."""
    url = urllib.parse.quote(url, safe="%/:?#[]@!$&'()*+,;=~")  # a space or a letter such as ü as browsers send it
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    headers = {"Range": f"bytes={start}-"} if start else {}
    if password is None:
        return opener.open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    with opener.open(url, timeout=TIMEOUT) as page:  # a form with two tokens; with the password, it leads to the file
        form = dict(re.findall(r'name="(csrfmiddlewaretoken|token)" value="([^"]*)"', page.read().decode()))
    data = urllib.parse.urlencode(form | {"password": password}).encode()
    request = urllib.request.Request(f"{url}?dl=1", data, headers | {"Referer": url})
    return opener.open(request, timeout=TIMEOUT)


def _append(response: http.client.HTTPResponse, part: Path, start: int, path: Path, room: int) -> int | None:
    """Append what a server sends; the length of the whole file, or None if the server does not state it."""
    if "Content-Length" not in response.headers:
        total = None
    elif response.status == 206:
        total = start + int(response.headers["Content-Length"])
    else:
        total = int(response.headers["Content-Length"])
    if response.status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        raise UserError(f"the server of {path} sends another range than requested", "get it from elsewhere")
    if response.status != 206 and start:  # the server cannot resume: start over
        os.truncate(part, 0)
        start = 0
    check_room(path.parent, (total or 0) - start + room, path)
    page = response.headers.get_content_type() == "text/html"
    bar = tqdm(total=total, initial=start, desc=path.name, unit="B", unit_scale=True, mininterval=1)
    with bar, part.open("ab") as file:
        while chunk := response.read1(_CHUNK):  # what arrived before a connection broke is kept
            if not start and (page or chunk.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html"))):
                raise UserError(
                    f"the server sent a web page instead of {path}",
                    f"its address may have expired or ask for a login: open {response.url} in a browser",
                )
            start += len(chunk)
            file.write(chunk)
            bar.update(len(chunk))
    return total
