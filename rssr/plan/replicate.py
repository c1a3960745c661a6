"""Replicates: what varies besides the images. The training seed, and the draws of a network that samples.

A replicate has a name, which is a folder below a model's SR images and a column of its scores. Weights that are loaded,
and interpolations, have the one replicate SINGLE; a trained network has one for each seed of its recipe. A network that
samples (draws random numbers when it upscales) has DRAWS replicates of each of these, named by drawn(). Tables show the
mean over the replicates and their spread.
"""

SINGLE = "0"
DRAWS = 5


def seeded(seed: int) -> str:
    """The replicate that is trained with a seed."""
    return f"seed{seed}"


def drawn(replicate: str, number: int) -> str:
    """The replicate of a draw; draw 0 of some weights has their name."""
    return f"{replicate}_draw{number}" if number else replicate
