"""Self-ensemble: the mean over the eight flips and quarter turns of the input, at eight times the cost."""

import torch
from torch import Tensor, nn


class SelfEnsemble(nn.Module):
    """A network averaged over the symmetries of the square (Lim et al., EDSR, arXiv 1707.02921, section 3.4).

    Args:
        network: (B, 3, h, w) -> (B, 3, scale * h, scale * w), any h and w.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w)."""
        out = None
        for turns in range(4):
            for flip in (False, True):
                seen = torch.rot90(x.flip(-1) if flip else x, turns, (-2, -1))
                back = torch.rot90(self.network(seen), -turns, (-2, -1))
                back = back.flip(-1) if flip else back
                out = back if out is None else out + back
        return out / 8
