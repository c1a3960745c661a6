"""Downloads from a local server that behaves and misbehaves."""

import hashlib
import http.server
import threading

import pytest

from rssr.errors import UserError
from rssr.fetch import download

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/gone":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:5000] if self.path == "/broken" else CONTENT)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_a_whole_file_arrives(server, tmp_path):
    for digest in (SHA256, SHA256[:8]):
        download(f"{server}/file", tmp_path / "a/file", digest)
        assert (tmp_path / "a/file").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("page", "digest", "message"),
    [
        ("broken", SHA256, "the download of .*file broke off after 5000 of 10240 bytes"),
        ("file", "0" * 64, f"file has the sha256 {SHA256}, but 0000"),
        ("gone", SHA256, "cannot be downloaded .*: connect to the network, or download"),
    ],
)
def test_what_goes_wrong_is_named_and_leaves_nothing(server, tmp_path, page, digest, message):
    with pytest.raises(UserError, match=message):
        download(f"{server}/{page}", tmp_path / "file", digest)
    assert list(tmp_path.iterdir()) == []


def test_no_network(tmp_path):
    with pytest.raises(UserError, match="cannot be downloaded .*Connection refused"):
        download("http://127.0.0.1:9/file", tmp_path / "file", SHA256)
    assert list(tmp_path.iterdir()) == []
