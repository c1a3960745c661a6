"""From a folder of SR images to scores, one row per image and replicate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from rssr.base.errors import UserError, about
from rssr.base.files import read_csv, sha256
from rssr.base.images import read_tensor
from rssr.base.parallel import in_order
from rssr.base.provenance import made_by
from rssr.datasets.degradations import Step
from rssr.datasets.degrade import degrade
from rssr.metrics.fidelity import LowResolution
from rssr.metrics.registry import METRICS, function
from rssr.plan.artifacts import model_of


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
    sr_dir: Path, images: TestImages, metrics: Sequence[str], weights_dir: str, absent: Mapping[str, str], jobs: int
) -> list[dict[str, Any]]:
    """Score the images of an SR folder against their HR images, in the manifest's order.

    Args:
        sr_dir: results/sr/{dataset}/x{scale}-{degradation}/{model}.
        images: the images that they are scored against.
        metrics: names of metrics.registry.
        weights_dir: folder with the weights of perceptual metrics.
        absent: metrics that cannot be computed, with the reason: their column is left empty.
        jobs: images that are scored at a time, which changes no score.

    Returns:
        One row per image and replicate: `image`, `source`, `replicate` and one column per metric, full precision.
    """
    functions = {name: function(name, images.crop, weights_dir) for name in metrics if name not in absent}
    manifests = {folder: read_csv(folder / "manifest.csv") for folder in (images.hr_dir, images.lr_dir, sr_dir)}
    of_hr, of_lr, of_sr = ({row["image"]: row for row in rows} for rows in manifests.values())
    for folder, rows in zip(manifests, (of_hr, of_lr, of_sr), strict=True):
        if lacking := [image for image in (*of_hr, *of_lr, *of_sr) if image not in rows]:
            raise UserError(f"{folder}/manifest.csv lacks {lacking[0]}: it is damaged", "delete it and run again")

    def scored(row: Mapping[str, str]) -> dict[str, Any]:
        path = sr_dir / row["replicate"] / f"{row['image']}.png"
        sr = read_tensor(path, row.get("sha256"))[None]
        hr = read_tensor(images.hr_dir / path.name, of_hr[row["image"]].get("sha256"))[None]
        lr = read_tensor(images.lr_dir / path.name, of_lr[row["image"]].get("sha256"))[None]
        given = (sr, hr, LowResolution(lr, images.degrade, images.scale, row["image"]))
        with about(str(path)):
            scores = {metric: functions[metric](*given).item() if metric in functions else "" for metric in metrics}
        origin = {"image": row["image"], "source": of_hr[row["image"]]["source"], "replicate": row["replicate"]}
        return origin | scores

    return in_order(scored, manifests[sr_dir], jobs, f"score {model_of(sr_dir)}")


def absent_metrics(records: Sequence[Mapping[str, Any]], steps: Sequence[Step]) -> dict[str, str]:
    """Metrics that cannot be computed -> why; from what fetch_metric wrote, and without steps of a degradation."""
    found = {
        record["metric"]: f"{record['reason']}: {record['remedy']}" for record in records if not record["available"]
    }
    return found if steps else found | {"lr_psnr": "LR images that are given have no formula to degrade SR images by"}


def record(
    scores: Path, sr_dir: Path, images: TestImages, metrics: Sequence[str], absent: Mapping[str, str]
) -> dict[str, Any]:
    """How the scores of a folder, written to a file, were made; the other arguments are those of score_folder()."""
    sides = [int(row.get("tile", 0)) for row in read_csv(sr_dir / "manifest.csv")]
    tiled = {"images": sum(map(bool, sides)), "of": len(sides), "side": min(filter(None, sides), default=0)}
    return made_by(
        **({"tiled_for_memory": tiled} if any(sides) else {}),
        scores_sha256=sha256(scores),
        sr_manifest_sha256=sha256(sr_dir / "manifest.csv"),
        hr_manifest_sha256=sha256(images.hr_dir / "manifest.csv"),
        crop=images.crop,
        metrics={name: METRICS[name].protocol for name in metrics},
        absent=absent,
    )
