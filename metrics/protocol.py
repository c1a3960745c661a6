"""The choices of a measuring protocol that an audit varies."""

# The first of each choice is the stated protocol of the field.
CHOICES: dict[str, tuple[str, ...]] = {
    "degradation": ("bicubic", "bicubic of OpenCV", "bicubic of PIL", "blur 1.2", "blur 2.0", "nearest"),
    "rounding": ("8 bit", "float"),
    "colour": ("y", "y_full", "yiq", "rgb"),
    "crop": ("4", "0"),
    "window": ("gaussian 11", "uniform 7"),
}
WINDOWS = {"gaussian 11": "gaussian", "uniform 7": "uniform"}  # what fidelity.WINDOWS calls them
BASE = {choice: options[0] for choice, options in CHOICES.items()}
