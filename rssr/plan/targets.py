"""The targets of a run: every file that Snakemake is asked for by name."""

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.plan.artifacts import KINDS, MEASURED, TABLES, Artifact
from rssr.plan.dependencies import is_somewhere
from rssr.plan.plan import Plan
from rssr.plan.test_set import TestSet

# Kinds with one artifact per test set, and kinds with one per test set and model.
_OF_TEST = (
    *("quality", "significance", "aggregation"),
    *("qualitative", "quality_cost", "distributions", "win_rate", "spectra"),
)
_OF_TEST_AND_MODEL = ("sr", "scores", "spectrum")


def everything(plan: Plan) -> list[str]:
    """Every result, intermediate ones included: Snakemake re-makes a deleted file only if it is asked for by name.

    Raises:
        UserError: without any test split, for a network that is trained or validated on images that it is tested on,
            or whose module is nowhere, and see Plan.training_sets.
    """
    if not plan.test_sets:
        problem = "no data set has a test split, and networks are trained for those that they are tested on"
        raise UserError(f"{plan.config.where('datasets')}: {problem}", "add one to a `split`")
    _check_unseen(plan)
    _check_modules(plan)
    metrics = [Artifact("metric", metric=metric) for metric in plan.metrics_with_weights]
    return _paths([*metrics, *_measured(plan), *_tables(plan), *_figures(plan)])


def data(plan: Plan, datasets: Iterable[str], splits: Iterable[str] = ("train", "val", "test")) -> list[Artifact]:
    """The prepared images of data sets, of some of their splits."""
    found = []
    for scale in plan.config.scales:
        for dataset in datasets:
            for split in (split for split in plan.data_sets[dataset].splits if split in splits):
                found.append(Artifact("hr", dataset=dataset, split=split, scale=scale))
                found += [
                    Artifact("lr", dataset=dataset, split=split, scale=scale, degradation=degradation)
                    for degradation in plan.config.degradations_of(dataset)
                ]
    return found


def all_data(plan: Plan) -> list[str]:
    """The prepared images of every data set."""
    return _paths(data(plan, plan.data_sets))


def all_weights(plan: Plan) -> list[str]:
    """The weights of every network, with their training curves, and the images that networks are trained on."""
    return _paths(weights(plan))


def weights(plan: Plan) -> list[Artifact]:
    """The weights of every network, with its training curve and training images."""
    trained = {model.name for model in plan.models if model.is_trained}
    curves = [artifact.beside("training_curve") for artifact in plan.all_weights if artifact.model in trained]
    images = [artifact for training in plan.training_sets for artifact in (training.hr, training.lr)]
    return [*plan.all_weights, *curves, *images]


def loaded_in_part(plan: Plan, test: TestSet) -> list[str]:
    """The records of weights that need not fit their networks, by `strict: false`."""
    networks = [model for model in plan.models_at(test.scale) if not model.config.strict]
    return [weights.beside(suffix="json").path for model in networks for weights in model.weights(test.dataset)]


def redistributable(plan: Plan) -> list[str]:
    """What the repository keeps of a run besides its report; figures only where their images may be redistributed.

    Of images and weights only checksums and records are kept: they show why the scores of another run differ.
    """
    manifests = {"hr", "lr", "sr"}
    kept = {*TABLES, *manifests, "scores", "profile", "audit"}
    kept |= KINDS.keys() - TABLES.keys() - MEASURED.keys() if plan.redistributable else set()
    found = [*_measured(plan), *_tables(plan), *_figures(plan)]
    records = [artifact.beside(f"{artifact.kind}_record") for artifact in found if artifact.kind in manifests]
    records += [artifact.beside(suffix="json") for artifact in found if artifact.kind == "weights"]
    copied = _paths(artifact for artifact in found if artifact.kind in kept)
    return [*copied, *dict.fromkeys(record.path for record in records), "results/provenance.json"]


def _check_unseen(plan: Plan) -> None:
    """UserError for test images among those of `train_on`, of local folders; within a data set, splits are disjoint."""

    @cache
    def files(dataset: str, split: str) -> set[Path]:
        own, images = plan.data_sets[dataset], plan.config.datasets[dataset].images
        return {own.find(Path(), source).resolve() for source in own.splits.get(split, ()) if images}

    for test in plan.test_sets:
        for model in (model for model in plan.models_at(test.scale) if model.is_trained):
            recipe, other = plan.config.training[model.config.train], model.config.train_on or test.dataset
            for split in ("train", "val") if recipe.validate_every else ("train",):
                if other != test.dataset and (seen := files(other, split) & files(test.dataset, "test")):
                    raise UserError(
                        f"{plan.config.where(f'models.{model.name}.train_on')}: {min(seen)} is in the {split} split of "
                        f"'{other}' and in the test split of '{test.dataset}'",
                        "correct a `split`",
                    )


def _check_modules(plan: Plan) -> None:
    """UserError for a class whose module is nowhere: its jobs would fail after Snakemake has deleted what they made."""
    for model in plan.models:
        if ":" in (model.config.arch or "") and not is_somewhere(model.module):
            where = plan.config.where(f"models.{model.name}.arch")
            remedy = "install the package, put its folder in PYTHONPATH, or correct it"
            raise UserError(f"{where}: there is no module {model.module}", remedy)


def _measured(plan: Plan) -> Iterator[Artifact]:
    yield from data(plan, plan.tested, ("test", "val"))
    for test in plan.test_sets:
        for model in plan.models_at(test.scale):
            yield from (test.artifact(kind, model=model.name) for kind in _OF_TEST_AND_MODEL)
    for model in plan.models:
        yield Artifact("profile", scale=model.scale, model=model.name)
    for test, model in plan.audited:
        yield Artifact("audit", dataset=test.dataset, scale=test.scale, model=model.name)
    for test, model in plan.analysed:
        yield test.artifact("attribution", model=model.name)
    for test, model in plan.dissected:
        yield test.artifact("features", model=model.name)
    yield from weights(plan)


def _tables(plan: Plan) -> Iterator[Artifact]:
    for test in plan.test_sets:
        yield from (test.artifact(kind) for kind in _OF_TEST if kind in TABLES)
        if test.classes:
            yield test.artifact("classes")
    for scale in plan.config.scales:
        yield Artifact("complexity", scale=scale)
        yield from (Artifact("ablation", scale=scale, model=model) for model in plan.ablated(scale))
    yield from (Artifact("audit_table", dataset=test.dataset, scale=test.scale) for test, _ in plan.audited)
    if plan.test_sets:
        yield Artifact("side_by_side")
    if plan.literature_sets:
        yield Artifact("literature")
    if plan.all_weights:
        yield Artifact("training")


def _figures(plan: Plan) -> Iterator[Artifact]:
    for test in plan.test_sets:
        yield from (test.artifact(kind) for kind in _OF_TEST if kind not in TABLES)
    for training in plan.training_sets:
        yield Artifact("training_curves", dataset=training.dataset, scale=training.scale)
    for test, model in plan.audited:
        yield Artifact("audit_map", dataset=test.dataset, scale=test.scale, model=model.name)
    yield from (test.artifact("attribution_map") for test, _ in plan.analysed)
    for test, model in plan.dissected:
        yield test.artifact("feature_maps", model=model.name)
        yield Artifact("architecture", scale=model.scale, model=model.name)
    # Drawn from a committed file, which is missing once results/ was deleted.
    if (ROOT / "results/reference/mlstm_growth.csv").exists():
        yield Artifact("mlstm_growth")


def _paths(artifacts: Iterable[Artifact]) -> list[str]:
    """The paths of artifacts with all their suffixes, each once, in order."""
    return list(dict.fromkeys(path for artifact in artifacts for path in artifact.renderings))
