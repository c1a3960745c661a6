"""From a folder of SR images to scores, one row per image and replicate."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from rssr.base.errors import UserError, about
from rssr.base.files import read_csv, sha256, write_csv, write_json
from rssr.base.images import read_tensor
from rssr.base.parallel import in_order
from rssr.base.provenance import made_by
from rssr.datasets.degradations import Step
from rssr.datasets.degrade import degrade
from rssr.metrics.fidelity import LowResolution
from rssr.metrics.registry import METRICS, function
from rssr.plan.artifacts import model_of
from rssr.plan.shards import WHOLE, Shard
from rssr.steps.shards import merged


@dataclass(frozen=True)
class TestImages:
    """The images that SR images are scored against.

    Attributes:
        hr_dir: folder of the HR images.
        lr_dir: folder of the LR images that were upscaled.
        steps: the degradation that made them.
        scale: upscaling factor.
        crop: border pixels left out of metrics on each side.
    """

    __test__ = False  # keeps pytest from collecting it

    hr_dir: Path
    lr_dir: Path
    steps: Sequence[Step]
    scale: int
    crop: int

    def degrade(self, hr: Tensor, image: str) -> Tensor:
        """The LR image of an HR image of this name, as the prepared ones are made."""
        return degrade(hr, self.steps, self.scale, image)


def score_folder(
    sr_dir: Path,
    images: TestImages,
    metrics: Sequence[str],
    weights_dir: str,
    absent: Mapping[str, str],
    jobs: int,
    shard: Shard = WHOLE,
    manifest: Path | None = None,
) -> list[dict[str, Any]]:
    """Score the images of an SR folder against their HR images, in the manifest's order.

    Args:
        sr_dir: results/sr/{dataset}/x{scale}-{degradation}/{model}.
        images: the images that they are scored against.
        metrics: names of metrics.registry.
        weights_dir: folder with the weights of perceptual metrics.
        absent: metrics that cannot be computed, with the reason: their column is left empty.
        jobs: images that are scored at a time, which changes no score.
        shard: the range of the images that is scored.
        manifest: lists the SR images of the range, by default sr_dir/manifest.csv.

    Returns:
        One row per image and replicate: `image`, `source`, `replicate` and one column per metric, full precision.
    """
    functions = {name: function(name, images.crop, weights_dir) for name in metrics if name not in absent}
    of_hr, of_lr, listed = _manifests(images, manifest or sr_dir / "manifest.csv", shard)

    def scored(row: Mapping[str, str]) -> dict[str, Any]:
        path = sr_dir / row["replicate"] / f"{row['image']}.png"
        digests = row, of_hr[row["image"]], of_lr[row["image"]]
        paths = path, images.hr_dir / path.name, images.lr_dir / path.name
        # Plane after plane, once for all metrics.
        sr, hr, lr = (
            read_tensor(each, known.get("sha256"))[None].contiguous()
            for each, known in zip(paths, digests, strict=True)
        )
        given = (sr, hr, LowResolution(lr, images.degrade, images.scale, row["image"]))
        with about(str(path)):
            scores = {metric: functions[metric](*given).item() if metric in functions else "" for metric in metrics}
        origin = {"image": row["image"], "source": of_hr[row["image"]]["source"], "replicate": row["replicate"]}
        return origin | scores

    return in_order(scored, listed, jobs, f"score {model_of(sr_dir / 'manifest.csv')}")


def merge_scores(parts: Sequence[Path], images: TestImages, manifest: Path) -> list[dict[str, str]]:
    """The rows that score_folder() returns, from the files of shards, in order.

    Args:
        parts: the files.
        images: the images that they were scored against.
        manifest: lists the SR images of the whole set.
    """
    return merged(parts, _manifests(images, manifest, WHOLE)[1])


def _manifests(
    images: TestImages, manifest: Path, shard: Shard
) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, str]], list[dict[str, str]]]:
    """HR and LR image -> its row, and the rows of the SR images of a shard; UserError if one lacks an image."""
    hr, lr = (folder / "manifest.csv" for folder in (images.hr_dir, images.lr_dir))
    of_hr, of_lr = ({row["image"]: row for row in read_csv(path)} for path in (hr, lr))
    listed = read_csv(manifest)
    of_sr = [row["image"] for row in listed]
    every = (*of_hr, *of_lr, *of_sr)
    for path, found, wanted in ((hr, of_hr, every), (lr, of_lr, every), (manifest, set(of_sr), shard.of([*of_lr]))):
        if lacking := [image for image in wanted if image not in found]:
            raise UserError(f"{path} lacks {lacking[0]}: it is damaged", "delete it and run again")
    return of_hr, of_lr, listed


def absent_metrics(
    metrics: Sequence[str], records: Sequence[Mapping[str, Any]], steps: Sequence[Step]
) -> dict[str, str]:
    """The metrics that cannot be computed -> why: weights that fetch_metric did not obtain, or no degradation steps."""
    found = {
        record["metric"]: f"{record['reason']}: {record['remedy']}" for record in records if not record["available"]
    }
    found |= {} if steps else {"lr_psnr": "LR images that are given have no formula to degrade SR images by"}
    return {metric: reason for metric, reason in found.items() if metric in metrics}


def write_scores(
    path: Path,
    rows: Iterable[Mapping[str, Any]],
    manifest: Path,
    images: TestImages,
    metrics: Sequence[str],
    absent: Mapping[str, str],
) -> None:
    """Write scores as CSV, and how they were made as JSON beside it.

    Args:
        path: the CSV file.
        rows: the scores, from score_folder() or merge_scores().
        manifest: lists the SR images.
        images: see score_folder().
        metrics: likewise.
        absent: likewise.
    """
    write_csv(path, rows)
    sides = [int(row.get("tile", 0)) for row in read_csv(manifest)]
    tiled = {"images": sum(map(bool, sides)), "of": len(sides), "side": min(filter(None, sides), default=0)}
    facts = made_by(
        **({"tiled_for_memory": tiled} if any(sides) else {}),
        scores_sha256=sha256(path),
        sr_manifest_sha256=sha256(manifest),
        hr_manifest_sha256=sha256(images.hr_dir / "manifest.csv"),
        crop=images.crop,
        metrics={name: METRICS[name].protocol for name in metrics},
        absent=absent,
    )
    write_json(path.with_suffix(".json"), facts)
