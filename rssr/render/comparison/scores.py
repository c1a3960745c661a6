"""Compares the scores of the same images in two folders of results, and gives a verdict."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rssr.base.errors import UserError
from rssr.metrics.registry import METRICS
from rssr.plan.artifacts import Artifact
from rssr.render.comparison.folder import Folder
from rssr.render.scores import check_scores
from rssr.render.words import counted

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
        trained: whether both runs trained the network, by the same recipe and seed.
    """

    of: Artifact
    image: str
    metric: str
    a: str
    b: str
    trained: bool

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
        lost: score files of the first folder -> how many SR images only they have scores of.
        others: score files of models that both folders have, with other replicates.
        uncompared: metrics that only the first folder has, because the second could not obtain their weights, or does
            not ask for them.
        tolerance: in dB of PSNR; for other metrics, the same multiple of the last printed digit.
        trained_tolerance: that of networks that both runs trained.
    """

    scores: Sequence[Score]
    only: tuple[Sequence[str], Sequence[str]]
    lost: Mapping[Artifact, int]
    others: Collection[Artifact]
    uncompared: Sequence[str]
    tolerance: float
    trained_tolerance: float

    @property
    def beyond(self) -> list[Score]:
        """The scores that differ by more than their tolerance."""
        allowed = {False: units_of(self.tolerance), True: units_of(self.trained_tolerance)}
        return [score for score in self.scores if score.units > allowed[score.trained]]

    @property
    def reproduced(self) -> bool:
        """Whether nothing is lost, and no score differs by more than its tolerance."""
        return not self.beyond and not self.lost

    @property
    def lacking(self) -> list[str]:
        """What the second folder lacks: whole test sets, models, or SR images."""
        tests, files = {score.of.test for score in self.scores}, {score.of for score in self.scores}
        found = []
        for of, images in self.lost.items():
            part = f"{counted(images, 'SR image')} of " if of in files else ""
            end = " (it has other replicates)" if of in self.others else ""
            named = f"{part}{of.model} on {set_of(of)}{end}"
            found.append(named if of.test in tests else f"the test set {set_of(of)}")
        return list(dict.fromkeys(found))

    @property
    def verdict(self) -> str:
        """The result of the comparison in one sentence."""
        equal = sum(score.a == score.b for score in self.scores)
        said = f"{equal} of {len(self.scores)} scores equal to the byte"
        found = [f"B lacks {', '.join(self.lacking)}"] if self.lost else []
        if beyond := self.beyond:
            worst = max(beyond, key=_units)
            found.append(f"{counted(len(beyond), 'score')} by up to {worst.amount}, first in {beyond[0].where}")
        if found:
            return f"differs: {'; '.join([*found, said])}"
        if self.uncompared:
            said += f"; only A has {', '.join(METRICS[metric].name for metric in self.uncompared)}"
        if equal == len(self.scores):
            return f"reproduced: {said}"
        strict, loose = [], []
        for score in self.scores:
            (loose if score.units > units_of(self.tolerance) else strict).append(score)
        words = [max(strict, key=_units).amount] if any(score.moved for score in strict) else []
        words += [f"{max(loose, key=_units).amount} for networks trained in both runs"] if loose else []
        return f"reproduced within {' and '.join(words)}; {said}"


def compare_scores(
    a: Folder, b: Folder, tolerance: float = TOLERANCE, trained_tolerance: float | None = None
) -> Comparison:
    """Compare the scores of two folders, keyed by test set, model, image, replicate and metric.

    If a model has no replicate name in common in the two folders, but equally many replicates, such as after training
    with other seeds, these are compared in order. What only the second folder has is no difference.

    Raises:
        UserError: if the folders have no score in common.
    """
    scores: list[Score] = []
    only: tuple[list[str], list[str]] = ([], [])
    lost: dict[Artifact, int] = {}
    others: list[Artifact] = []
    metrics: dict[str, None] = {}
    files = dict.fromkeys([*a.of_kind("scores", "csv"), *b.of_kind("scores", "csv")])
    for of in files:
        left, right = dict(_values(a, of)), dict(_values(b, of))
        renamed = _paired([key[1] for key in left], [key[1] for key in right])
        right = {(image, renamed.get(name, name), metric): text for (image, name, metric), text in right.items()}
        trained = _trained(a, b, of)
        metrics |= dict.fromkeys(key[2] for key in left)
        scores += [Score(of, key[0], key[2], text, right[key], trained) for key, text in left.items() if key in right]
        if images := {key[:2] for key in left} - {key[:2] for key in right}:
            lost[of] = len(images)
            others += [of] if right and not left.keys() & right.keys() else []
        for keys, there, missing in ((left, right, only[0]), (right, left, only[1])):
            missing += [f"{set_of(of)}, {of.model}, {METRICS[key[2]].name}" for key in keys if key not in there]
    if not scores:
        for folder in (a, b):
            if not any(artifact.kind == "scores" for artifact in folder.artifacts):
                raise UserError(f"{folder.path} has no scores", "name a folder `results` whose run is finished")
        raise UserError(
            f"{a.path} and {b.path} have no score in common, of {len(only[0])} and {len(only[1])}",
            "name two folders `results` of the same test sets and models",
        )
    uncompared = [metric for metric in metrics if metric not in {score.metric for score in scores}]
    loose = tolerance if trained_tolerance is None else trained_tolerance
    return Comparison(scores, only, lost, others, uncompared, tolerance, loose)


def units_of(tolerance: float) -> float:
    """A tolerance in dB of PSNR as units of the last printed digit of any metric."""
    return tolerance * 10 ** METRICS["psnr_y"].digits * (1 + 1e-9)  # the factor absorbs rounding


def set_of(artifact: Artifact) -> str:
    """The test set of an artifact, as in paths."""
    return f"{artifact.dataset}/x{artifact.scale}-{artifact.degradation}"


def _values(folder: Folder, of: Artifact) -> Iterator[tuple[tuple[str, str, str], str]]:
    rows = folder.rows(of)
    check_scores(folder.file(of), rows)
    for row in rows:
        for metric in METRICS:
            if row.get(metric):
                yield (row["image"], row["replicate"], metric), row[metric]


def _trained(a: Folder, b: Folder, of: Artifact) -> bool:
    """Whether both runs trained the network whose scores these are, by the same recipe and seeds."""
    recipes = [
        [folder.json(w).get("recipe") for w in folder.of_kind("weights", "json") if w.model == of.model]
        for folder in (a, b)
    ]
    return bool(recipes[0]) and all(recipes[0]) and recipes[0] == recipes[1]


def _units(score: Score) -> float:
    return score.units


def _paired(left: Sequence[str], right: Sequence[str]) -> dict[str, str]:
    """Replicate in the second folder -> that in the first, if the two have equally many and no name in common."""
    left, right = list(dict.fromkeys(left)), list(dict.fromkeys(right))
    return dict(zip(right, left, strict=True)) if len(left) == len(right) and not set(left) & set(right) else {}
