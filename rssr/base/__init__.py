"""The ground floor: errors, files, downloads, provenance. Imports nothing of the rest."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent  # of the checkout


def run_folder() -> Path:
    """The folder of the run that a command is about: the working directory if it has results, or else the checkout."""
    return Path.cwd() if Path("results").is_dir() else ROOT
