"""The MambaIRv2 network, base, small and light.

Guo et al., "MambaIRv2: Attentive State Space Restoration", CVPR 2025 (arXiv 2411.15269). Code of the authors:
github.com/csguoh/MambaIR (Apache-2.0). Written anew from the papers' descriptions and checked against outputs of the
authors' code.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from rssr.models.layers import DF2K_MEAN, check_choice, conv3x3, initialise_linear
from rssr.models.mambairv2.layers import ASSM, FEED_FORWARDS, ConvFeedForward, GatedFeedForward, Layer, WindowAttention
from rssr.models.mambairv2.released import arguments_from_released, released
from rssr.models.mambairv2.selective_scan import backend
from rssr.models.released import Released, load_released
from rssr.models.tail import TAILS
from rssr.models.tail import tail as make_tail

ROUTINGS = ("sampled", "argmax")


class ResidualGroup(nn.Module):
    """Layers, a convolution and a skip around them."""

    def __init__(self, layers: Sequence[Layer], channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.conv = conv3x3(channels, channels)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """(B, C, H, W), both sides multiples of the window, and noise, (layers, H * W) -> the same shape."""
        pixels = x.movedim(1, -1)
        for layer, own in zip(self.layers, noise, strict=True):
            pixels = layer(pixels, own)
        return x + self.conv(pixels.movedim(-1, 1))


class MambaIRv2(nn.Module):
    """The whole network: (B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), any h and w.

    The defaults are the base network (23.1 M parameters). Small (9.8 M) has `channels` 132, `groups` six times 4 and
    `heads` 4; light (0.8 M) has `channels` 48, `groups` four times 5, `heads` 4, `states` 8, `inner_rank` 32,
    `tokens` 64, `mlp_ratio` 1, `feed_forward` "gated" and `tail` "light".

    Args:
        scale: upscaling factor, 2, 3 or 4.
        channels: width of the body.
        groups: layers in each residual group.
        heads: attention heads.
        window: side of the attention's windows; the image is mirrored at the right and the bottom to a multiple of
            it, and the output cropped. Every second layer moves its windows by half of it.
        states: of the scan, per channel.
        inner_rank: rank of the table of prompts.
        tokens: prompts in that table.
        mlp_ratio: width of the scan and of the feed-forward parts over the channels.
        kernel: side of the feed-forward parts' depthwise convolutions.
        feed_forward: "conv" (base and small) or "gated" (light), see layers.py.
        tail: "classical" convolutions and pixel shuffles at 64 channels, or "light": one convolution, one shuffle.
        routing: in evaluation "sampled" draws each pixel's prompt, as the authors' code does, from random numbers
            that depend on seed() alone: not on the device, nor on the image's place in a batch. "argmax" takes the
            most probable prompt, which the authors call not equivalent (github.com/csguoh/MambaIR issue 121).
        mean: RGB mean that is subtracted first and added last.
    """

    def __init__(
        self,
        scale: int = 4,
        channels: int = 174,
        groups: Sequence[int] = (6, 6, 6, 6, 6, 6),
        heads: int = 6,
        window: int = 16,
        states: int = 16,
        inner_rank: int = 64,
        tokens: int = 128,
        mlp_ratio: float = 2.0,
        kernel: int = 5,
        feed_forward: str = "conv",
        tail: str = "classical",
        routing: str = "sampled",
        mean: Sequence[float] = DF2K_MEAN,
    ) -> None:
        super().__init__()
        check_choice("MambaIRv2", "scale", scale, (2, 3, 4))
        check_choice("MambaIRv2", "feed_forward", feed_forward, FEED_FORWARDS)
        check_choice("MambaIRv2", "tail", tail, TAILS)
        check_choice("MambaIRv2", "routing", routing, ROUTINGS)
        if channels % heads:
            raise ValueError(f"MambaIRv2: {channels} channels are no multiple of {heads} heads")
        inner = int(channels * mlp_ratio)
        part = ConvFeedForward if feed_forward == "conv" else GatedFeedForward

        def layer(number: int) -> Layer:
            attention = WindowAttention(channels, heads, window, window // 2 if number % 2 else 0)
            assm = ASSM(channels, inner, states, inner_rank, tokens, routing)
            return Layer(channels, attention, assm, (part(channels, inner, kernel), part(channels, inner, kernel)))

        self.scale, self.window, self.groups, self.routing = scale, window, tuple(groups), routing
        self.feed_forward = feed_forward
        self._seed = 0
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.conv_first = conv3x3(3, channels)
        self.norm_first = nn.LayerNorm(channels)
        self.body = nn.ModuleList(ResidualGroup([layer(i) for i in range(count)], channels) for count in groups)
        self.norm = nn.LayerNorm(channels)
        self.conv_after_body = conv3x3(channels, channels)
        self.tail = make_tail(tail, channels, scale)
        _initialise(self)

    @classmethod
    def from_released(
        cls, arch: str, config: Mapping, state_dict: Mapping[str, Tensor], routing: str = "sampled"
    ) -> "MambaIRv2":
        """Build the network from arguments and weights under the names of the authors' code.

        Args:
            arch: "MambaIRv2" (base and small) or "MambaIRv2Light".
            config: arguments of the authors' class (embed_dim, depths, num_heads, ...).
            state_dict: weights under the authors' keys; their dtype is kept.
            routing: see the class.

        Raises:
            ValueError: for an unknown arch, an argument that has no counterpart here, or windows of another kind.
            RuntimeError: for keys or shapes that do not fit, by name.
        """
        return load_released(cls(**arguments_from_released(arch, config), routing=routing), state_dict)

    def released(self) -> Released:
        """The names of the authors' code."""
        return released(self.feed_forward, self.window, self.tail)

    def seed(self, value: int) -> bool:
        """Set what the sampled prompts of every later evaluation are drawn from, until the next call; 0 at first.

        Returns:
            Whether there is anything to draw.
        """
        self._seed = int(value)
        return self.routing == "sampled"

    def backend(self, device: torch.device) -> str:
        """What computes the selective scan on a device, for the record of a measurement."""
        return f"selective scan by {backend(device)}"

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), unclamped."""
        height, width = x.shape[-2:]
        x = _mirror_to_multiple(x, self.window) - self.mean
        x = x.contiguous(memory_format=torch.channels_last)  # a map's pixels are then a view of it
        shallow = self.conv_first(x)
        deep = _on_pixels(self.norm_first, shallow)
        for group, noise in zip(self.body, self._noise(x).split(self.groups), strict=True):
            deep = group(deep, noise)
        deep = shallow + self.conv_after_body(_on_pixels(self.norm, deep))
        out = self.tail(deep) + self.mean
        return out[..., : self.scale * height, : self.scale * width]

    def _noise(self, x: Tensor) -> Tensor:
        """Random numbers for every layer and pixel, (layers, pixels); no pixels where no layer asks for any.

        Drawn on the CPU, so that every device sees the same ones, and moved at once, so that a GPU waits once.
        """
        pixels = x.shape[-2] * x.shape[-1] if self.routing == "sampled" and not self.training else 0
        generator = torch.Generator().manual_seed(self._seed)
        return torch.rand(sum(self.groups), pixels, generator=generator).to(x.device)


def _mirror_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Mirror at the right and the bottom, the edge pixels repeated, up to a multiple; back and forth if need be."""
    for dim in (-2, -1):
        side = x.shape[dim]
        if side % multiple:
            index = torch.arange(-(-side // multiple) * multiple, device=x.device) % (2 * side)
            x = x.index_select(dim, torch.minimum(index, 2 * side - 1 - index))
    return x


def _on_pixels(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    return norm(x.movedim(1, -1)).movedim(-1, 1)


def _initialise(model: nn.Module) -> None:
    """Linear layers a truncated normal of 0.02 with zero bias, but the step sizes of the scans as Mamba begins."""
    initialise_linear(model)
    for module in model.modules():
        if isinstance(module, ASSM):
            module.initialise_steps()
