"""The benchmark's library; the folders datasets/, models/ and metrics/ next to this one are its subpackages."""

from pathlib import Path

__version__ = "0.1.0"

# datasets/, models/ and metrics/ stand at the top of the repository without an __init__.py, because a top-level
# package called `datasets` would shadow Hugging Face's. They are imported as rssr.datasets, rssr.models, rssr.metrics.
__path__.append(str(Path(__file__).resolve().parent.parent))
