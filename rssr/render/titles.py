"""Titles of tables and figures: their kind and their subject."""

from collections.abc import Iterable, Mapping

from rssr.plan.artifacts import Artifact
from rssr.plan.test_set import TestSet
from rssr.render.words import counted

_KINDS = {
    "quality": "Quality",
    "significance": "Significance",
    "aggregation": "Aggregation",
    "classes": "Quality by class",
    "audit_table": "Audit of the protocol",
    "complexity": "Complexity",
    "ablation": "Ablation",
    "side_by_side": "Quality on all test sets",
    "training": "Training",
    "literature": "Literature values",
    "qualitative": "Qualitative",
    "quality_cost": "Quality and cost",
    "distributions": "Distributions",
    "win_rate": "Win rate",
    "spectra": "Spectra",
    "attribution_map": "Attribution",
    "feature_maps": "Feature maps",
    "audit_map": "Audit of the protocol",
    "training_curves": "Training curves",
    "architecture": "Architecture",
    "mlstm_growth": "mLSTM growth",
}


def title(kind: str, *subjects: str) -> str:
    """The title of a table or figure, as in "Win rate: NEON, x4, bicubic".

    Args:
        kind: a key of artifacts.TABLES or artifacts.FIGURES.
        subjects: what it shows, such as model, data set and scale.
    """
    return f"{_KINDS[kind]}: {', '.join(subjects)}" if subjects else _KINDS[kind]


def audited(label: str, test: TestSet, images: int) -> str:
    """The heading inside of a model's audit map."""
    return f"{label} on {test.label}, x{test.scale}, {counted(images, 'image')}"


def title_of(artifact: Artifact, tests: Iterable[TestSet], labels: Mapping[str, str]) -> str:
    """The title of a table or figure of a run.

    Args:
        artifact: the table or figure.
        tests: the test sets of the run.
        labels: model -> label.
    """
    subjects = [] if artifact.model is None else [labels[artifact.model]]
    if artifact.degradation is not None:
        subjects += [test.subject for test in tests if test.holds(artifact)]
    elif artifact.dataset is not None:
        names = {test.dataset: test.label for test in tests}
        subjects += [names.get(artifact.dataset, artifact.dataset), f"x{artifact.scale}"]
    elif artifact.scale is not None:
        subjects.append(f"x{artifact.scale}")
    return title(artifact.kind, *subjects)
