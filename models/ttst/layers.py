"""The parts of TTST: attention in windows and between channels, and the block of both."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from rssr.models.layers import feed_forward, from_windows, windows

KEPT = ((1, 2), (2, 3), (3, 4), (4, 5))  # of the scores in a row, as fractions


class MapConv(nn.Conv2d):
    """A convolution of maps whose channels come last."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, H, W, out)."""
        return super().forward(x.movedim(-1, 1)).movedim(1, -1)


class WindowAttention(nn.Module):
    """Multi-head attention inside square windows, with a learned bias by relative position.

    Args:
        channels: of the map.
        heads: of the attention.
        window: side of the windows of queries.
        key_window: side of the windows of keys and values, on the same centres; what lies outside of the map is zero
            there, and takes part. None: the windows of the queries, and the relative positions counted as in Swin.
        shift: rows and columns that the map is rolled by; no attention across the seam.
        qkv_bias: whether queries, keys and values have a bias.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        window: int,
        key_window: int | None = None,
        shift: int = 0,
        qkv_bias: bool = True,
    ) -> None:
        super().__init__()
        self.heads, self.window, self.key_window, self.shift = heads, window, key_window or window, shift
        self.qkv = nn.Linear(channels, 3 * channels, bias=qkv_bias)
        self.out = nn.Linear(channels, channels)
        self.table = nn.Parameter(torch.empty((window + self.key_window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.table, std=0.02)
        self.register_buffer("index", relative_positions(window, key_window), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C), both sides multiples of the window -> the same shape."""
        height, width = x.shape[1:3]
        bias = self.table[self.index].movedim(-1, 0)
        if self.shift:
            x = x.roll((-self.shift, -self.shift), (1, 2))
            bias = bias + self._seams(height, width, x)
        q, k, v = self.qkv(x).chunk(3, -1)
        margin = (self.key_window - self.window) // 2
        k, v = (F.pad(t, (0, 0, margin, margin, margin, margin)) for t in (k, v))
        q, k, v = (
            windows(t, size, self.window).unflatten(-1, (self.heads, -1)).transpose(2, 3)
            for t, size in ((q, self.window), (k, self.key_window), (v, self.key_window))
        )
        scores = (q * q.shape[-1] ** -0.5) @ k.mT + bias
        out = self.out(from_windows((scores.softmax(-1) @ v).transpose(2, 3).flatten(3), height, width))
        return out.roll((self.shift, self.shift), (1, 2)) if self.shift else out

    def _seams(self, height: int, width: int, like: Tensor) -> Tensor:
        """(windows, 1, window^2, window^2): -100 between positions that the roll has brought together."""
        row, col = (
            (torch.arange(side, device=like.device) >= side - self.shift).to(like.dtype) for side in (height, width)
        )
        region = windows((2 * row[:, None] + col)[None, ..., None], self.window, self.window)[0]
        return -100 * (region != region.mT).to(like.dtype)[:, None]


def relative_positions(window: int, key_window: int | None = None) -> Tensor:
    """Which row of its table a window attention adds to which score.

    Returns:
        int64 (window^2, key_window^2). Swin's order for windows of one size (key_window None). For overlapping ones
        the order of HAT's code, whose offset has the wrong sign: its negative numbers count from the table's end,
        and released tables are laid out like that.
    """
    return table_positions(window, key_window) % (window + (key_window or window) - 1) ** 2


def table_positions(window: int, key_window: int | None = None) -> Tensor:
    """The same before negative numbers are counted from the table's end, as the authors' files have it."""
    keys = key_window or window
    key_minus_query = torch.arange(keys) - torch.arange(window)[:, None]
    step = key_minus_query + window - keys + 1 if key_window else window - 1 - key_minus_query
    side = window + keys - 1
    return (step[:, None, :, None] * side + step[:, None, :]).flatten(2).flatten(0, 1)


class TopKChannelAttention(nn.Module):
    """TTSA: attention of channels to channels over the whole map, at four degrees of sparsity.

    Args:
        channels: of the map.
        heads: of the attention; each has at least two channels.
        qkv_bias: whether queries, keys and values have a bias.
    """

    def __init__(self, channels: int, heads: int, qkv_bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.mix = nn.Parameter(torch.full((len(KEPT),), 0.2))
        self.qkv = MapConv(channels, 3 * channels, 1, bias=qkv_bias)
        self.depthwise = MapConv(3 * channels, 3 * channels, 3, padding=1, groups=3 * channels, bias=qkv_bias)
        self.out = MapConv(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> the same shape."""
        qkv = self.depthwise(self.qkv(x)).flatten(1, 2).mT  # (B, 3 C, H W)
        q, k, v = qkv.unflatten(1, (3, self.heads, -1)).unbind(1)
        scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT * self.temperature
        size = scores.shape[-1]
        kept = [size * part // whole for part, whole in KEPT]
        values, places = scores.topk(kept[-1], dim=-1)  # sorted, so the fewer are the first of the many
        shares = sum(
            F.pad(weight * values[..., :count].softmax(-1), (0, kept[-1] - count))
            for weight, count in zip(self.mix, kept, strict=True)
        )
        attention = torch.zeros_like(scores, dtype=shares.dtype).scatter(-1, places, shares)
        return self.out((attention @ v).flatten(1, 2).mT.unflatten(1, x.shape[1:3]))


class Block(nn.Module):
    """Window and channel attention of the same normed map, then a feed-forward layer.

    Args:
        window: the window attention.
        channel: the channel attention.
        channels: of the map.
        hidden: width inside the feed-forward layer.
        channel_scale: factor of the channel attention.
        drop_path: probability that a sample skips the window attention, or the feed-forward layer, in training.
    """

    def __init__(
        self, window: nn.Module, channel: nn.Module, channels: int, hidden: int, channel_scale: float, drop_path: float
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.window = window
        self.channel = channel
        self.channel_scale = channel_scale
        self.drop = StochasticDepth(drop_path, "row")
        self.mlp = feed_forward(channels, hidden).append(self.drop)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C), both sides multiples of the window -> the same shape."""
        normed = self.norm(x)
        return self.mlp(x + self.drop(self.window(normed)) + self.channel_scale * self.channel(normed))
