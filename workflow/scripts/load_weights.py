"""Bring the weights of one model, from a file or an address, into the one place and format of all weights."""

import argparse
import json
from pathlib import Path
from urllib.parse import urlsplit

from rssr.errors import run
from rssr.fetch import download
from rssr.files import check_sha256, sha256, write_json
from rssr.models.registry import build
from rssr.models.weights import read_weights, write_weights
from rssr.provenance import made_by


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=json.loads, required=True, help="configuration entry as JSON")
    parser.add_argument("--downloads", type=Path, required=True, help="folder for files that come from an address")
    parser.add_argument("--weights", type=Path, required=True, help="safetensors file; .json is put beside it")
    arguments = parser.parse_args()

    model = arguments.model
    kind = "checkpoint" if "checkpoint" in model else "weights"
    file = model[kind]
    path = Path(file["path"]) if "path" in file else arguments.downloads / _name(file)
    if "url" in file and not path.exists():
        download(file["url"], path, file["sha256"])
    if "sha256" in file:
        check_sha256(path, file["sha256"])
    build(model | {kind: {"path": str(path)}})  # weights that do not fit stop here, before any image is touched
    write_weights(arguments.weights, read_weights(path))
    beside = path.with_suffix(".json")
    facts = made_by(
        loaded_from=file.get("url", str(path)),
        source_sha256=sha256(path),
        sha256=sha256(arguments.weights),
        training=json.loads(beside.read_text()) if beside.exists() else "not stated",
    )
    write_json(arguments.weights.with_suffix(".json"), facts)


def _name(file: dict[str, str]) -> str:
    """A name for a download, of its own for every content."""
    return f"{file['sha256'][:12]}-{Path(urlsplit(file['url']).path).name}"


run(main)
