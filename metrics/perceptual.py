"""Perceptual metrics through pyiqa (PolyForm-Noncommercial), their weights fetched once and checked, then offline."""

from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torchvision.models import AlexNet_Weights

from rssr.base.errors import UserError
from rssr.base.fetch import check_digest, download
from rssr.base.tensors import read_weights
from rssr.metrics.fidelity import cropped

_TORCHVISION = AlexNet_Weights.IMAGENET1K_V1.url.rpartition("/")[0] + "/"  # where torchvision has all its weights
_PYIQA = "https://huggingface.co/chaofengc/IQA-PyTorch-Weights/resolve/main/"
_CLIP = "https://openaipublic.azureedge.net/clip/models/"
_RN50 = "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762"

SMALLEST = 32  # pixels per side that every one of the networks takes

# Metric -> its files, each by its path in the weights' folder, which is laid out as torch.hub's: where it comes from,
# and the first digits of its sha256. torchvision and pyiqa put the first eight into the name.
WEIGHTS = {
    "lpips": {
        "checkpoints/alexnet-owt-7be5be79.pth": (_TORCHVISION, "7be5be79"),
        "checkpoints/LPIPS_v0.1_alex-df73285e.pth": (_PYIQA, "df73285e"),
    },
    "lpips_squeeze": {
        "checkpoints/squeezenet1_1-b8a52dc0.pth": (_TORCHVISION, "b8a52dc0"),
        "checkpoints/LPIPS_v0.1_squeeze-4a5350f2.pth": (_PYIQA, "4a5350f2"),
    },
    "clipiqa": {"clip/RN50.pt": (f"{_CLIP}{_RN50}/", _RN50)},
    "dists": {
        "checkpoints/vgg16-397923af.pth": (_TORCHVISION, "397923af"),
        "checkpoints/DISTS_weights-f5e65c96.pth": (_PYIQA, "f5e65c96"),
    },
}


def fetch(metric: str, folder: str) -> None:
    """Get the files of a metric from their publishers, or check those that are there.

    Args:
        metric: a key of WEIGHTS.
        folder: where they are kept.

    Raises:
        UserError: if one is not available, with the place to put it by hand; if one is damaged or is another file.
    """
    for name, (base, digest) in WEIGHTS[metric].items():
        path = Path(folder, name)
        if path.exists():
            check_digest(path, digest)
        else:
            download(base + path.name, path, digest)
        if path.suffix == ".pth":  # RN50.pt is an archive of TorchScript, and its whole digest is known
            read_weights(path)  # refuses a file with code in it, which pyiqa itself would run


def perceptual(sr: Tensor, hr: Tensor, crop: int, weights_dir: str, metric: str) -> Tensor:
    """A metric of pyiqa on RGB.

    LPIPS: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018, version
    0.1, a distance from HR. DISTS: Ding et al., "Image Quality Assessment: Unifying Structure and Texture Similarity",
    IEEE TPAMI 44(5), 2022, a distance from HR. CLIPIQA: Wang et al., "Exploring CLIP for Assessing the Look and Feel of
    Images", AAAI 2023, with pyiqa's five pairs of prompts, of SR alone.

    Args:
        sr: (B, 3, H, W) uint8, RGB.
        hr: the same shape and type.
        crop: border pixels left out on each side.
        weights_dir: folder that fetch() has filled.
        metric: a key of WEIGHTS.

    Returns:
        (B,) float64, from 0; CLIPIQA up to 1.

    Raises:
        UserError: if the images differ in size, or fewer than SMALLEST pixels per side are left.
    """
    pair = cropped(sr, hr, crop)
    height, width = pair[0].shape[-2:]
    if min(height, width) < SMALLEST:
        raise UserError(
            f"{metric} needs at least {SMALLEST} pixels per side after the crop, but {width}x{height} are left",
            "leave the metric out or use larger images",
        )
    network = load(metric, str(Path(weights_dir).resolve()), str(sr.device))
    images = [image.float() / 255 for image in (pair[:1] if metric == "clipiqa" else pair)]
    with torch.inference_mode():
        return network(*images).double().flatten()


@cache
def load(metric: str, weights_dir: str, device: str) -> torch.nn.Module:
    """The metric as pyiqa makes it from the files in a folder, on RGB in [0, 1]; nothing is downloaded."""
    for name in WEIGHTS[metric]:
        if not (path := Path(weights_dir, name)).exists():
            raise UserError(f"{path} does not exist: delete results/metrics/{metric}.json and run again")
    import pyiqa

    hub = torch.hub.get_dir()
    torch.hub.set_dir(weights_dir)  # torchvision looks for trunks in its folder `checkpoints`, pyiqa for CLIP in `clip`
    try:
        own = {"pretrained_model_path": str(Path(weights_dir, list(WEIGHTS[metric])[-1]))}
        if metric == "clipiqa":
            own = {}
        elif metric == "lpips_squeeze":
            own["net"] = "squeeze"
        return pyiqa.create_metric(metric.partition("_")[0], device=device, **own)
    finally:
        torch.hub.set_dir(hub)
