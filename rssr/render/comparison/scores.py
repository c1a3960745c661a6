"""Compares the scores of the same images in two folders of results, and gives a verdict."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rssr.base.errors import UserError
from rssr.metrics.registry import METRICS
from rssr.plan.artifacts import Artifact
from rssr.render.comparison.folder import Folder

TOLERANCE = 0.005  # dB of PSNR: half a unit of the last digit that tables print


@dataclass(frozen=True)
class Score:
    """A score in both folders.

    Attributes:
        of: the score file.
        image: name.
        metric: name.
        a: text in the first folder.
        b: text in the second.
    """

    of: Artifact
    image: str
    metric: str
    a: str
    b: str

    @property
    def moved(self) -> float:
        """By how much the two differ, in the metric's unit; infinite if only one is finite."""
        a, b = float(self.a), float(self.b)
        if a == b or (math.isnan(a) and math.isnan(b)):
            return 0.0
        return abs(b - a) if math.isfinite(a) and math.isfinite(b) else math.inf

    @property
    def units(self) -> float:
        """The difference in units of the last digit that tables print."""
        return self.moved * 10 ** METRICS[self.metric].digits

    @property
    def amount(self) -> str:
        """The difference as text, such as 0.01 dB."""
        card = METRICS[self.metric]
        return " ".join(filter(None, (f"{self.moved:.2g}", card.unit if card.unit == "dB" else card.label)))

    @property
    def where(self) -> str:
        """Test set, model, metric and image."""
        return f"{set_of(self.of)}, {self.of.model}, {METRICS[self.metric].name}, image {self.image}"


@dataclass(frozen=True)
class Comparison:
    """All scores of two folders.

    Attributes:
        scores: those in both folders.
        only: the scores in only the first and only the second folder, each as its test set, model and metric.
        tolerance: in dB of PSNR; for other metrics, the same multiple of the last printed digit.
    """

    scores: Sequence[Score]
    only: tuple[Sequence[str], Sequence[str]]
    tolerance: float

    @property
    def beyond(self) -> list[Score]:
        """The scores that differ by more than the tolerance."""
        return [score for score in self.scores if score.units > units_of(self.tolerance)]

    @property
    def reproduced(self) -> bool:
        """Whether no score differs by more than the tolerance."""
        return not self.beyond

    @property
    def verdict(self) -> str:
        """The result of the comparison in one sentence."""
        equal = sum(score.a == score.b for score in self.scores)
        said = f"{equal} of {len(self.scores)} scores equal to the byte"
        if beyond := self.beyond:
            worst = max(beyond, key=lambda score: score.units)
            return f"differs: {counted(len(beyond))} by up to {worst.amount}, first in {beyond[0].where}; {said}"
        if equal == len(self.scores):
            return f"reproduced: {said}"
        return f"reproduced within {max(self.scores, key=lambda score: score.units).amount}; {said}"


def compare_scores(a: Folder, b: Folder, tolerance: float = TOLERANCE) -> Comparison:
    """Compare the scores of two folders, keyed by test set, model, image, replicate and metric.

    If a model has no replicate name in common in the two folders, but equally many replicates, such as after training
    with other seeds, these are compared in order.

    Raises:
        UserError: if the folders have no score in common.
    """
    scores: list[Score] = []
    only: tuple[list[str], list[str]] = ([], [])
    files = dict.fromkeys([*a.of_kind("scores", "csv"), *b.of_kind("scores", "csv")])
    for of in files:
        left, right = dict(_values(a, of)), dict(_values(b, of))
        renamed = _paired([key[1] for key in left], [key[1] for key in right])
        right = {(image, renamed.get(name, name), metric): text for (image, name, metric), text in right.items()}
        scores += [Score(of, key[0], key[2], text, right[key]) for key, text in left.items() if key in right]
        for keys, there, missing in ((left, right, only[0]), (right, left, only[1])):
            missing += [f"{set_of(of)}, {of.model}, {METRICS[key[2]].name}" for key in keys if key not in there]
    if not scores:
        raise UserError(
            f"{a.path} and {b.path} have no score in common, of {len(only[0])} and {len(only[1])}",
            "name two folders `results` of the same test sets and models",
        )
    return Comparison(scores, only, tolerance)


def units_of(tolerance: float) -> float:
    """A tolerance in dB of PSNR as units of the last printed digit of any metric."""
    return tolerance * 10 ** METRICS["psnr_y"].digits * (1 + 1e-9)  # the factor absorbs rounding


def counted(scores: int) -> str:
    """A number of scores as text: "1 score", "2 scores"."""
    return f"{scores} score{'' if scores == 1 else 's'}"


def set_of(artifact: Artifact) -> str:
    """The test set of an artifact, as in paths."""
    return f"{artifact.dataset}/x{artifact.scale}-{artifact.degradation}"


def _values(folder: Folder, of: Artifact) -> Iterator[tuple[tuple[str, str, str], str]]:
    for row in folder.rows(of):
        for metric in METRICS:
            if row.get(metric):
                yield (row["image"], row["replicate"], metric), row[metric]


def _paired(left: Sequence[str], right: Sequence[str]) -> dict[str, str]:
    """Replicate in the second folder -> that in the first, if the two have equally many and no name in common."""
    left, right = list(dict.fromkeys(left)), list(dict.fromkeys(right))
    return dict(zip(right, left, strict=True)) if len(left) == len(right) and not set(left) & set(right) else {}
