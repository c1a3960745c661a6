"""Manifests that are damaged, or list images which no longer exist.

Snakemake tracks the manifest of a folder, not its images. Nothing is deleted here: the rule that wrote the folder
decides which of the remaining images it keeps. Every start looks at every image of a run, so no path object is made
of one, and each folder is listed once.
"""

import os
from pathlib import Path

from rssr.base.errors import UserError
from rssr.base.files import read_csv


def incomplete(manifest: str | Path, folder: str | Path | None = None) -> str:
    """Why the images of a manifest have to be made again, in words; empty if they need not, or there is no manifest.

    Args:
        manifest: the manifest.
        folder: the folder of its images, by default the one that it lies in.
    """
    path = Path(manifest)
    if not path.exists():
        return ""
    present: dict[str, set[str]] = {}
    lost = []
    try:
        for row in read_csv(path):
            replicate, image = row.get("replicate", ""), f"{row['image']}.png"
            if replicate not in present:
                images = Path(folder or path.parent, replicate)
                present[replicate] = set(os.listdir(images)) if images.is_dir() else set()  # noqa: PTH208, names only
            if image not in present[replicate]:
                lost.append(os.path.join(replicate, image))  # noqa: PTH118
    except UserError as error:
        return error.problem
    return f"{path} lists {len(lost)} images that no longer exist, such as {lost[0]}" if lost else ""
