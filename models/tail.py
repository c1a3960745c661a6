"""The end of a network, from features to pixels, as LSTMConvSR, MambaIRv2 and TTST share it with SwinIR."""

from torch import nn

from rssr.models.layers import conv3x3, upsampling
from rssr.models.released import Keys, counted

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


def released_tail_keys(made: nn.Sequential) -> Keys:
    """Patterns of the names in tail() and what they are in the authors' code, see released.Released."""
    if len(made) == 2:  # light
        return ((r"^tail\.", "upsample."),)
    return (
        (rf"^tail\.{len(made) - 1}\.", "conv_last."),
        (r"^tail\.0\.", "conv_before_upsample.0."),
        (r"^tail\.(\d+)\.", counted("upsample.{}.", -2)),
    )
