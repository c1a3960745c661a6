"""A folder of results: that of a run, or a full or partial copy of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from rssr.base.errors import UserError, in_words
from rssr.base.files import damaged, read_csv, read_json, sha256
from rssr.plan.artifacts import Artifact, artifacts_at

_SUFFIXES = ("csv", "json", "html", "safetensors")


class Folder:
    """The artifacts in a folder of results.

    Args:
        path: a run's `results`, the folder above it, or a copy such as results/reference/default.

    Attributes:
        path: the folder that stands for results/.
        record: the content of its provenance.json; empty if it has none.
        artifacts: its files, without those of models and data sets that are `removed`.
        removed: models and data sets, as models.{name}, that have files but that its configuration has no more.
    """

    def __init__(self, path: Path) -> None:
        self.path = path / "results" if (path / "results").is_dir() else path
        if not self.path.is_dir():
            raise UserError(f"there is no folder {path}", "name the folder `results` of a run, or a copy of it")
        files = (file for suffix in _SUFFIXES for file in sorted(self.path.rglob(f"*.{suffix}")))
        found = artifacts_at(Path("results", file.relative_to(self.path)) for file in files)
        record = self.path / "provenance.json"
        self.record: dict[str, Any] = read_json(record) if record.exists() else {}
        if not isinstance(self.record.get("configuration", {}), dict):
            raise damaged(record, "its configuration is no mapping")
        removed = {artifact: self._removed(artifact) for artifact in found}
        self.artifacts = [artifact for artifact in found if not removed[artifact]]
        self.removed = sorted(filter(None, set(removed.values())))
        self.images = cache(self._images)

    def __contains__(self, artifact: Artifact) -> bool:
        return self.file(artifact).exists()

    def _removed(self, artifact: Artifact) -> str:
        """The model or data set of a file that an earlier run has left; empty for one of the last run."""
        blocks = {"models": artifact.model, "datasets": artifact.dataset}
        known = {block: self.record.get("configuration", {}).get(block) for block in blocks}
        return next(
            (f"{block}.{name}" for block, name in blocks.items() if name and known[block] and name not in known[block]),
            "",
        )

    def of_kind(self, kind: str, suffix: str) -> list[Artifact]:
        """Its artifacts of a kind, in the order of their paths."""
        return [artifact for artifact in self.artifacts if (artifact.kind, artifact.suffix) == (kind, suffix)]

    def file(self, artifact: Artifact) -> Path:
        """Where an artifact lies, or would lie."""
        return self.path / Path(artifact.path).relative_to("results")

    def json(self, artifact: Artifact) -> dict[str, Any]:
        """The content of a JSON file; empty if the file is missing."""
        return read_json(self.file(artifact)) if artifact in self else {}

    def rows(self, artifact: Artifact) -> list[dict[str, str]]:
        """The rows of a CSV file; empty if the file is missing."""
        return read_csv(self.file(artifact)) if artifact in self else []

    def _images(self, manifest: Artifact) -> dict[str, tuple[str, ...]]:
        """Image -> checksums, one per replicate: of the file, or from the manifest if the file is missing."""
        found: dict[str, tuple[str, ...]] = {}
        for row in self.rows(manifest):
            file = self.file(manifest).parent / row.get("replicate", "") / f"{row['image']}.png"
            digest = sha256(file) if file.exists() else row["sha256"]
            found[row["image"]] = (*found.get(row["image"], ()), digest)
        return found


@contextmanager
def read_as_results(*folders: Path) -> Iterator[None]:
    """UserError in place of what goes wrong in the block where values of records are not what this suite writes."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        named = " and ".join(map(str, folders))
        raise UserError(
            f"{named} cannot be read as results of this suite ({in_words(error)})", "copy them again, or run again"
        ) from error
