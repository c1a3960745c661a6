"""Replicates: what varies beside the images. The training seed, and the draws of a network that draws random numbers.

A replicate has a name, which is a folder below a model's SR images and a column of its scores. Weights that are loaded,
and interpolations, have the one replicate SINGLE; a trained network has one for each seed of its recipe. A network that
draws random numbers has further replicates of each, named by draw(). Tables show the mean over the replicates and how
far apart they lie.
"""

SINGLE = "0"
DRAWS = 5  # of a network that draws random numbers


def seeded(seed: int) -> str:
    """The replicate that is trained with a seed."""
    return f"seed{seed}"


def draw(replicate: str, number: int) -> str:
    """The replicate of a further draw of random numbers; draw 0 is the replicate itself."""
    return f"{replicate}_draw{number}" if number else replicate
