"""Inputs changed at random through each reader: what comes is what is there or one sentence, never another exception.

PYTHONPATH=. python benchmarks/fuzz.py --seconds 600 --out results/reference/fuzz.json

Each try has a number, from which its change is drawn; a failure is recorded with it, and `--only READER NUMBER` does
that one again. The process has room for 8 GiB, so that a reader which takes what a file declares fails.
"""

import argparse
import io
import json
import resource
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image
from safetensors.torch import save

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.base.files import encode_png, read_csv, read_image, read_json, write_json
from rssr.base.provenance import code_version, made_by
from rssr.base.raster import open_raster
from rssr.base.tensors import read_weights, scale_of
from rssr.config import load
from rssr.models.registry import build
from rssr.plan.manifests import incomplete

_WORDS = b'null [] {} &a *a !! ~ 1e999 -1 \0 \xff , " :'.split() + [b"\n", b": ", b"- "]
_VALUES = [None, "", 0, -1, 1e308, float("nan"), [], {}, "x" * 1000, True, ["a", ["b"]], "\u202e", "{scale}", "=1+1"]
_NAMES = ("config", "test", "paper", "zoo")
PICTURE = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)


def pictures() -> list[tuple[str, bytes]]:
    """A small picture in each format."""
    found = [("png", encode_png(PICTURE))]
    modes = {"png": "P", "jpeg": "RGB", "tiff": "RGB", "bmp": "RGB", "webp": "RGB", "gif": "P", "ppm": "RGB"}
    for suffix, mode in (modes | {"jp2": "RGB", "pbm": "1"}).items():
        form = {"jp2": "JPEG2000", "pbm": "PPM"}.get(suffix, suffix)
        Image.fromarray(PICTURE).convert(mode).save(held := io.BytesIO(), form)
        found.append((suffix, held.getvalue()))
    return [*found, ("pfm", b"Pf\n20 24\n-1.0\n" + PICTURE[..., 0].astype("<f4").tobytes())]


def checkpoints() -> list[tuple[str, bytes]]:
    """Small weights as PyTorch and safetensors write them."""
    entry = {"arch": "basicsr:SRVGGNetCompact", "args": {"num_feat": 4, "num_conv": 1, "upscale": 4}}
    state = build(entry).network.state_dict()
    torch.save({"params": state, "params_ema": state, "epoch": 3}, held := io.BytesIO())
    torch.save(state, old := io.BytesIO(), _use_new_zipfile_serialization=False)
    return [("pth", held.getvalue()), ("pth", old.getvalue()), ("safetensors", save(state, {"scale": "4"}))]


def tables() -> list[tuple[str, bytes]]:
    """A manifest and a record."""
    rows = "".join(f"a{n}_x0_y{n},a,{'0' * 64},0,{n},48,{n + 48},0,{'1' * 64}\n" for n in range(9))
    head = "image,source,source_sha256,left,top,right,bottom,repeated,sha256\n"
    return [("csv", (head + rows).encode()), ("json", json.dumps({"a": [1, {"b": None}], "c": "é"}).encode())]


def look(path: Path) -> None:
    """Read an image as data sets and `upscale` do, and as later steps do."""
    with open_raster(path, stretch=(0, 255)) as image:
        image.rgb((0, 0, *(min(side, 100) for side in image.size)))
    if path.suffix == ".png":
        read_image(path)


def weigh(path: Path) -> None:
    """Read weights, and build the network that spandrel recognises in them."""
    scale_of(path)
    read_weights(path, 4)
    network = build({"checkpoint": {"path": str(path)}})
    network(torch.zeros(1, 3, 8, 8))


def tabulate(path: Path) -> None:
    """Read a manifest or a record."""
    if path.suffix == ".json":
        read_json(path)
    else:
        read_csv(path)
        incomplete(path)


def configurations() -> list[tuple[str, bytes]]:
    """The shipped files."""
    return [("yaml", (ROOT / f"config/{name}.yaml").read_bytes()) for name in _NAMES]


ROOM = 8 * 2**30  # bytes
READERS: dict[str, tuple[Callable[[], list[tuple[str, bytes]]], Callable[[Path], object]]] = {
    "configuration": (configurations, load),
    "manifest": (tables, tabulate),
    "checkpoint": (checkpoints, weigh),
    "image": (pictures, look),
}


def changed(content: bytes, draw: np.random.Generator) -> bytes:
    """Content with bits flipped, cut off, doubled, swapped, overwritten, or with words that mean something put in."""
    out = bytearray(content)
    for _ in range(draw.integers(1, 5)):
        place, length = draw.integers(len(out) or 1), int(draw.integers(1, 40))
        match draw.integers(6):
            case 0:
                for spot in draw.integers(0, len(out) or 1, length) if out else ():
                    out[spot] ^= 1 << draw.integers(8)
            case 1:
                del out[place:]
            case 2:
                del out[place : place + length]
            case 3:
                out[place:place] = out[place : place + length * 10]
            case 4:
                out[place : place + length] = draw.bytes(length)
            case 5:
                out[place:place] = _WORDS[draw.integers(len(_WORDS))]
    return bytes(out)


def grafted(content: bytes, draw: np.random.Generator) -> bytes:
    """A configuration whose tree is changed: a part put in the place of another, or a value of another kind."""
    tree = yaml.safe_load(content)
    spots = list(_spots(tree))
    for _ in range(draw.integers(1, 4)):
        holder, key = spots[draw.integers(len(spots))]
        other, part = spots[draw.integers(len(spots))]
        values = [*_VALUES, other[part], other[part], other[part]]
        holder[key] = values[draw.integers(len(values))]
    return yaml.dump(tree).encode()


def _spots(tree: object) -> list[tuple]:
    """Where a tree can be changed: (container, key)."""
    pairs = list(tree.items()) if isinstance(tree, dict) else list(enumerate(tree)) if isinstance(tree, list) else []
    return [spot for key, value in pairs for spot in [(tree, key), *_spots(value)]]


def attempt(reader: str, number: int, inputs: list[tuple[str, bytes]], folder: Path) -> str:
    """Try one change: "read", "refused", or what came instead."""
    draw = np.random.default_rng([sorted(READERS).index(reader), number])
    suffix, content = inputs[draw.integers(len(inputs))]
    change = grafted if reader == "configuration" and draw.integers(2) else changed
    path = folder / f"a.{suffix}"
    path.write_bytes(change(content, draw))
    try:
        READERS[reader][1](path)
    except UserError as error:
        return "refused" if "\n" not in str(error) else f"several lines: {error}"
    except BaseException as error:  # whatever it is, it is a finding
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return "read"


def main() -> None:
    """Try each reader for some seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600, help="for each reader")
    parser.add_argument("--only", nargs=2, metavar=("READER", "NUMBER"), help="do one try again")
    parser.add_argument(
        "--readers", nargs="+", choices=READERS, default=[*READERS], help="and keep the others of --out"
    )
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM))
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    found = read_json(arguments.out)["readers"] if arguments.out and arguments.out.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        if arguments.only:
            reader, number = arguments.only
            print(attempt(reader, int(number), READERS[reader][0](), Path(folder)))
            return
        for reader in arguments.readers:
            inputs, counts, failures, number = READERS[reader][0](), Counter(), [], 0
            end = time.monotonic() + arguments.seconds
            while time.monotonic() < end:
                came = attempt(reader, number, inputs, Path(folder))
                counts[came if came in ("read", "refused") else "other"] += 1
                failures += [{"number": number, "came": came}] if came not in ("read", "refused") else []
                number += 1
            tried = {"code": code_version(), "seconds": arguments.seconds, "tries": number}
            found[reader] = tried | counts | {"failures": failures}
            print(reader, json.dumps(found[reader]), flush=True)
            if arguments.out:
                write_json(arguments.out, made_by(readers=found))


if __name__ == "__main__":
    main()
