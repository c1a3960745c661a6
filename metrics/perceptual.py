"""Perceptual metrics through lpips and pyiqa (PolyForm-Noncommercial), weights fetched once, checked, then offline."""

import hashlib
import importlib.util
import threading
import warnings
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor
from torchvision.models import AlexNet_Weights

from rssr.base.errors import UserError
from rssr.base.fetch import download
from rssr.base.files import check_digest
from rssr.base.tensors import read_weights
from rssr.metrics.fidelity import cropped

_TORCHVISION = AlexNet_Weights.IMAGENET1K_V1.url.rpartition("/")[0] + "/"  # where torchvision has all its weights
_PYIQA = "https://huggingface.co/chaofengc/IQA-PyTorch-Weights/resolve/main/"
_CLIP = "https://openaipublic.azureedge.net/clip/models/"
_RN50 = "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762"

SMALLEST = 32  # pixels per side that every one of the networks takes
SQUEEZENET = "checkpoints/squeezenet1_1-b8a52dc0.pth"

# Metric -> its files: path in the weights folder, which has the layout of torch.hub's -> URL and sha256. Of the sha256
# of SqueezeNet's file only the first digits are known, from its name; so FEATURES checks the layers that LPIPS uses.
WEIGHTS = {
    "lpips": {
        "checkpoints/alexnet-owt-7be5be79.pth": (
            _TORCHVISION,
            "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        ),
    },
    "lpips_squeeze": {SQUEEZENET: (_TORCHVISION, "b8a52dc0")},
    "clipiqa": {"clip/RN50.pt": (f"{_CLIP}{_RN50}/", _RN50)},
    "dists": {
        "checkpoints/vgg16-397923af.pth": (
            _TORCHVISION,
            "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        ),
        "checkpoints/DISTS_weights-f5e65c96.pth": (
            _PYIQA,
            "f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218",
        ),
    },
}
# LPIPS's linear layers, version 0.1, which the package lpips carries: name of the trunk there, and sha256 of the file.
LINEAR = {
    "lpips": ("alex", "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"),
    "lpips_squeeze": ("squeeze", "4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76"),
}
# The feature layers of torchvision's SqueezeNet 1.1: a file with nothing else, used where it exists, its sha256, and
# that of the layers' names and numbers, in which it agrees with the whole file.
FEATURES_FILE = "checkpoints/squeezenet1_1_features.pth"
FEATURES_SHA256 = "65848f4c678bba05bcc2fc7c35df775d303ffcbc3e24e770a727cb4296e10e84"
FEATURES = "9a3cd24c3da63ec76ec50dabac44e862029b5c84992e5ddd582be22d0f9ef388"


def fetch(metric: str, folder: str) -> None:
    """Download the files of a metric from their publishers, or check existing ones.

    Args:
        metric: a key of WEIGHTS.
        folder: the weights folder.

    Raises:
        UserError: if one is not available, with the place to put it by hand; if one is damaged or is another file.
    """
    if metric in LINEAR:
        check_digest(linear_layers(metric), LINEAR[metric][1])
    for name, (base, digest) in WEIGHTS[metric].items():
        path = _path(folder, name)
        if path.exists():
            check_digest(path, FEATURES_SHA256 if path.match(FEATURES_FILE) else digest)
        else:
            download(base + path.name, path, digest)
        if path.suffix == ".pth":  # RN50.pt is an archive of TorchScript
            found = read_weights(path)  # refuses a file with code in it, which pyiqa itself would run
            if name == SQUEEZENET and features_digest(found) != FEATURES:
                raise UserError(f"{path} has other feature layers than torchvision's SqueezeNet 1.1", "get it again")


def linear_layers(metric: str) -> Path:
    """LPIPS's linear layers in the package lpips, which is found without being imported."""
    (folder,) = importlib.util.find_spec("lpips").submodule_search_locations
    return Path(folder, "weights", "v0.1", f"{LINEAR[metric][0]}.pth")


def features_digest(state: Mapping[str, Tensor]) -> str:
    """The sha256 of the names and numbers of feature layers in a state dict, in the order of the names."""
    total = hashlib.sha256()
    for name in sorted(name for name in state if name.startswith("features.")):
        total.update(name.encode() + state[name].contiguous().numpy().tobytes())
    return total.hexdigest()


def _path(folder: str, name: str) -> Path:
    """The path of a file; for SqueezeNet, the file of the feature layers alone if it exists."""
    alone = Path(folder, FEATURES_FILE)
    return alone if name == SQUEEZENET and alone.exists() else Path(folder, name)


def perceptual(sr: Tensor, hr: Tensor, crop: int, weights_dir: str, metric: str) -> Tensor:
    """A perceptual metric on RGB: LPIPS by its authors' package, the others by pyiqa.

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
    with _LOADING:
        network = load(metric, str(Path(weights_dir).resolve()), str(sr.device))
    images = [image.float() / 255 for image in (pair[:1] if metric == "clipiqa" else pair)]
    with torch.inference_mode():
        return network(*images).double().flatten()


# One thread loads a network while the others wait for it: torch.hub's folder is changed meanwhile.
_LOADING = threading.Lock()


@cache
def load(metric: str, weights_dir: str, device: str) -> Callable[..., Tensor]:
    """A metric, made from the files in a folder, of images (B, 3, H, W) in [0, 1]; nothing is downloaded."""
    paths = [_path(weights_dir, name) for name in WEIGHTS[metric]]
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} does not exist: delete results/metrics/{metric}.json and run again")
    return _lpips(metric, paths[0], device) if metric in LINEAR else _of_pyiqa(metric, paths[-1], weights_dir, device)


def _lpips(metric: str, trunk: Path, device: str) -> Callable[..., Tensor]:
    import lpips

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lpips names torchvision's weights as older releases did
        network = lpips.LPIPS(net=LINEAR[metric][0], pnet_rand=True, verbose=False).to(device)
    layers = read_weights(trunk)  # by their places in `features`, as the package's slices have them too
    network.net.load_state_dict(
        {name: layers[f"features.{name.partition('.')[2]}"] for name in network.net.state_dict()}
    )
    return partial(network, normalize=True)


def _of_pyiqa(metric: str, own: Path, weights_dir: str, device: str) -> Callable[..., Tensor]:
    import pyiqa

    hub = torch.hub.get_dir()
    torch.hub.set_dir(weights_dir)  # torchvision looks for trunks in its folder `checkpoints`, pyiqa for CLIP in `clip`
    try:
        options = {} if metric == "clipiqa" else {"pretrained_model_path": str(own)}
        return pyiqa.create_metric(metric, device=device, **options)
    finally:
        torch.hub.set_dir(hub)
