"""A training set: the train split of a data set at one scale and one degradation."""

from dataclasses import dataclass, replace

from rssr.plan.artifacts import Artifact


@dataclass(frozen=True)
class TrainingSet:
    """What networks are trained on.

    Attributes:
        dataset: name of the data set in the configuration.
        scale: upscaling factor.
        degradation: name of the degradation: the configuration's first.
    """

    dataset: str
    scale: int
    degradation: str

    @property
    def hr(self) -> Artifact:
        """The manifest of its HR images."""
        return Artifact("hr", dataset=self.dataset, split="train", scale=self.scale)

    @property
    def lr(self) -> Artifact:
        """The manifest of its LR images."""
        return Artifact("lr", dataset=self.dataset, split="train", scale=self.scale, degradation=self.degradation)

    @property
    def validation(self) -> list[Artifact]:
        """The manifests of the HR and LR images of its data set's val split."""
        return [replace(artifact, split="val") for artifact in (self.hr, self.lr)]
