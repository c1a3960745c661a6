"""The end of a network, from features to pixels, as LSTMConvSR, MambaIRv2 and TTST share it with SwinIR."""

from torch import nn

from rssr.models.layers import conv3x3, upsampling
from rssr.models.released import Keys

TAILS = ("classical", "light")
TAIL_CHANNELS = 64  # of the classical tail, whatever the width of the network
RELEASED_TAILS = {"pixelshuffle": "classical", "pixelshuffledirect": "light"}  # the authors' `upsampler`


def tail(kind: str, channels: int, scale: int) -> nn.Sequential:
    """From (B, channels, h, w) to (B, 3, scale * h, scale * w).

    Args:
        kind: "classical" convolutions and pixel shuffles at 64 channels, or "light": one convolution, one shuffle.
        channels: width of the network.
        scale: upscaling factor.
    """
    if kind == "light":
        return nn.Sequential(conv3x3(channels, 3 * scale**2), nn.PixelShuffle(scale))
    before = conv3x3(channels, TAIL_CHANNELS), nn.LeakyReLU(0.01)
    return nn.Sequential(*before, *upsampling(TAIL_CHANNELS, scale), conv3x3(TAIL_CHANNELS, 3))


def released_tail_keys(kind: str, scale: int) -> Keys:
    """Patterns of the authors' keys and what they are in tail(), for load_released()."""
    if kind == "light":
        return ((r"^upsample\.", "tail."),)
    last = 2 + len(upsampling(TAIL_CHANNELS, scale))
    return (
        (r"^conv_before_upsample\.0\.", "tail.0."),
        (r"^upsample\.(\d+)\.", lambda match: f"tail.{2 + int(match[1])}."),
        (r"^conv_last\.", f"tail.{last}."),
    )
