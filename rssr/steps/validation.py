"""PSNR-Y of a network while it trains, on the val split."""

import statistics
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from rssr.base.files import read_csv
from rssr.base.images import read_tensor
from rssr.base.resampling import to_uint8
from rssr.metrics.fidelity import psnr


class Validation:
    """Upscales prepared images whole, in fp32 and 8 bits, and compares them with a border crop of the scale.

    Args:
        hr_dir: results/data/{dataset}/val/HR-x{scale}.
        lr_dir: results/data/{dataset}/val/LR/x{scale}-{degradation}.
        scale: upscaling factor.
        device: where to upscale.
        build: makes the network in train mode. Each validation has its own, because a class may merge or remove layers
            when it is switched to eval mode, and not every one can go back.
    """

    def __init__(
        self, hr_dir: Path, lr_dir: Path, scale: int, device: torch.device, build: Callable[[], nn.Module]
    ) -> None:
        self.scale, self.device, self.build = scale, device, build
        names = [f"{row['image']}.png" for row in read_csv(hr_dir / "manifest.csv")]
        self.pairs = [(lr_dir / name, hr_dir / name) for name in names]

    @torch.no_grad()
    def __call__(self, weights: Mapping[str, Tensor]) -> float:
        """The mean PSNR-Y over the images in dB, with the given weights."""
        network = self.build().to(self.device)
        network.load_state_dict(weights, strict=False)  # in train mode, as a training leaves them
        network.eval()
        return statistics.fmean(self._psnr(network, *pair) for pair in self.pairs)

    def _psnr(self, network: nn.Module, lr_path: Path, hr_path: Path) -> float:
        lr = read_tensor(lr_path)[None].to(self.device).float() / 255
        return psnr(to_uint8(network(lr)).cpu(), read_tensor(hr_path)[None], self.scale).item()
