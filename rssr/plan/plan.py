"""The plan of a run: the objects that a configuration stands for, and which of them belong together."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from rssr.base.errors import UserError
from rssr.base.sidecars import with_parts
from rssr.config import validate
from rssr.config.literature import load as load_literature
from rssr.datasets.degradations import DEGRADATIONS, describe
from rssr.metrics.registry import METRICS
from rssr.plan.artifacts import Artifact
from rssr.plan.entries import data_set, plain
from rssr.plan.model_plan import ModelPlan
from rssr.plan.shards import Shard, shards_for
from rssr.plan.test_set import TestSet
from rssr.plan.training_set import TrainingSet


class Plan:
    """The objects of a run.

    Args:
        config: Snakemake's merged configuration.
        origin: where it came from, for errors, see config.validate().
        obtain: looks for the weights of models and returns the models with what it found, see steps.obtaining; by
            default nothing is looked for.

    Attributes:
        config: the validated configuration.
        data_sets: name -> where its images come from.
        models: every model at every scale that it has weights for, in the order of the tables.
        left_out: the models at the scales that they have no weights for, or whose weights cannot be obtained.
        test_sets: every data set with a test split, at every scale and degradation.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        origin: str | Sequence[str | Path | Mapping[str, Any]],
        obtain: Callable[[Sequence[ModelPlan]], Sequence[ModelPlan]] = list,
    ) -> None:
        self.config = validate(config, origin)
        self.data_sets = {name: data_set(name, self.config) for name in self.config.datasets}
        planned = obtain([self._model(name, scale) for scale in self.config.scales for name in self.config.models])
        self.left_out = [model for model in planned if model.left_out]
        self.models = [model for model in planned if not model.left_out]
        for scale in self.config.scales:
            if not self.models_at(scale):
                first = next(model for model in self.left_out if model.scale == scale)
                raise UserError(f"no model has weights for x{scale}: {first.left_out}", "change `scale`")
        wrong = [model for model in self.left_out if not model.unavailable]
        if len(self.config.scales) == 1 and wrong:
            raise UserError(
                f"{self.config.where(f'models.{wrong[0].name}')}: {wrong[0].left_out}, not for the configuration's "
                f"x{wrong[0].scale}",
                f"change `scale`, name another file, or remove the model by `models: {{{wrong[0].name}: null}}`",
            )
        self.test_sets = [
            self._test_set(name, scale, degradation)
            for scale in self.config.scales
            for name in self.tested
            for degradation in self.config.degradations_of(name)
        ]

    # Look-ups by wildcards.

    def test_set(self, wildcards: Any) -> TestSet:
        """The test set that a rule's wildcards name; without a `degradation`, the one used for training."""
        degradation = getattr(wildcards, "degradation", self.config.degradations_of(wildcards.dataset)[0])
        wanted = (wildcards.dataset, int(wildcards.scale), degradation)
        return next(test for test in self.test_sets if (test.dataset, test.scale, test.degradation) == wanted)

    def model(self, wildcards: Any) -> ModelPlan:
        """The model that a rule's wildcards `model` and `scale` name."""
        return self.model_at(wildcards.model, int(wildcards.scale))

    def training_set(self, wildcards: Any) -> TrainingSet:
        """The training set that a rule's wildcards `dataset` and `scale` name."""
        return self._training_set(wildcards.dataset, int(wildcards.scale))

    def validation_images(self, wildcards: Any) -> list[Artifact]:
        """The validation images of a training run; empty if its recipe does not validate."""
        recipe = self.config.training[self.model(wildcards).config.train]
        return self.training_set(wildcards).validation if recipe.validate_every else []

    # Models.

    def model_at(self, name: str, scale: int) -> ModelPlan:
        """A model at a scale; UserError if it has no weights for that scale."""
        for model in self.models:
            if (model.name, model.scale) == (name, scale):
                return model
        raise UserError(f"models.{name} has no weights for x{scale}", "name another model, or change `scale`")

    def models_at(self, scale: int) -> list[ModelPlan]:
        """The models at a scale, which are the rows of its tables."""
        return [model for model in self.models if model.scale == scale]

    @property
    def all_weights(self) -> list[Artifact]:
        """The weights of every network for every test set, each once."""
        found = (
            artifact
            for test in self.test_sets
            for model in self.models_at(test.scale)
            for artifact in model.weights(test.dataset)
        )
        return list(dict.fromkeys(found))

    def weights_for_profile(self, model: ModelPlan) -> list[Artifact]:
        """Profiling needs weights only for a checkpoint, whose architecture is read from them."""
        return model.weights(next(iter(self.config.datasets))) if model.config.checkpoint else []

    def ablation(self, name: str, scale: int) -> list[ModelPlan]:
        """A full model, followed by its ablations."""
        return [model for model in self.models_at(scale) if name in (model.name, model.config.ablates)]

    def ablated(self, scale: int) -> list[str]:
        """The full models that have ablations at this scale."""
        models = self.models_at(scale)
        of_others = dict.fromkeys(model.config.ablates for model in models if model.config.ablates)
        return [name for name in of_others if name in {model.name for model in models}]

    @property
    def reference(self) -> str:
        """The model that the others are compared with."""
        return self.config.statistics.reference or next(iter(self.config.models))

    def reference_at(self, scale: int) -> str:
        """The reference at a scale; if the configured one has no row there, the first model of that scale."""
        names = [model.name for model in self.models_at(scale)]
        return self.reference if self.reference in names else names[0]

    def notes_at(self, scale: int) -> list[str]:
        """One note per model left out at this scale, with the reason."""
        left_out = (model for model in self.left_out if model.scale == scale)
        return [f"{model.label}: no row at x{scale}, since {model.left_out}" for model in left_out]

    # Data sets.

    @property
    def tested(self) -> list[str]:
        """The data sets that have a test split."""
        return [name for name, data_set in self.data_sets.items() if "test" in data_set.splits]

    @property
    def training_sets(self) -> list[TrainingSet]:
        """The training set of every trained network, each once; UserError if a data set lacks a split that it needs."""
        found = {}
        for artifact in self.all_weights:
            dataset, name = artifact.dataset, artifact.model
            if not self.model(artifact).is_trained:
                continue
            recipe = self.config.models[name].train
            needed = {"train": f"models.{name}.train"}
            if self.config.training[recipe].validate_every:
                needed["val"] = f"training.{recipe}.validate_every"
            for split, key in needed.items():
                if split not in self.data_sets[dataset].splits:
                    raise UserError(
                        f"{self.config.where(key)}: the data set '{dataset}' has no {split} split: add one to its "
                        f"`split`, or name another data set in models.{name}.train_on"
                    )
            found[self._training_set(dataset, artifact.scale)] = None
        return list(found)

    def tests_at(self, scale: int) -> list[TestSet]:
        """The test sets of a scale."""
        return [test for test in self.test_sets if test.scale == scale]

    def fetched(self, dataset: str) -> list[str]:
        """The record of a data set's download, an input of `prepare_images`; empty for a local folder."""
        return [] if self.config.datasets[dataset].images else [f"downloads/{dataset}/fetched.json"]

    def own_images(self, dataset: str, split: str, scale: int) -> list[Path]:
        """The files of a split of a local folder, LR images that are given too, with_parts(); else none."""
        data_set = self.data_sets[dataset]
        sources = data_set.splits[split] if self.config.datasets[dataset].images else ()
        given = [data_set.given.find(source, scale) for source in sources] if data_set.given else []
        return list(with_parts([*(data_set.find(Path(), source) for source in sources), *given]))

    def shards(self, dataset: str, most: int | None = None) -> list[Shard]:
        """The shards of a data set's test images, or of at most `most` of them; none if they are not split."""
        if self.config.shards is None:
            return []
        images = self.data_sets[dataset].expected("test", self.config.datasets[dataset].tile)
        return shards_for(min(images, most or images), self.config.shards.images)

    @cached_property
    def literature_sets(self) -> list[TestSet]:
        """The test sets for which the literature reports values."""
        values = load_literature()
        return [test for test in self.test_sets if any(value.is_of(test.module, test.scale) for value in values)]

    # Audits and analyses.

    @property
    def audited(self) -> list[tuple[TestSet, ModelPlan]]:
        """The audits of the measuring protocol: each test set, at the first scale, with each model of the audit."""
        if self.config.audit is None:
            return []
        return [
            (test, self.model_at(name, test.scale))
            for dataset in self.config.audit.datasets
            for test in [self._asked(dataset, "audit.datasets")]
            for name in self._present(self.config.audit.models, test.scale)
        ]

    @property
    def analysed(self) -> list[tuple[TestSet, ModelPlan]]:
        """The networks that are analysed, each with the test set whose images are used."""
        if self.config.analysis is None:
            return []
        test = self._asked(self.config.analysis.dataset, "analysis.dataset")
        return [
            (test, self.model_at(name, test.scale)) for name in self._present(self.config.analysis.models, test.scale)
        ]

    @property
    def dissected(self) -> list[tuple[TestSet, ModelPlan]]:
        """The analysed networks whose feature maps and architecture can be drawn."""
        return [(test, model) for test, model in self.analysed if model.config.arch == "lstmconvsr"]

    def audits(self, wildcards: Any, suffix: str) -> list[Artifact]:
        """The results of an audit of a data set, one per model."""
        of_set = {"dataset": wildcards.dataset, "scale": int(wildcards.scale)}
        return [
            Artifact("audit", suffix, model=model.name, **of_set)
            for test, model in self.audited
            if (test.dataset, test.scale) == (of_set["dataset"], of_set["scale"])
        ]

    @property
    def metrics_with_weights(self) -> list[str]:
        """The configured metrics that are networks."""
        return [name for name in self.config.metrics if METRICS[name].weights]

    @property
    def redistributable(self) -> bool:
        """Whether the images of all test sets may be passed on."""
        return all(test.redistributable for test in self.test_sets)

    # Construction.

    def _model(self, name: str, scale: int) -> ModelPlan:
        entry = self.config.models[name]
        model = ModelPlan(name, scale, entry, self.config.training[entry.train].seeds if entry.train else ())
        model.check_file(self.config.where)
        return model

    def _training_set(self, dataset: str, scale: int) -> TrainingSet:
        return TrainingSet(dataset, scale, self.config.degradations_of(dataset)[0])

    def _test_set(self, dataset: str, scale: int, degradation: str) -> TestSet:
        entry, images = self.config.datasets[dataset], self.data_sets[dataset]
        steps = [plain(step) for step in self.config.degradations.get(degradation, ())]
        known = [name for name, its_steps in DEGRADATIONS.items() if list(its_steps) == steps]
        crop = scale if self.config.crop is None else self.config.crop
        label = f"{entry.label} ({images.part})" if images.part else entry.label
        several = {f"x{scale}": len(self.config.scales) > 1, degradation: len(self.config.degradations_of(dataset)) > 1}
        made = f"LR by {describe(steps)}" if steps else "LR given"
        return TestSet(
            dataset=dataset,
            scale=scale,
            degradation=degradation,
            label=label,
            name=", ".join([label, *(word for word, needed in several.items() if needed)]),
            steps=tuple(steps),
            conditions=f"x{scale}, {made}, 8 bit, border crop {crop}",
            crop=crop,
            classes=images.classes,
            unit=entry.unit or images.unit,
            protocol={
                "scale": scale,
                # The canonical name, whatever the configuration calls it.
                "degradation": known[0] if known else describe(steps) or degradation,
                "rounding": "8 bit",
                "crop": crop,
                "split": images.split if entry.tile is None else "own",
            },
            module=entry.module or "folder",
            redistributable=images.card.redistributable,
        )

    def _present(self, names: Sequence[str], scale: int) -> list[str]:
        """Models that a block of the configuration names, without those that are left out at a scale."""
        absent = {model.name for model in self.left_out if model.scale == scale}
        return [name for name in names if name not in absent]

    def _asked(self, dataset: str, key: str) -> TestSet:
        """The test set that a block of the configuration names, at the first scale and degradation."""
        for test in self.test_sets:
            if test.identity == (dataset, self.config.scales[0], self.config.degradations_of(dataset)[0]):
                return test
        raise UserError(f"{self.config.where(key)}: '{dataset}' has no test split", "name another data set")
