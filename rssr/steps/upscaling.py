"""From a folder of LR images to folders of SR images, one per replicate."""

import hashlib
import json
import threading
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rssr.base.devices import precision_in_use
from rssr.base.errors import about
from rssr.base.files import read_csv, read_json, sha256, write_csv, write_json
from rssr.base.images import read_tensor, write_tensor
from rssr.base.parallel import in_order
from rssr.base.provenance import made_by
from rssr.base.resampling import to_uint8
from rssr.models.registry import seed
from rssr.models.tiling import within_memory
from rssr.plan.artifacts import model_of
from rssr.plan.replicate import drawn


def write_record(out_dir: Path, facts: Mapping[str, Any], weights: Mapping[str, Path], lr_dir: Path, code: str) -> str:
    """Write out_dir/provenance.json; returns the identity: a checksum over everything that determines the pixels.

    Args:
        out_dir: see upscale_folder().
        facts: model, device and threads.
        weights: replicate -> file of its weights.
        lr_dir: see upscale_folder().
        code: checksum over the code that is run.
    """
    facts = {
        **facts,
        "weights_sha256": {name: sha256(path) for name, path in weights.items()},
        "lr_manifest_sha256": sha256(lr_dir / "manifest.csv"),
        "precision": precision_in_use(),
    }
    write_json(out_dir / "provenance.json", made_by(**facts))
    return hashlib.sha256(json.dumps([facts, code]).encode()).hexdigest()


def upscale_folder(
    models: Mapping[str, nn.Module],
    draws: int,
    lr_dir: Path,
    out_dir: Path,
    identity: str,
    device: torch.device,
    jobs: int = 1,
) -> None:
    """Upscale the images of a prepared LR folder, in its manifest's order, and write out_dir/manifest.csv last.

    Images that an interrupted call of the same identity has left are kept; the others are deleted first. A network that
    samples is seeded by the name of each image and the number of the draw. Where memory has no room for an image, it is
    upscaled in tiles; the column `tile` of the manifest then has their side, 0 for whole images.

    Args:
        models: replicate -> (B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), in eval mode.
        draws: replicates of a network that samples, see plan.replicate.
        lr_dir: results/data/{dataset}/test/LR/x{scale}-{degradation}.
        out_dir: results/sr/{dataset}/x{scale}-{degradation}/{model}; images go to its folder of their replicate.
        identity: checksum over everything that determines the pixels, see write_record().
        device: the device that the models run on.
        jobs: images that are read, upscaled and written at a time; a network upscales one at a time.
    """
    rows, tiled = read_csv(lr_dir / "manifest.csv"), out_dir / ".tiled"
    _keep_only(out_dir, identity, {f"{row['image']}.png" for row in rows})
    numbers = {name: range(draws if seed(model, 0) else 1) for name, model in models.items()}
    models = {name: model.to(device) for name, model in models.items()}
    called = model_of(out_dir)
    sides = read_json(tiled) if tiled.exists() else {}
    alone = threading.Lock()  # one image at a time is in a network, while others are read and written

    def upscaled(row: Mapping[str, str]) -> list[dict[str, Any]]:
        lr, done = read_tensor(lr_dir / f"{row['image']}.png", row.get("sha256"))[None], []
        for name, model in models.items():
            for number in numbers[name]:
                of_image = {"image": row["image"], "replicate": drawn(name, number), "lr_sha256": row["sha256"]}
                path = out_dir / of_image["replicate"] / f"{row['image']}.png"
                if not path.exists():
                    about_it = about(f"models.{called}, image {row['image']}")
                    with alone, torch.inference_mode(), about_it:
                        seed(model, zlib.crc32(row["image"].encode()) + number)
                        found, side = within_memory(model, lr.to(device).float() / 255)
                        sr = to_uint8(found)[0].cpu()
                        sides[str(path.relative_to(out_dir))] = side
                        if side:  # an interrupted run has to know
                            write_json(tiled, sides)
                of_image["tile"] = sides.get(str(path.relative_to(out_dir)), 0)
                done.append(of_image | {"sha256": sha256(path) if path.exists() else write_tensor(path, sr)})
        return done

    found = [row for of_image in in_order(upscaled, rows, jobs, called) for row in of_image]
    if not any(row["tile"] for row in found):
        found = [{key: value for key, value in row.items() if key != "tile"} for row in found]
    write_csv(out_dir / "manifest.csv", found)


def _keep_only(out_dir: Path, identity: str, names: set[str]) -> None:
    out_dir.mkdir(parents=True, exist_ok=True)
    mark = out_dir / ".identity"
    same = mark.exists() and mark.read_text() == identity
    for path in out_dir.rglob("*.png"):
        if not same or path.name not in names:
            path.unlink()
    if not same:
        (out_dir / ".tiled").unlink(missing_ok=True)
    mark.write_text(identity)
