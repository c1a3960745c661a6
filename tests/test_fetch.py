"""Downloads from a local server that behaves and misbehaves."""

import hashlib
import http.server
import multiprocessing
import socket
import time

import pytest
from runs import serving

from rssr.base import fetch
from rssr.base.errors import UserError
from rssr.base.fetch import download

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FORM = '<input name="csrfmiddlewaretoken" value="abc"><input type="hidden" name="token" value="t1">'


class Handler(http.server.BaseHTTPRequestHandler):
    """What a path asks for, it gets; `asked` of the server remembers (path, range)."""

    def do_GET(self):
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.server.asked.append((self.path, start))
        getattr(self, self.path[1:].split("?")[0].rstrip("/"))(start)

    def do_POST(self):
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.asked.append((self.path, form))
        if form == "csrfmiddlewaretoken=abc&token=t1&password=open" and self.headers["Cookie"] == "sfcsrftoken=abc":
            self.redirect(0)
        else:
            self.page(0)

    def send(self, body, status=200, **headers):
        self.send_response(status)
        for name, value in ({"Content_Length": len(body)} | headers).items():
            if value is not None:
                self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def file(self, start):
        headers = {"Content_Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"} if start else {}
        self.send(CONTENT[start:], 206 if start else 200, **headers)

    def breaks(self, start):
        rest = CONTENT[start:]
        headers = {"Content_Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"} if start else {}
        self.send(rest[:4000], 206 if start else 200, Content_Length=len(rest), **headers)

    def no_ranges(self, start):
        whole = sum(path == self.path for path, _ in self.server.asked) > 1
        self.send(CONTENT if whole else CONTENT[:4000], Content_Length=len(CONTENT))

    def stuck(self, start):
        if start >= 4000:
            self.send(b"", 206, Content_Length=1, Content_Range=f"bytes {start}-{start}/{start + 1}")
        else:
            self.send(CONTENT[:4000], Content_Length=len(CONTENT))

    def too_long(self, start):
        if start >= len(CONTENT):
            self.send(b"", 416, Content_Range=f"bytes */{len(CONTENT)}")
        else:
            self.send(CONTENT[start:], 206 if start else 200, Content_Length=len(CONTENT) - start + 99,
                      Content_Range=f"bytes {start}-{len(CONTENT) + 98}/{len(CONTENT) + 99}")  # fmt: skip

    def too_short(self, start):
        self.send(CONTENT, Content_Length=5000)

    def no_length(self, start):
        self.send(CONTENT, Content_Length=None)

    def wrong_range(self, start):
        if start:
            self.send(CONTENT, 206, Content_Range=f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            self.breaks(0)

    def page(self, start):
        self.send(b"\n<!DOCTYPE html><title>expired</title>", Content_Type="text/html; charset=utf-8")

    def page_as_zip(self, start):
        self.send(b"<html><body>log in</body></html>", Content_Type="application/zip")

    def redirect(self, start):
        self.send(b"", 302, Location="/file")

    def loop(self, start):
        self.send(b"", 302, Location="/loop")

    def busy(self, start):
        if sum(path == self.path for path, _ in self.server.asked) < 3:
            self.send(b"later", 503)
        else:
            self.file(start)

    def slow(self, start):
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        for first in range(0, len(CONTENT), 2048):
            self.wfile.write(CONTENT[first : first + 2048])
            self.wfile.flush()
            time.sleep(0.1)

    def stalls(self, start):
        if start:
            self.file(start)
        else:
            self.send(CONTENT[:4000], Content_Length=len(CONTENT))
            time.sleep(1.5)

    def share(self, start):
        self.send(FORM.encode(), Content_Type="text/html", Set_Cookie="sfcsrftoken=abc; Path=/")

    def gone(self, start):
        self.send_error(404)

    def huge(self, start):
        self.send(b"", Content_Length=10**17)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(fetch, "WAITS", (0, 0, 0, 0))
    with serving(Handler) as running:
        running.asked = []
        yield running


def test_an_address_may_have_spaces_and_any_letters(server, tmp_path):
    download(f"{server.url}/file?name=ü b%20c", tmp_path / "a", "")
    assert (tmp_path / "a").read_bytes() == CONTENT and server.asked == [("/file?name=%C3%BC%20b%20c", 0)]


@pytest.mark.parametrize("page", ["file", "breaks", "no_ranges", "no_length", "redirect", "busy", "slow", "too_long"])
def test_a_whole_file_arrives(server, tmp_path, page):
    for number, digest in enumerate((SHA256, SHA256[:8], f"md5:{hashlib.md5(CONTENT).hexdigest()}", "")):
        path = tmp_path / f"{number}/file"
        download(f"{server.url}/{page}", path, digest)
        assert path.read_bytes() == CONTENT
        assert list(path.parent.iterdir()) == [path]


def test_a_broken_transfer_goes_on_where_it_ended(server, tmp_path):
    download(f"{server.url}/breaks", tmp_path / "file", SHA256)
    assert server.asked == [("/breaks", start) for start in (0, 4000, 8000)]


def test_the_next_run_goes_on_too(server, tmp_path):
    with pytest.raises(UserError, match=r"broke off after 4000 of 4001 bytes: run again to resume"):
        download(f"{server.url}/stuck", tmp_path / "file", SHA256)
    assert (tmp_path / ".file.part").stat().st_size == 4000
    server.asked.clear()
    download(f"{server.url}/file", tmp_path / "file", SHA256)
    assert server.asked == [("/file", 4000)]
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_silent_server_is_asked_again(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "TIMEOUT", 0.5)
    download(f"{server.url}/stalls", tmp_path / "file", SHA256)
    assert server.asked == [("/stalls", 0), ("/stalls", 4000)]


@pytest.mark.parametrize(
    ("page", "options", "message"),
    [
        ("file", {"digest": "0" * 64}, f"file has the sha256 {SHA256}, but 0000"),
        ("file", {"digest": "md5:" + "0" * 32}, "file has the md5 .* but 0000"),
        ("file", {"size": 5}, "file has 10240 bytes, but 5 were expected"),
        ("too_short", {"digest": SHA256}, "file has the sha256 .* was expected"),
        ("gone", {}, "cannot be downloaded .*404.*: connect to the network, or download"),
        ("loop", {}, "cannot be downloaded .*302"),
        ("page", {}, "the server sent a web page instead of .*file"),
        ("page_as_zip", {}, "the server sent a web page instead of .*file"),
        ("huge", {}, "needs 100000000.00 GB on the disk of .* GB free: free some"),
    ],
)
def test_what_goes_wrong_is_named_and_leaves_nothing(server, tmp_path, page, options, message):
    with pytest.raises(UserError, match=message):
        download(f"{server.url}/{page}", tmp_path / "file", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_answers_another_range_is_refused(server, tmp_path):
    with pytest.raises(UserError, match="sends another range"):
        download(f"{server.url}/wrong_range", tmp_path / "file", SHA256)


def test_a_password_opens_a_share(server, tmp_path):
    download(f"{server.url}/share/", tmp_path / "file", SHA256, password="open")
    assert [path for path, _ in server.asked] == ["/share/", "/share/?dl=1", "/file"]
    with pytest.raises(UserError, match="sent a web page"):
        download(f"{server.url}/share/", tmp_path / "other", SHA256, password="wrong")


def test_two_at_once_download_once(server, tmp_path):
    jobs = [
        multiprocessing.Process(target=download, args=(f"{server.url}/slow", tmp_path / "file", SHA256))
        for _ in range(3)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
        assert job.exitcode == 0
    assert server.asked == [("/slow", 0)]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_no_network(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(UserError, match=r"cannot be downloaded .*Connection refused.*: connect to the network"):
        download(f"http://127.0.0.1:{port}/file", tmp_path / "file", SHA256)
    assert list(tmp_path.iterdir()) == []
