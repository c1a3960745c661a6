"""From a folder of LR images to folders of SR images, one per replicate."""

import hashlib
import json
import threading
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rssr.base.devices import precision_in_use
from rssr.base.errors import UserError, about
from rssr.base.files import read_csv, read_json, sha256, write_csv, write_json
from rssr.base.images import read_tensor, write_tensor
from rssr.base.parallel import in_order
from rssr.base.provenance import made_by
from rssr.models.batching import Batching
from rssr.models.names import INTERPOLATIONS
from rssr.models.registry import build, with_weights
from rssr.plan.artifacts import model_of
from rssr.plan.replicate import SINGLE, drawn
from rssr.plan.shards import WHOLE, Shard
from rssr.steps.shards import merged, merged_record


def networks(entry: Mapping[str, Any], weights: Mapping[str, Path]) -> dict[str, nn.Module]:
    """Replicate -> the model of an entry, see models.registry.build(), with the weights of the replicate.

    UserError for a function that returns one network for several, which all would have the weights of the last.
    """
    found = {name: build(with_weights(entry, weights.get(name))) for name in weights or (SINGLE,)}
    places = [{value.data_ptr() for value in model.parameters() if value.numel()} for model in found.values()]
    if len(set().union(*places)) < sum(map(len, places)):
        problem = f"arch '{entry['arch']}' returned the same network twice, where each replicate has weights of its own"
        raise UserError(problem, "let it make a new one in each call")
    return found


def images_at_a_time(entry: Mapping[str, Any], device: str, threads: int) -> int:
    """A network on the CPU uses all threads for one image; beside a GPU, and for interpolations, images share them."""
    return threads if device != "cpu" or entry.get("arch") in INTERPOLATIONS else 1


def write_record(folder: Path, facts: Mapping[str, Any], weights: Mapping[str, Path], lr_dir: Path, code: str) -> str:
    """Write folder/provenance.json; returns the identity: a checksum over everything that determines the pixels.

    Args:
        folder: that of the manifest, see upscale_folder().
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
    write_json(folder / "provenance.json", made_by(**facts))
    return hashlib.sha256(json.dumps([facts, code]).encode()).hexdigest()


def upscale_folder(
    models: Mapping[str, nn.Module],
    draws: int,
    lr_dir: Path,
    out_dir: Path,
    identity: str,
    device: torch.device,
    jobs: int = 1,
    shard: Shard = WHOLE,
    manifest: Path | None = None,
) -> None:
    """Upscale the images of a prepared LR folder, in its manifest's order, and write the manifest of SR images last.

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
        jobs: images that are read, upscaled and written at a time, see models.batching for those in a network.
        shard: the range of the images that is upscaled.
        manifest: where the SR images are listed, by default out_dir/manifest.csv.
    """
    of_all = read_csv(lr_dir / "manifest.csv")
    rows, first = shard.of(of_all), of_all[0]  # the same one for all shards
    tiled = _keep_only(out_dir, identity, {f"{row['image']}.png" for row in rows}, shard)
    called = model_of(out_dir / "manifest.csv")
    example = read_tensor(lr_dir / f"{first['image']}.png", first.get("sha256"))[None].to(device).float() / 255
    with about(f"models.{called}, image {first['image']}"):
        shared = {name: Batching(model.to(device), example) for name, model in models.items()}
    sides = read_json(tiled) if tiled.exists() else {}
    noting = threading.Lock()

    def upscaled(row: Mapping[str, str]) -> list[dict[str, Any]]:
        lr, done = read_tensor(lr_dir / f"{row['image']}.png", row.get("sha256"))[None], []
        for name, model in shared.items():
            for number in range(draws if model.seeded else 1):
                of_image = {"image": row["image"], "replicate": drawn(name, number), "lr_sha256": row["sha256"]}
                path = out_dir / of_image["replicate"] / f"{row['image']}.png"
                if not path.exists():
                    with about(f"models.{called}, image {row['image']}"):
                        x = lr.to(device).float() / 255
                        sr, side = model(x, zlib.crc32(row["image"].encode()) + number)
                    with noting:
                        sides[str(path.relative_to(out_dir))] = side
                        if side:  # an interrupted run has to know
                            write_json(tiled, sides)
                of_image["sha256"] = sha256(path) if path.exists() else write_tensor(path, sr)
                done.append(of_image | {"tile": sides.get(str(path.relative_to(out_dir)), 0)})
        return done

    found = in_order(upscaled, rows, jobs, called)
    write_csv(manifest or out_dir / "manifest.csv", _listed([row for of_image in found for row in of_image]))


def merge_upscaled(parts: Sequence[Path], lr_dir: Path, out_dir: Path) -> None:
    """Write the record and the manifest of SR images that shards have made; other images of their folder are deleted.

    Args:
        parts: the manifests of the shards, in order, each with its provenance.json beside it.
        lr_dir: see upscale_folder().
        out_dir: likewise.
    """
    rows = merged(parts, [row["image"] for row in read_csv(lr_dir / "manifest.csv")])
    listed = {out_dir / row["replicate"] / f"{row['image']}.png" for row in rows}
    for path in set(out_dir.rglob("*.png")) - listed:
        path.unlink()
    write_json(out_dir / "provenance.json", merged_record([part.with_name("provenance.json") for part in parts]))
    write_csv(out_dir / "manifest.csv", _listed(rows))


def _listed(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a manifest of SR images: the column `tile` comes last, and only if one was upscaled in tiles."""
    sides = [row.pop("tile", 0) for row in rows]
    return [row | {"tile": side} for row, side in zip(rows, sides, strict=True)] if any(map(int, sides)) else [*rows]


def _keep_only(out_dir: Path, identity: str, names: set[str], shard: Shard) -> Path:
    """Delete images that are not of this identity: all others, and of a shard, whose neighbours work, those in it.

    A mark says whose images there are. It goes before an image of another division of the set is touched.

    Returns:
        Where those of the kept images that were upscaled in tiles are noted; each shard has a note of its own.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    whole = shard == WHOLE
    mark, tiled = (out_dir / (name if whole else f"{name}.{shard.name}") for name in (".identity", ".tiled"))
    beside = set() if whole else set(out_dir.glob(f".identity.*-of-{shard.count}"))
    for other in set(out_dir.glob(".identity*")) - beside - {mark}:
        other.unlink(missing_ok=True)
    same = mark.exists() and mark.read_text() == identity
    for path in out_dir.rglob("*.png"):
        if path.name in names and not same or whole and path.name not in names:
            path.unlink()
    if not same:
        tiled.unlink(missing_ok=True)
    mark.write_text(identity)
    return tiled
