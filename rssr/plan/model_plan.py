"""A model at one scale: what it is called, where its weights come from, and which code it runs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rssr.base.errors import about
from rssr.base.files import from_here, missing
from rssr.base.targets import parts
from rssr.base.tensors import scale_of
from rssr.config.models import Model, entry_at
from rssr.models.entry import mirrors
from rssr.models.names import INTERPOLATIONS, NETWORKS
from rssr.plan.artifacts import Artifact
from rssr.plan.entries import plain
from rssr.plan.replicate import SINGLE, seeded


@dataclass(frozen=True)
class ModelPlan:
    """A model at one scale: one row of the tables.

    Attributes:
        name: its name in the configuration.
        scale: upscaling factor.
        config: its entry in the configuration.
        seeds: the seeds of its training recipe; empty if it is not trained.
        unavailable: why its weights cannot be obtained; empty if they can.
        recorded: the sha256 of its weights file, recorded at first use because its entry states none; otherwise empty.
    """

    name: str
    scale: int
    config: Model
    seeds: tuple[int, ...]
    unavailable: str = ""
    recorded: str = ""

    @property
    def label(self) -> str:
        """Its name in tables and figures."""
        return self.config.label

    @property
    def notes(self) -> list[str]:
        """Notes shown below tables in which it has a row."""
        notes = [self.config.note] if self.config.note else []
        if self.is_loaded and not notes:
            file = self.weights_file
            place = file.get("path") or urlsplit(mirrors(file)[0]).path
            notes = [f"weights loaded from {Path(place).name}"]
        if self.config.self_ensemble:
            notes.append("self-ensemble over the 8 flips and turns of the image")
        if tile := self.config.tile:
            notes.append(
                f"upscaled in LR tiles of {tile.size} pixels with an overlap of {tile.overlap}; "
                "overlapping pixels are counted twice in the cost"
            )
        if self.recorded:
            notes.append(f"checksum of its weights recorded at first use: sha256 {self.recorded}")
        return notes

    @property
    def row(self) -> dict[str, Any]:
        """What tables and figures show of it: `label`, `notes`, and where they apply `weightless`, `literature`."""
        found = {"label": self.label, "notes": self.notes}
        if not self.has_weights:
            found["weightless"] = True
        if self.config.literature:
            found["literature"] = self.config.literature.model_dump(mode="json")
        return found

    @property
    def has_weights(self) -> bool:
        """Whether it has any: an interpolation and a class without parameters have none."""
        return not (self.config.arch in INTERPOLATIONS or self.config.weightless)

    @property
    def gpus(self) -> int:
        """How many GPUs its jobs ask for, where there are any: an interpolation needs none."""
        return 0 if self.config.arch in INTERPOLATIONS else 1

    @property
    def is_trained(self) -> bool:
        """Whether its weights are trained by this run."""
        return self.config.train is not None

    @property
    def is_loaded(self) -> bool:
        """Whether its weights are loaded from a file or a URL."""
        return self.has_weights and not self.is_trained

    @property
    def replicates(self) -> list[str]:
        """The replicates of its weights, see plan.replicate."""
        return list(self.seed_of) or [SINGLE]

    @property
    def seed_of(self) -> dict[str, int]:
        """Replicate -> the seed that it is trained with; empty if it is not trained."""
        return {seeded(seed): seed for seed in self.seeds}

    def weights(self, dataset: str) -> list[Artifact]:
        """Its weights for a data set, one file per replicate; none if it has none.

        If its entry has `train_on`, they are trained on that data set instead.
        """
        of = {"dataset": self.config.train_on or dataset, "scale": self.scale, "model": self.name}
        return [Artifact("weights", replicate=name, **of) for name in self.replicates] if self.has_weights else []

    @property
    def module(self) -> str:
        """The module of its class; empty for a checkpoint."""
        arch = self.config.arch or ""
        return parts(NETWORKS.get(arch, arch))[0]

    @cached_property
    def entry(self) -> dict[str, Any]:
        """Its entry at this scale, see models.entry, as plain values without defaults."""
        entry = entry_at(plain(self.config), self.scale)
        files = {key: entry[key] for key in ("weights", "checkpoint") if "path" in entry.get(key, {})}
        return entry | {key: file | {"path": from_here(file["path"])} for key, file in files.items()}

    @property
    def weights_file(self) -> dict[str, Any]:
        """The file that its weights are loaded from, see models.entry.File; empty if nothing is loaded."""
        return self.entry.get("weights") or self.entry.get("checkpoint") or {}

    @property
    def file(self) -> str | None:
        """The local file that its weights are loaded from; None for a URL, or if nothing is loaded."""
        return self.weights_file.get("path")

    @property
    def files(self) -> list[str]:
        """The local file, if there is one."""
        return [self.file] if self.file else []

    @cached_property
    def left_out(self) -> str:
        """Why it has no row at this scale; empty if it has one."""
        if self.unavailable:
            return self.unavailable
        found = scale_of(Path(self.file)) if self.is_loaded and self.file else None
        return f"{self.file} has weights for x{found}" if found not in (None, self.scale) else ""

    def check_file(self, where: Callable[[str], str]) -> None:
        """UserError if the file of its weights does not exist: Snakemake would use the weights of an earlier run.

        Args:
            where: see Config.where().
        """
        if self.config.required and self.file and not Path(self.file).is_file():
            key = "weights" if "weights" in self.entry else "checkpoint"
            with about(where(f"models.{self.name}.{key}.path")):
                raise missing(self.file, remedy="correct the path")
