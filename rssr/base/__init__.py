"""The ground floor: errors, files, downloads, provenance. Imports nothing of the rest."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent  # of the checkout
