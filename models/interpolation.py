"""Interpolations as models: the rows that a network has to beat."""

from torch import Tensor, nn

from rssr.datasets.degrade import imresize


class Bicubic(nn.Module):
    """MATLAB's bicubic imresize upwards, the inverse step of the benchmark's reduction.

    Args:
        scale: upscaling factor.
    """

    def __init__(self, scale: int = 4) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) -> (B, 3, scale * h, scale * w)."""
        return imresize(x, self.scale)
