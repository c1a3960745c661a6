"""The LSTM stage of LSTMConvSR: Vision-LSTM layers read at half resolution, then a spatial gate at full resolution."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rssr.models.lstmconvsr.mlstm import mlstm
from rssr.models.lstmconvsr.traversal import order

HEADS = 4
PROJECTION_BLOCK = 4  # channels that a headwise projection mixes
CONV_WIDTH = 4
REDUCTIONS = ("haar", "strided", "average", "none")


class OffsetNorm(nn.Module):
    """Layer norm over the last `size` channels of each group, its weight stored as the difference from one.

    Vision-LSTM's norm (arXiv 2406.04303): a weight decay then pulls the effective weight to one, not to zero.
    """

    def __init__(self, channels: int, groups: int = 1) -> None:
        super().__init__()
        self.groups = groups
        self.weight = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(..., channels) -> the same shape."""
        grouped = x.unflatten(-1, (self.groups, -1))
        normed = F.layer_norm(grouped, grouped.shape[-1:], eps=1e-5).flatten(-2)
        return normed * (1 + self.weight) + self.bias


class HeadwiseLinear(nn.Module):
    """A linear layer that is block-diagonal in blocks of PROJECTION_BLOCK channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels // PROJECTION_BLOCK, PROJECTION_BLOCK, PROJECTION_BLOCK))
        self.bias = nn.Parameter(torch.zeros(channels))
        nn.init.normal_(self.weight, std=(2 / (5 * channels)) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, channels) -> the same shape."""
        blocks = x.unflatten(-1, (-1, PROJECTION_BLOCK))
        return torch.einsum("bsni,noi->bsno", blocks, self.weight).flatten(-2) + self.bias


class ViLLayer(nn.Module):
    """Vision-LSTM's layer on a sequence, without its skip (arXiv 2406.04303, figure 2).

    Args:
        channels: channels of the sequence; the cell runs at twice that width, on four heads.
        mlstm_form: "chunkwise" or "parallel", see mlstm().
    """

    def __init__(self, channels: int, mlstm_form: str = "chunkwise") -> None:
        super().__init__()
        inner = 2 * channels
        self.mlstm_form = mlstm_form
        self.proj_up = nn.Linear(channels, 2 * inner)
        self.conv = nn.Conv1d(inner, inner, CONV_WIDTH, groups=inner)
        self.q_proj = HeadwiseLinear(inner)
        self.k_proj = HeadwiseLinear(inner)
        self.v_proj = HeadwiseLinear(inner)
        self.igate = nn.Linear(3 * inner, HEADS)
        self.fgate = nn.Linear(3 * inner, HEADS)
        self.outnorm = OffsetNorm(inner, HEADS)
        self.learnable_skip = nn.Parameter(torch.ones(inner))
        self.proj_down = nn.Linear(inner, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, channels) -> the same shape; token t sees the tokens up to t only."""
        u, z = self.proj_up(x).chunk(2, -1)
        causal = F.pad(u.mT, (CONV_WIDTH - 1, 0))
        mixed = F.silu(self.conv(causal)).mT
        q, k, v = self.q_proj(mixed), self.k_proj(mixed), self.v_proj(u)
        qkv = torch.cat([q, k, v], -1)
        gates = (self.igate(qkv).mT, self.fgate(qkv).mT)
        q, k, v = (t.unflatten(-1, (HEADS, -1)).transpose(1, 2) for t in (q, k, v))
        h = mlstm(q, k, v, *gates, form=self.mlstm_form).transpose(1, 2).flatten(-2)
        return self.proj_down((self.outnorm(h) + self.learnable_skip * mixed) * F.silu(z))


class HaarDown(nn.Module):
    """HWD: one level of the Haar wavelet transform, its four bands mixed down to the input's channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pointwise = nn.Conv2d(4 * channels, channels, 1)
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), both sides even -> (B, C, H/2, W/2)."""
        a, b, c, d = x[..., ::2, ::2], x[..., ::2, 1::2], x[..., 1::2, ::2], x[..., 1::2, 1::2]
        top, bottom, left, right = a + b, c + d, a - b, c - d
        bands = torch.cat([top + bottom, top - bottom, left + right, left - right], 1) / 2
        return self.depthwise(self.pointwise(bands))


def reduction(name: str, channels: int) -> nn.Module:
    """What a ViL block reads its input through: to half the resolution, or at full resolution.

    Args:
        name: "haar" (HWD, the paper's), "strided" (a 2x2 convolution of stride 2), "average" (2x2 average pooling and
            a 1x1 convolution), the last two followed by HWD's depthwise convolution, or "none" (full resolution).
        channels: of the map.
    """
    if name == "haar":
        return HaarDown(channels)
    if name == "none":
        return nn.Identity()
    depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
    if name == "strided":
        return nn.Sequential(nn.Conv2d(channels, channels, 2, stride=2), depthwise)
    return nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(channels, channels, 1), depthwise)


class ViLBlock(nn.Module):
    """HWD, one ViL layer in one reading order, and LSA: a one-channel spatial attention on the block's input.

    Args:
        channels: of the map.
        traversal: one of TRAVERSALS.
        reduce: see reduction().
        lsa: without it, the block's output is the map that the attention would be made from.
        mlstm_form: see mlstm().
    """

    def __init__(self, channels: int, traversal: str, reduce: str, lsa: bool, mlstm_form: str) -> None:
        super().__init__()
        self.traversal = traversal
        self.down = reduction(reduce, channels)
        self.norm = OffsetNorm(channels)
        self.layer = ViLLayer(channels, mlstm_form)
        self.attention = nn.Conv2d(channels, 1, 3, padding=1, bias=False) if lsa else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), both sides even -> the same shape."""
        small = self.down(x)
        height, width = small.shape[-2:]
        there, back = (index.to(x.device) for index in order(self.traversal, height, width))
        tokens = small.flatten(2).mT
        read = self.layer(self.norm(tokens)[:, there])[:, back]
        out = (tokens + read).unflatten(1, (height, width)).movedim(-1, 1)
        if out.shape != x.shape:
            out = F.interpolate(out, scale_factor=2, mode="bilinear", align_corners=False)
        return out if self.attention is None else torch.sigmoid(self.attention(out)) * x


class GatedMLP(nn.Module):
    """fc2(relu(fc1(x))^2) * sigmoid(fc(x)), no biases."""

    def __init__(self, channels: int, ratio: float) -> None:
        super().__init__()
        hidden = int(channels * ratio)
        self.fc = nn.Linear(channels, channels, bias=False)
        self.fc1 = nn.Linear(channels, hidden, bias=False)
        self.fc2 = nn.Linear(hidden, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., channels) -> the same shape."""
        return self.fc2(F.relu(self.fc1(x), inplace=True).square()) * torch.sigmoid(self.fc(x))


class ViLG(nn.Module):
    """Vision-LSTM group: ViL blocks one after the other, one per reading order, and a gated MLP.

    Args:
        channels: of the map.
        mlp_ratio: hidden width of the MLP over the channels.
        traversals: reading orders, of TRAVERSALS, in the order of the blocks.
        reduce: see reduction().
        lsa: see ViLBlock.
        mlstm_form: see mlstm().
    """

    def __init__(
        self, channels: int, mlp_ratio: float, traversals: Sequence[str], reduce: str, lsa: bool, mlstm_form: str
    ) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(ViLBlock(channels, name, reduce, lsa, mlstm_form) for name in traversals))
        self.alpha1 = nn.Parameter(torch.ones(channels))
        self.norm = nn.LayerNorm(channels)
        self.mlp = GatedMLP(channels, mlp_ratio)
        self.alpha2 = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), both sides even -> the same shape."""
        x = x + self.alpha1[:, None, None] * self.blocks(x)
        pixels = x.permute(0, 2, 3, 1)
        return x + (self.alpha2 * self.mlp(self.norm(pixels))).permute(0, 3, 1, 2)
