"""Named degradations: what is done to an HR image, step by step, until it is its LR image."""

from collections.abc import Mapping, Sequence
from typing import Any

# A step is a mapping with one of these keys, and its options:
#   blur: sigma in pixels of a Gaussian, size: its side (odd; 2 * ceil(3 * sigma) + 1 by default)
#   reduce: kernel of imresize, antialias: whether the reduction stretches it
#   noise: standard deviation, in levels of 8 bits, of Gaussian noise, drawn from a seed of the image's own
#   jpeg: quality of a JPEG file that the image goes through
Step = Mapping[str, Any]
STEPS = ("blur", "reduce", "noise", "jpeg")

GIVEN = "given"  # in the place of a degradation's name: the LR images come from a sensor of their own, or elsewhere

# The names that a configuration may use without spelling them out. Blur and noise as in facts measured on RSSCN7.
DEGRADATIONS: dict[str, tuple[Step, ...]] = {
    "bicubic": ({"reduce": "bicubic"},),
    "bicubic_aliased": ({"reduce": "bicubic", "antialias": False},),
    "blur_bicubic": ({"blur": 1.2, "size": 7}, {"reduce": "bicubic"}),
    "blur_bicubic_noise": ({"blur": 1.2, "size": 7}, {"reduce": "bicubic"}, {"noise": 5.0}),
    "bicubic_jpeg": ({"reduce": "bicubic"}, {"jpeg": 75}),
}


def describe(steps: Sequence[Step]) -> str:
    """A degradation in words, for titles: "Gaussian blur of sigma 1.2, bicubic reduction (MATLAB)"."""
    return ", ".join(_describe(step) for step in steps)


def _describe(step: Step) -> str:
    if "blur" in step:
        return f"Gaussian blur of sigma {step['blur']:g}" + (f" (side {step['size']})" if step.get("size") else "")
    if "noise" in step:
        return f"Gaussian noise of sigma {step['noise']:g}"
    if "jpeg" in step:
        return f"JPEG of quality {step['jpeg']}"
    return f"{step['reduce']} reduction " + ("(MATLAB)" if step.get("antialias", True) else "without antialiasing")
