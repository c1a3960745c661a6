"""Manifests that are damaged, or list images which no longer exist.

Snakemake tracks the manifest of a folder, not its images. Nothing is deleted here: the rule that wrote the folder
decides which of the remaining images it keeps.
"""

from pathlib import Path

from rssr.base.errors import UserError
from rssr.base.files import read_csv


def incomplete(manifest: str | Path) -> str:
    """Why the images of a manifest have to be made again, in words; empty if they need not, or there is no manifest."""
    path = Path(manifest)
    if not path.exists():
        return ""
    try:
        listed = [str(Path(row.get("replicate", ""), f"{row['image']}.png")) for row in read_csv(path)]
    except UserError as error:
        return error.problem
    except KeyError as error:
        return f"{path} is damaged (it has no column {error})"
    present = {str(image.relative_to(path.parent)) for image in path.parent.rglob("*.png")}
    lost = [image for image in listed if image not in present]
    return f"{path} lists {len(lost)} images that no longer exist, such as {lost[0]}" if lost else ""
