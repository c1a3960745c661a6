"""Replicates: what varies besides the images. The training seed, and the draws of a network that samples.

A replicate has a name: a folder below a model's SR images, and a value in the column `replicate` of its scores. Loaded
weights and interpolations have the one replicate SINGLE; a trained network has one for each seed of its recipe. For a
network that samples (draws random numbers when it upscales), steps.upscaling makes `draws` replicates of each of
these, named by drawn(). Tables show the mean over the replicates and their spread.
"""

import re

SINGLE = "0"
_DRAWN = re.compile(r"(\w+)_draw\d+")


def seeded(seed: int) -> str:
    """The name of the replicate that is trained with a seed."""
    return f"seed{seed}"


def drawn(replicate: str, number: int) -> str:
    """The name of a draw from the weights of a replicate; draw 0 keeps the replicate's name."""
    return f"{replicate}_draw{number}" if number else replicate


def weights_of(replicate: str) -> str:
    """The replicate whose weights a draw is from: the first argument of drawn()."""
    found = _DRAWN.fullmatch(replicate)
    return found[1] if found else replicate
