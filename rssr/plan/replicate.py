"""Replicates: what varies besides the images. The training seed, and the draws of a network that samples.

A replicate has a name: a folder below a model's SR images, and a value in the column `replicate` of its scores. Loaded
weights and interpolations have the one replicate SINGLE; a trained network has one for each seed of its recipe. For a
network that samples (draws random numbers when it upscales), steps.upscaling makes `draws` replicates of each of
these, named by drawn(). Tables show the mean over the replicates and their spread.
"""

from collections.abc import Collection

SINGLE = "0"


def seeded(seed: int) -> str:
    """The name of the replicate that is trained with a seed."""
    return f"seed{seed}"


def drawn(replicate: str, number: int) -> str:
    """The name of a draw from the weights of a replicate; draw 0 keeps the replicate's name."""
    return f"{replicate}_draw{number}" if number else replicate


def weights_of(replicates: Collection[str]) -> dict[str, str]:
    """Each replicate of a model -> the one whose weights it is a draw from: the first argument of drawn()."""
    draws = {drawn(name, number): name for name in replicates for number in range(1, len(replicates))}
    return {name: draws.get(name, name) for name in replicates}
