"""Manifests that are not true any more: they list images that are gone.

A manifest is written last and stands for the images of its folder, which Snakemake does not look at. Nothing is deleted
here: what is left of a folder is kept or made again as the folder's own rule sees fit.
"""

from pathlib import Path

from rssr.base.files import read_csv


def lost_images(manifest: str | Path) -> list[str]:
    """The images that a manifest lists and that are gone; none where there is no manifest."""
    path = Path(manifest)
    if not path.exists():
        return []
    present = {str(image.relative_to(path.parent)) for image in path.parent.rglob("*.png")}
    listed = (str(Path(row.get("replicate", ""), f"{row['image']}.png")) for row in read_csv(path))
    return [image for image in listed if image not in present]
