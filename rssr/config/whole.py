"""The whole configuration: its blocks, and that their names fit together."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, field_validator, model_validator

from rssr.base import ROOT, run_folder
from rssr.base.errors import nearest
from rssr.config.block import Block, Name, OwnPath
from rssr.config.data import Dataset, Step
from rssr.config.measuring import Analysis, Audit, Figures, Metric, Profile, Report, Shards, Statistics
from rssr.config.models import Model, Recipe
from rssr.config.reader import origin_of
from rssr.datasets.degradations import DEGRADATIONS, GIVEN
from rssr.metrics.registry import METRICS


class Config(Block):
    """The whole configuration."""

    scale: Literal[2, 3, 4] | tuple[Literal[2, 3, 4], ...] = Field(
        4, description="upscaling factor, or several; `{scale}` in a model's entry stands for it"
    )
    degradations: dict[Name, tuple[Step, ...]] = Field(
        {"bicubic": (Step(reduce="bicubic"),)},
        min_length=1,
        description="from HR to LR, name -> steps; networks are trained on the first. A list of names stands for steps "
        f"that the suite knows: {', '.join(DEGRADATIONS)}",
    )
    crop: int | None = Field(None, ge=0, description="border pixels that metrics leave out; the scale by default")
    datasets: dict[Name, Dataset] = Field(min_length=1, description="data sets by name")
    models: dict[Name, Model] = Field(min_length=1, description="methods by name, in the order of the tables")
    training: dict[Name, Recipe] = Field({}, description="recipes by name")
    metrics: dict[Literal[tuple(METRICS)], Metric] = Field(
        {"psnr_y": Metric()}, min_length=1, description="metrics by name"
    )
    weights_dir: OwnPath = Field(
        "downloads/metrics",
        description="folder of the weights of perceptual metrics, fetched into it where they are missing; a machine "
        "without a network takes one that was filled elsewhere",
    )
    profile: Profile = Field(Profile(), description="how cost is measured")
    statistics: Statistics = Field(Statistics(), description="how intervals are computed")
    audit: Audit | None = Field(None, description="measure how far the protocol moves the scores; by default not done")
    shards: Shards | None = Field(
        None,
        description="upscale, score and audit test sets in several jobs each, with the same results; by default one. "
        "A finished result stays as it is",
    )
    analysis: Analysis | None = Field(None, description="look into networks; by default not done")
    figures: Figures = Field(Figures(), description="what the figures show")
    report: Report = Field(Report(), description="what results/report shows in addition to tables and figures")
    _files: tuple[Path, ...] = PrivateAttr(())
    _origin: str | Sequence[str | Path | Mapping[str, Any]] = PrivateAttr(())  # see config.validate()

    @field_validator("degradations", mode="before")
    @classmethod
    def _known_steps(cls, given: Any) -> Any:
        """Fill in the steps of names that the suite knows."""
        listed = isinstance(given, list | tuple) and all(isinstance(name, str) for name in given)
        named = given if isinstance(given, dict) else dict.fromkeys(given) if listed else None
        if named is None:
            raise ValueError("a list of names or a mapping of names to steps is expected")
        for name, steps in named.items():
            if steps is None and name not in DEGRADATIONS:
                raise ValueError(f"'{name}' is unknown{nearest(str(name), DEGRADATIONS)}")
        return {name: DEGRADATIONS[name] if steps is None else steps for name, steps in named.items()}

    @field_validator("metrics", mode="before")
    @classmethod
    def _without_options(cls, given: Any) -> Any:
        """Metrics whose entries are left empty, as most can be."""
        return (
            {name: {} if entry is None else entry for name, entry in given.items()}
            if isinstance(given, dict)
            else given
        )

    @field_validator("degradations")
    @classmethod
    def _reduced_once(cls, given: dict[str, tuple[Step, ...]]) -> dict[str, tuple[Step, ...]]:
        for name, steps in given.items():
            if name == GIVEN:
                raise ValueError(f"'{GIVEN}' is what LR images are called that a data set names in `lr`: rename it")
            if sum(step.reduce is not None for step in steps) != 1:
                raise ValueError(f"'{name}' has to `reduce` once")
        return given

    @field_validator("models")
    @classmethod
    def _no_manifest(cls, given: dict[str, Model]) -> dict[str, Model]:
        if "manifest" in given:
            raise ValueError("'manifest' is what lists of images are called beside scores: rename that model")
        return given

    def where(self, key: str) -> str:
        """A key, after the file that gives it, for errors."""
        return ": ".join(filter(None, (origin_of(key.split("."), self._origin), key)))

    def how_to_make(self, target: str | Path) -> str:
        """The command that makes a file of a run of this configuration, with the files that it was read from.

        The run is that of the working directory, if it has one, and otherwise of the checkout.
        """
        files = [path.relative_to(ROOT) if path.is_relative_to(ROOT) else path for path in self._files]
        given = shlex.join([*map(str, files), *([] if run_folder() == ROOT else ["--directory", str(run_folder())])])
        return f"`snakemake {target} --cores all --configfile {given}` in {ROOT}"

    def degradations_of(self, dataset: str) -> tuple[str, ...]:
        """The names of a data set's degradations; networks are trained on the first."""
        return (GIVEN,) if self.datasets[dataset].lr else tuple(self.degradations)

    @property
    def scales(self) -> tuple[int, ...]:
        """The upscaling factors, in order."""
        return self.scale if isinstance(self.scale, tuple) else (self.scale,)

    @model_validator(mode="after")
    def _names_exist(self) -> "Config":
        if len(set(self.scales)) != len(self.scales) or not self.scales:
            raise ValueError("`scale` needs one or more different factors")
        for kind, entries in (("models", self.models), ("datasets", self.datasets)):
            labels: dict[str, str] = {}
            for name, entry in entries.items():
                if (other := labels.setdefault(entry.label, name)) != name:
                    raise ValueError(
                        f"{kind}.{other} and {kind}.{name} have one label, '{entry.label}': change one of them"
                    )
        for name, model in self.models.items():
            others = [other for other in self.models if other != name]
            named = {"train_on": self.datasets, "train": self.training, "ablates": others}
            for (key, known), kind in zip(named.items(), ("data set", "recipe", "model"), strict=True):
                given = getattr(model, key)
                if given is not None and given not in known:
                    raise ValueError(f"models.{name}.{key} names the {kind} '{given}'{nearest(given, known)}")
            if model.ablates is not None and self.models[model.ablates].ablates is not None:
                raise ValueError(f"models.{name}.ablates names '{model.ablates}', an ablation: name its full model")
        return self

    @model_validator(mode="after")
    def _shown_names_exist(self) -> "Config":
        asked = {"figures.crops": (self.datasets, [crop.dataset for crop in self.figures.crops])}
        if self.audit is not None:
            asked["audit.datasets"] = (self.datasets, self.audit.datasets)
            asked["audit.models"] = (self.models, self.audit.models)
        if self.analysis is not None:
            asked["analysis.dataset"] = (self.datasets, [self.analysis.dataset])
            asked["analysis.models"] = (self.models, self.analysis.models)
        for key, (known, names) in asked.items():
            for name in names:
                if name not in known:
                    raise ValueError(f"{key} names '{name}'{nearest(name, known)}")
        for name in self.audit.datasets if self.audit else ():
            if self.datasets[name].lr is not None:
                raise ValueError(
                    f"audit.datasets names '{name}', whose LR images are given by its `lr`, but the audit reduces HR "
                    "images in several ways: leave it out, or give an entry of it without `lr`"
                )
        reference = self.statistics.reference
        if reference is not None and reference not in self.models:
            raise ValueError(f"statistics.reference names the model '{reference}'{nearest(reference, self.models)}")
        return self
