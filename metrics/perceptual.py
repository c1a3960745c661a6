"""Perceptual metrics through pyiqa (PolyForm-Noncommercial), their weights fetched once and checked."""

from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from rssr.errors import UserError
from rssr.fetch import check_digest, download
from rssr.models.weights import read_weights

# The two files of LPIPS with AlexNet. Both publishers put the first eight digits of the sha256 into the name.
TRUNK = "alexnet-owt-7be5be79.pth"
LINEAR = "LPIPS_v0.1_alex-df73285e.pth"


def fetch_lpips(folder: str) -> None:
    """Get the trunk from where torchvision has it and the linear layers from where pyiqa has them.

    Raises:
        UserError: if one cannot be had, with the place to put it by hand.
    """
    from pyiqa.archs.lpips_arch import default_model_urls
    from torchvision.models import AlexNet_Weights

    for name, url in ((TRUNK, AlexNet_Weights.IMAGENET1K_V1.url), (LINEAR, default_model_urls["0.1_alex"])):
        path = _path(folder, name)
        digest_start = path.stem.rsplit("-", 1)[1]
        if path.exists():
            check_digest(path, digest_start)
        else:
            download(url, path, digest_start)
        read_weights(path)  # refuses a file with code in it, which pyiqa itself would run


def lpips(sr: Tensor, hr: Tensor, crop: int, weights_dir: str) -> Tensor:
    """Learned perceptual image patch similarity with AlexNet (Zhang et al., CVPR 2018), version 0.1, lower is better.

    Args:
        sr: (B, 3, H, W) uint8, RGB.
        hr: the same shape and type.
        crop: border pixels left out on each side.
        weights_dir: folder that fetch_lpips() has filled.

    Returns:
        (B,) float64, from 0.
    """
    metric = _lpips(weights_dir, str(sr.device))
    window = (..., slice(crop, sr.shape[2] - crop), slice(crop, sr.shape[3] - crop))
    with torch.inference_mode():
        return metric(sr[window].float() / 255, hr[window].float() / 255).double().flatten()


@cache
def _lpips(weights_dir: str, device: str):
    import pyiqa

    torch.hub.set_dir(weights_dir)  # torchvision looks for the trunk in its folder `checkpoints`
    for name in (TRUNK, LINEAR):
        if not _path(weights_dir, name).exists():
            raise UserError(
                f"{_path(weights_dir, name)} does not exist: delete results/metrics/lpips.json and run again"
            )
    return pyiqa.create_metric("lpips", device=device, pretrained_model_path=str(_path(weights_dir, LINEAR)))


def _path(folder: str, name: str) -> Path:
    return Path(folder, "checkpoints", name)
