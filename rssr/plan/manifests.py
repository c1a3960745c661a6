"""Manifests that list images which no longer exist.

Snakemake tracks the manifest of a folder, not its images. Nothing is deleted here: the rule that wrote the folder
decides which of the remaining images it keeps.
"""

from pathlib import Path

from rssr.base.files import read_csv


def lost_images(manifest: str | Path) -> list[str]:
    """The images that a manifest lists but that no longer exist; empty if there is no manifest."""
    path = Path(manifest)
    if not path.exists():
        return []
    present = {str(image.relative_to(path.parent)) for image in path.parent.rglob("*.png")}
    listed = (str(Path(row.get("replicate", ""), f"{row['image']}.png")) for row in read_csv(path))
    return [image for image in listed if image not in present]
