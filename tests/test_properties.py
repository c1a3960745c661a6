"""Properties of the readers: what was written is read, and what was changed is read or refused in one sentence.

The changes are those of benchmarks/fuzz.py, which does the same for as long as one likes.
"""

import contextlib
import json
import runpy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.base.files import read_csv, read_image, write_csv, write_image, write_json
from rssr.base.raster import open_raster
from rssr.base.tensors import choose_weights
from rssr.config import read, validate

FUZZ = SimpleNamespace(**runpy.run_path(str(ROOT / "benchmarks/fuzz.py")))
READERS = {reader: make() for reader, (make, _) in FUZZ.READERS.items()}
few = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])

TEXT = st.text(st.characters(exclude_characters="\x85\u2028\u2029"), max_size=8)  # these end lines in YAML 1.1 alone
NAME = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=8)  # of an image, see datasets/folder.py
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TREES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
SIDES = st.tuples(st.integers(1, 9), st.integers(1, 9))
KEYS = st.text("hknvxy01._", min_size=1, max_size=9)
DTYPES = st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.bool])


@pytest.mark.parametrize("reader", READERS)
@few
@given(number=st.integers(0, 2**32))
def test_what_was_changed_is_read_or_refused_in_one_sentence(tmp_path, reader, number):
    assert FUZZ.attempt(reader, number, READERS[reader], tmp_path) in ("read", "refused")


@few
@example(tree={"😀": "a😀"}, escaped=True)
@example(tree={"a": "\ud83d"}, escaped=True)
@given(tree=st.dictionaries(TEXT, TREES, max_size=4), escaped=st.booleans())
def test_a_configuration_is_read_as_written_or_refused(tmp_path, tree, escaped):
    """JSON is YAML 1.2."""
    path = tmp_path / "c.yaml"
    path.write_bytes(json.dumps(tree, ensure_ascii=escaped).encode("utf-8", "surrogatepass"))
    try:
        found = read(path)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert json.dumps(found) == json.dumps(tree)


@few
@given(label=TEXT, args=st.dictionaries(KEYS, TREES, max_size=3), pattern=TEXT)
def test_an_entry_keeps_what_it_says(label, args, pattern):
    content = {
        "datasets": {"mine": {"label": "Mine", "images": "a", "split": {"test": pattern}}},
        "models": {"net": {"label": label, "arch": "my_nets:Net", "args": args}},
    }
    try:
        config = validate(content, "c.yaml")
    except UserError as error:
        assert "\n" not in str(error)
        return
    assert validate(config.model_dump(mode="json"), "c.yaml") == config
    assert config.models["net"].args == args and "".join(config.models["net"].label.split())


@few
@given(data=st.data(), columns=st.lists(NAME.filter(bool), min_size=1, max_size=4, unique=True))
def test_a_manifest_is_read_as_written_and_not_when_changed(tmp_path, data, columns):
    rows = data.draw(st.lists(st.fixed_dictionaries(dict.fromkeys(columns, NAME)), max_size=4))
    path = tmp_path / "manifest.csv"
    write_json(tmp_path / "provenance.json", {})
    write_csv(path, rows)
    assert read_csv(path) == rows
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    for changed in (content, content[: data.draw(st.integers(0, len(content) - 1))]):
        path.write_bytes(changed)
        with pytest.raises(UserError, match="manifest.csv is damaged"):
            read_csv(path)


@few
@given(data=st.data(), sides=SIDES)
def test_an_image_is_read_as_written_or_refused(tmp_path, data, sides):
    draw = np.random.default_rng(data.draw(st.integers(0, 99)))
    pixels = draw.integers(0, 256, (*sides, 3), dtype=np.uint8)
    path = tmp_path / "a.png"
    write_image(path, pixels, data.draw(st.booleans()))
    assert (read_image(path) == pixels).all()
    mode, form = data.draw(st.sampled_from([("RGB", "png"), ("L", "png"), ("RGBA", "tif"), ("P", "gif"), ("1", "bmp")]))
    other = Image.fromarray(pixels).convert(mode)
    other.save(tmp_path / f"b.{form}")
    for name, expected in (("a.png", pixels), (f"b.{form}", np.asarray(other.convert("RGB")))):
        with open_raster(tmp_path / name) as image:
            found, valid = image.rgb((0, 0, *image.size))
        assert found.shape == expected.shape and (found == expected).all() and valid.all()
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    for reads in (read_image, lambda path: open_raster(path).rgb((0, 0, *sides[::-1]))[0]):
        with contextlib.suppress(UserError):
            assert (reads(path) == pixels).all()  # the end of a PNG file holds none


@few
@given(
    state=st.dictionaries(KEYS, st.tuples(DTYPES, SIDES), min_size=1, max_size=4),
    wrapper=st.sampled_from([(), ("params",), ("model", "state_dict"), ("net_g",), ("x4",), ("other",)]),
    averaged=st.sampled_from([None, "params_ema", "ema", "model_ema"]),
    form=st.sampled_from(["pth", "old.pth", "safetensors"]),
)
def test_weights_are_read_as_written_or_refused(tmp_path, state, wrapper, averaged, form):
    state = {name: torch.ones(*sides).mul(len(name)).to(dtype) for name, (dtype, sides) in state.items()}
    path, content = tmp_path / f"a.{form}", state
    if form == "safetensors":
        save_file(state, path)
    else:
        for key in reversed(wrapper):
            content = {key: content, "epoch": 3}
        if averaged:
            raw = {name: tensor.logical_not() for name, tensor in state.items()}
            content = {averaged: content, "params": raw}
        torch.save(content, path, _use_new_zipfile_serialization=form == "pth")
    found, place = choose_weights(path, 4)
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) and found[name].dtype == state[name].dtype for name in state)
    whole = path.read_bytes()
    for length in (0, len(whole) // 3, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError) as error:
            choose_weights(path, 4)
        assert "\n" not in str(error.value)
