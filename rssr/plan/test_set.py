"""A test set: a data set at a scale and a degradation, with its names and how scores on it are measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rssr.base.errors import UserError
from rssr.plan.artifacts import Artifact


@dataclass(frozen=True)
class TestSet:
    """A data set's test split at one scale and one degradation. Each has one quality table.

    Attributes:
        dataset: name of the data set in the configuration.
        scale: upscaling factor.
        degradation: name of the degradation in the configuration.
        label: the data set's name in tables, and in brackets the part that is tested, if not all of it.
        name: the label, with scale and degradation if the run has several of them.
        steps: the degradation's steps.
        conditions: scale, degradation and crop in words.
        crop: border pixels that metrics leave out.
        classes: regular expression whose group is the class in an image's name; empty without classes.
        unit: regular expression whose group is the unit of statistics in a source image's name; empty: each source
            image is a unit.
        protocol: how scores are measured, as literature values state it: `scale`, `degradation`, `rounding`,
            `crop`, `split`.
        module: module of datasets/, "folder" for images of the user's own.
        redistributable: whether the licence of its images lets everyone redistribute them.
    """

    __test__ = False  # keeps pytest from collecting it

    dataset: str
    scale: int
    degradation: str
    label: str
    name: str
    steps: tuple[Mapping[str, Any], ...]
    conditions: str
    crop: int
    classes: str
    unit: str
    protocol: Mapping[str, Any]
    module: str
    redistributable: bool

    @property
    def title(self) -> str:
        """The beginning of captions: the data set, and how its LR images were made."""
        return f"{self.label}, {self.conditions}"

    @property
    def subject(self) -> str:
        """The part of a table's or figure's title that names the test set."""
        return f"{self.label}, x{self.scale}, {self.degradation}"

    @property
    def key(self) -> str:
        """Its unique path component."""
        return f"{self.dataset}/x{self.scale}-{self.degradation}"

    @property
    def identity(self) -> tuple[str, int, str]:
        """Data set, scale and degradation, in the order of Artifact.test."""
        return self.dataset, self.scale, self.degradation

    def artifact(self, kind: str, suffix: str = "", model: str | None = None) -> Artifact:
        """An artifact of this test set, and of a model if there is one per model."""
        return Artifact(kind, suffix, self.dataset, "test", self.scale, self.degradation, model)

    def check_classes(self) -> None:
        """UserError if its images have no classes."""
        if not self.classes:
            problem = f"datasets.{self.dataset} has no classes, so there is no table of them"
            raise UserError(problem, "ask for quality.md, the table over all images")

    def holds(self, artifact: Artifact) -> bool:
        """Whether an artifact belongs to this test set."""
        return artifact.test == self.identity
