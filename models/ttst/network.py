"""The TTST network.

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
from torch import Tensor, nn

from rssr.models.layers import Residual, conv3x3, feed_forward, initialise_linear, pad_to_multiple
from rssr.models.released import Released, load_released
from rssr.models.tail import tail
from rssr.models.ttst.layers import Block, MapConv, TopKChannelAttention, WindowAttention
from rssr.models.ttst.released import arguments_from_released, released


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
        model = cls(**arguments_from_released(config))
        return load_released(model, state_dict)

    def released(self) -> Released:
        """The names of the authors' code."""
        return released(self.window, self.key_window, self.tail)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), unclamped."""
        height, width = (self.scale * side for side in x.shape[-2:])
        x = pad_to_multiple(x, self.window).contiguous(memory_format=torch.channels_last)
        shallow = self.conv_first(x)
        deep = self.norm_last(self.groups(self.norm_first(shallow.movedim(1, -1))))
        return self.tail(shallow + self.conv_after_body(deep.movedim(-1, 1)))[..., :height, :width]
