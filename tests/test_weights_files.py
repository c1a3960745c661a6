"""Files of weights: read by their content, named for what they are, refused with code in them, fetched and bound."""

import bz2
import collections
import datetime
import decimal
import gzip
import hashlib
import lzma
import pickle
import struct
import time
import types
import uuid
import warnings
import zipfile

import numpy as np
import pytest
import torch
from objects import conv, same
from runs import serving_files

from rssr.base.errors import UserError
from rssr.base.files import encode_png
from rssr.base.tensors import read_weights, scale_of
from rssr.models.files import local_file, recorded
from rssr.models.registry import build
from rssr.models.weights import write_weights


@pytest.mark.parametrize("suffix", ["pth", "safetensors", "ckpt", "bin"])
def test_the_content_decides_how_a_file_is_read(tmp_path, suffix):
    state, path = conv().state_dict(), tmp_path / f"w.{suffix}"
    with pytest.raises(UserError, match="there is no file"):
        read_weights(path)
    write_weights(tmp_path / "w", state, scale=2)
    (tmp_path / "w").rename(path)
    assert read_weights(path).keys() == state.keys() and scale_of(path) == 2
    torch.save({"params": state}, path)
    assert read_weights(path).keys() == state.keys() and scale_of(path) is None


def scripted(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(conv(), torch.rand(1, 3, 8, 8)).save(str(path))


NO_WEIGHTS = {
    "is a Git LFS pointer": lambda path: path.write_text(
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{0:064}\n"
    ),
    "is a page in HTML": lambda path: path.write_text("\n <!DOCTYPE html><html>quota exceeded</html>"),
    "is a JSON text": lambda path: path.write_text('{"error": "not found"}'),
    "is a text that begins with '404: Not Found'": lambda path: path.write_text("404: Not Found\n"),
    "is a TorchScript program": scripted,
    "is a ZIP archive: unpack it": lambda path: zipfile.ZipFile(path, "w").writestr("net.pth", "x"),
    "is a gzip archive": lambda path: path.write_bytes(gzip.compress(b"x")),
    "is an HDF5 file": lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(80)),
    r"cannot be read as weights \(it is empty\): get it again": lambda path: path.touch(),
    "is a bzip2 archive": lambda path: path.write_bytes(bz2.compress(b"x")),
    "is an xz archive": lambda path: path.write_bytes(lzma.compress(b"x")),
    "is no file: correct its name": lambda path: path.mkdir(),
    "is no file: correct its": lambda path: path.symlink_to("/dev/zero"),
    "is a broken link, to nowhere": lambda path: path.symlink_to("nowhere"),
    "holds no state dict: names with tensors were expected, but nothing": lambda path: torch.save({}, path),
    "is a picture": lambda path: path.write_bytes(encode_png(np.zeros((2, 2, 3), np.uint8))),
}


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("said", NO_WEIGHTS)
def test_what_is_no_file_of_weights_is_called_what_it_is(tmp_path, said, suffix):
    path = tmp_path / f"w.{suffix}"
    NO_WEIGHTS[said](path)
    with pytest.raises(UserError, match=f"w.{suffix} {said}") as error:
        read_weights(path, 4)
    assert "\n" not in str(error.value)


BESIDE = [
    datetime.datetime(2020, 1, 2),  # noqa: DTZ001
    collections.deque([1.5], maxlen=3),
    collections.defaultdict(list, loss=[1.5]),
    types.SimpleNamespace(lr=1e-3),
    frozenset([1]),
    time.gmtime(0),
    decimal.Decimal("1.5"),
    uuid.UUID(int=3),
    np.datetime64("2020-01-01"),
    np.array(["a", "b"]),
]


@pytest.mark.parametrize("beside", BESIDE, ids=lambda value: type(value).__name__)
def test_what_is_no_code_stands_beside_weights(tmp_path, beside):
    torch.save({"params": conv().state_dict(), "beside": beside}, tmp_path / "w.pth")
    assert len(read_weights(tmp_path / "w.pth")) == 2


def test_weights_may_lie_in_a_defaultdict(tmp_path):
    torch.save(collections.defaultdict(dict, params=conv().state_dict()), tmp_path / "w.pth")
    assert read_weights(tmp_path / "w.pth").keys() == conv().state_dict().keys()


def test_a_damaged_list_of_an_archive_is_one_sentence(tmp_path):
    """Found by benchmarks/fuzz.py."""
    torch.save(conv().state_dict(), path := tmp_path / "w.pth")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02")] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="w.pth (cannot be read|holds more)"):
        read_weights(path)


class Infected:
    def __reduce__(self):
        return (print, ("code ran",))


@pytest.mark.parametrize("kind", ["checkpoint", "weights"])
@pytest.mark.parametrize(
    "write",
    [
        lambda path: torch.save({"params": {"w": torch.zeros(1)}, "extra": Infected()}, path),
        lambda path: path.write_bytes(pickle.dumps(Infected())),
    ],
)
def test_an_infected_file_is_refused_by_name_and_does_not_run(tmp_path, capfd, kind, write):
    path = tmp_path / "infected.pth"
    write(path)
    entry = {"arch": "basicsr:EDSR", "args": {"num_in_ch": 3, "num_out_ch": 3}} if kind == "weights" else {}
    with pytest.raises(UserError, match="infected.pth holds more than tensors .* save `network.state_dict"):
        build(entry | {kind: {"path": str(path)}})
    assert "code ran" not in capfd.readouterr().out


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    write_weights(folder / "w.safetensors", conv().state_dict(), scale=4)
    with serving_files(folder) as url:
        yield url


def test_mirrors_are_tried_in_turn_and_a_file_is_fetched_once(server, tmp_path):
    digest = hashlib.sha256((tmp_path / "served/w.safetensors").read_bytes()).hexdigest()
    file = {"url": [f"{server}/gone.safetensors", f"{server}/w.safetensors"], "sha256": digest}
    path = local_file(file, tmp_path / "downloads")
    assert path.name.startswith(digest[:12]) and same(conv(), read_weights(path)) is False
    (tmp_path / "served/w.safetensors").unlink()
    assert local_file(file, tmp_path / "downloads") == path
    with pytest.raises(UserError, match="cannot be downloaded|has the sha256"):
        local_file(file | {"sha256": "0" * 64}, tmp_path / "downloads")


def test_an_unknown_checksum_is_recorded_at_first_use_and_then_binding(server, tmp_path):
    """Also once the file was deleted and comes again."""
    file = {"url": f"{server}/w.safetensors", "sha256": None}
    path = local_file(file, tmp_path / "downloads")
    assert recorded(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert local_file(file, tmp_path / "downloads") == path
    for spoil in (path, tmp_path / "served/w.safetensors"):
        spoil.write_bytes(b"another")
        with pytest.raises(UserError, match=f"w.safetensors.* sha256 .*but {recorded(path)} was expected"):
            local_file(file, tmp_path / "downloads")
        path.unlink(missing_ok=True)


def test_weights_for_another_scale_are_refused_in_one_sentence(tmp_path):
    path = tmp_path / "w.safetensors"
    write_weights(path, conv().state_dict(), scale=4)
    assert scale_of(path) == 4
    for kind in (
        {"arch": "torch.nn:Conv2d", "args": {}, "weights": {"path": str(path)}},
        {"checkpoint": {"path": str(path)}},
    ):
        with pytest.raises(UserError, match="has weights for x4, but its entry's scale is x2: take x4, or name"):
            build(kind | {"scale": 2})


@pytest.mark.parametrize(
    "header",
    [
        '{"__metadata__": {"scale": 4}}',
        '{"__metadata__": {"scale": "1"}}',
        '{"__metadata__": {"scale": "2", "format": "pt"}}',
        '{"__metadata__": null}',
        '{"__metadata__": ["scale"]}',
        '{"__metadata__": {"scale": "' + "9" * 5000 + '"}}',
        '{"__metadata__": {"scale": "٤"}}',
        '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"__metadata__"',
    ],
    ids=lambda header: header[:30],
)
def test_a_header_with_something_else_records_no_scale(tmp_path, header):
    content = header.encode()
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", len(content)) + content)
    assert scale_of(tmp_path / "w.safetensors") is None
