"""Interpolations as models: the rows that a network has to beat."""

from torch import Tensor, nn

from rssr.base.resampling import imresize


class Interpolation(nn.Module):
    """MATLAB's imresize upwards; with the bicubic kernel, the inverse step of the benchmark's reduction.

    Args:
        kernel: one of resampling.KERNELS.
        scale: upscaling factor.
    """

    def __init__(self, kernel: str = "bicubic", scale: int = 4) -> None:
        super().__init__()
        self.kernel, self.scale = kernel, scale

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) -> (B, 3, scale * h, scale * w)."""
        return imresize(x, self.scale, self.kernel)
