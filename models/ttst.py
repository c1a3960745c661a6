"""TTST: window attention, and in parallel attention between channels that keeps the top-k scores only.

Y. Xiao, Q. Yuan, K. Jiang, J. He, C.-W. Lin, L. Zhang, "TTST: A Top-k Token Selective Transformer for Remote Sensing
Image Super-Resolution", IEEE TIP 33, pp. 738-752, 2024, doi 10.1109/TIP.2023.3349004. Code of the authors:
github.com/XY-boy/TTST (2052b60, without a licence). This is the network of that commit and, presumably, of the released
x4 checkpoint: HAT's design with a plain MLP and overlapping attention. The paper's multi-scale feed-forward and global
context attention are switched off there. Written anew from a description of it and checked against outputs of the
authors' code.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from rssr.models.layers import (
    Residual,
    conv3x3,
    feed_forward,
    from_windows,
    initialise_linear,
    pad_to_multiple,
    windows,
)
from rssr.models.released import Released, Tensors, load_released, translate_arguments
from rssr.models.tail import released_tail_keys, tail

KEPT = ((1, 2), (2, 3), (3, 4), (4, 5))  # of the scores in a row, as fractions

_ARGUMENTS = {
    "upscale": "scale",
    "embed_dim": "channels",
    "depths": "depths",
    "num_heads": "heads",
    "window_size": "window",
    "overlap_ratio": "overlap",
    "mlp_ratio": "mlp_ratio",
    "conv_scale": "channel_scale",
    "qkv_bias": "qkv_bias",
    "drop_path_rate": "drop_path",
}
_FIXED = {
    "img_size": 64,  # one not above the window would switch the shift off
    "patch_size": 1,
    "in_chans": 3,
    "qk_scale": None,
    "drop_rate": 0.0,
    "attn_drop_rate": 0.0,
    "ape": False,
    "patch_norm": True,
    "use_checkpoint": False,
    "upsampler": "pixelshuffle",
    "resi_connection": "1conv",
}
_UNUSED = ("compress_ratio", "squeeze_factor", "img_range")  # by the authors' network, too
_KEYS = (
    (r"^norm_first\.", "patch_embed.norm."),
    (r"^norm_last\.", "norm."),
    (r"^groups\.(\d+)\.0\.", r"layers.\1.residual_group.blocks."),
    (r"^groups\.(\d+)\.1\.0\.0\.", r"layers.\1.residual_group.overlap_attn.norm1."),
    (r"^groups\.(\d+)\.1\.0\.1\.", r"layers.\1.residual_group.overlap_attn."),
    (r"^groups\.(\d+)\.1\.1\.", r"layers.\1.residual_group.overlap_attn.mlp."),
    (r"^groups\.(\d+)\.2\.", r"layers.\1.conv."),
    (r"(\.blocks\.\d+)\.norm\.", r"\1.norm1."),
    (r"\.mlp\.0\.", ".norm2."),
    (r"\.mlp\.1\.", ".mlp.fc1."),
    (r"\.mlp\.3\.", ".mlp.fc2."),
    (r"\.channel\.out\.", ".conv_block.project_out."),
    (r"\.channel\.", ".conv_block."),
    (r"\.window\.", ".attn."),
    (r"\.out\.", ".proj."),
    (r"\.table$", ".relative_position_bias_table"),
    (r"\.depthwise\.", ".qkv_dwconv."),
)
_MIX = [f"attn{number}" for number in range(1, len(KEPT) + 1)]  # theirs are scalars


def _join(tensors: Tensors) -> dict[str, Tensor]:
    joined = {}
    for name, value in tensors.items():
        if name.endswith(".mix"):
            joined |= {f"{name.removesuffix('mix')}{own}": part for own, part in zip(_MIX, value.split(1), strict=True)}
        else:
            joined[name] = value
    return joined


def _split(tensors: Tensors) -> dict[str, Tensor]:
    apart = dict(tensors)
    for name in tensors:
        stem = name.removesuffix("attn1")
        if name.endswith(".attn1") and all(f"{stem}{own}" in tensors for own in _MIX):
            apart[f"{stem}mix"] = torch.cat([apart.pop(f"{stem}{own}") for own in _MIX])
    return apart


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
    return _positions(window, key_window) % (window + (key_window or window) - 1) ** 2


def _positions(window: int, key_window: int | None = None) -> Tensor:
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


class TTST(nn.Module):
    """The whole network: (B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), any h and w from `window`.

    Sides are reflected to multiples of the window at the input and cropped at the output; the authors' code refuses
    other sides, and is the same function where it runs. The channel attention sees the whole map, so that a tile of
    an image is not upscaled quite as the image is.

    Args:
        scale: upscaling factor, 3 or a power of two.
        channels: width of the body.
        depths: blocks in each group.
        heads: of every attention, for each group.
        window: side of the attention windows.
        overlap: how much wider the windows of keys are than those of queries at the end of a group, as a fraction.
        mlp_ratio: hidden width of the feed-forward layers over the channels.
        channel_scale: factor of the channel attention.
        qkv_bias: whether queries, keys and values have a bias.
        drop_path: stochastic depth of the last block in training; it grows from zero at the first.

    Raises:
        ValueError: if depths and heads differ in length, the channels cannot be split among the heads, or
            the overlap is an odd number of pixels.
    """

    def __init__(
        self,
        scale: int = 4,
        channels: int = 180,
        depths: Sequence[int] = (6,) * 6,
        heads: Sequence[int] = (6,) * 6,
        window: int = 8,
        overlap: float = 0.5,
        mlp_ratio: float = 2.0,
        channel_scale: float = 0.01,
        qkv_bias: bool = True,
        drop_path: float = 0.1,
    ) -> None:
        super().__init__()
        if len(depths) != len(heads) or any(channels % n or channels < 2 * n for n in heads):
            raise ValueError(f"TTST: heads {heads} do not fit {channels} channels in {len(depths)} groups")
        hidden = int(channels * mlp_ratio)
        key_window = window + int(overlap * window)
        if (key_window - window) % 2:
            raise ValueError(f"TTST: overlap {overlap} of window {window} is not the same on both sides")
        rates = (drop_path * number / max(sum(depths) - 1, 1) for number in range(sum(depths)))

        def block(number: int, heads: int) -> Block:
            shift = window // 2 if number % 2 else 0
            local = WindowAttention(channels, heads, window, shift=shift, qkv_bias=qkv_bias)
            channel = TopKChannelAttention(channels, heads, qkv_bias)
            return Block(local, channel, channels, hidden, channel_scale, next(rates))

        def group(depth: int, heads: int) -> Residual:
            attention = WindowAttention(channels, heads, window, key_window, qkv_bias=qkv_bias)
            overlapping = nn.Sequential(Residual(nn.LayerNorm(channels), attention), feed_forward(channels, hidden))
            blocks = nn.Sequential(*(block(number, heads) for number in range(depth)))
            return Residual(blocks, overlapping, MapConv(channels, channels, 3, padding=1))

        self.scale, self.window, self.key_window = scale, window, key_window
        self.conv_first = conv3x3(3, channels)
        self.norm_first = nn.LayerNorm(channels)
        self.groups = nn.Sequential(*(group(*sizes) for sizes in zip(depths, heads, strict=True)))
        self.norm_last = nn.LayerNorm(channels)
        self.conv_after_body = conv3x3(channels, channels)
        self.tail = tail("classical", channels, scale)
        initialise_linear(self)

    @classmethod
    def from_released(cls, config: Mapping[str, Any], state_dict: Mapping[str, Tensor]) -> "TTST":
        """Build the network from arguments and weights under the names of the authors' code.

        Args:
            config: arguments of the authors' class (embed_dim, depths, num_heads, upscale, ...).
            state_dict: weights under the authors' keys, without a data-parallel prefix; their dtype is kept.

        Raises:
            ValueError: for an argument that has no counterpart here.
            RuntimeError: for keys or shapes that do not fit, by name.
        """
        model = cls(**translate_arguments("TTST", config, _ARGUMENTS, _FIXED, _UNUSED))
        return load_released(model, state_dict)

    def released(self) -> Released:
        """The names of the authors' code."""
        keys = (*_KEYS, *released_tail_keys(self.tail))
        indices = {
            "relative_position_index_SA": [_positions(self.window)],
            "relative_position_index_OCA": [_positions(self.window, self.key_window)],
        }
        return Released(keys, _join, _split, indices, f"that of windows of {self.window}x{self.window}")

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), unclamped."""
        height, width = (self.scale * side for side in x.shape[-2:])
        x = pad_to_multiple(x, self.window).contiguous(memory_format=torch.channels_last)
        shallow = self.conv_first(x)
        deep = self.norm_last(self.groups(self.norm_first(shallow.movedim(1, -1))))
        return self.tail(shallow + self.conv_after_body(deep.movedim(-1, 1)))[..., :height, :width]
