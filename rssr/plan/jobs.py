"""The configuration entries that decide the output of a script, as JSON; this is the only module that writes it.

A script gets only the entries that it needs, so that a changed entry re-makes only what depends on it. plan.arguments
reads what is written here.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict

from rssr.config import Config
from rssr.plan.arguments import NO_WEIGHTS
from rssr.plan.entries import plain, rooted
from rssr.plan.model_plan import ModelPlan
from rssr.plan.plan import Plan
from rssr.plan.test_set import TestSet

_AROUND_THE_NETWORK = {"tile", "self_ensemble"}


def data_set(plan: Plan, name: str) -> str:
    """What determines a data set's images: its entry with its root, without the label and the unit of statistics."""
    entry = rooted(plan.config.datasets[name])
    return json.dumps({key: value for key, value in entry.items() if key not in ("label", "unit")})


def data_sets(plan: Plan) -> str:
    """All data sets, with their labels."""
    return json.dumps({name: rooted(entry) for name, entry in plan.config.datasets.items()})


def data_set_labels(plan: Plan) -> str:
    """Data set -> its label in tables."""
    return json.dumps({name: entry.label for name, entry in plan.config.datasets.items()})


def degradation(plan: Plan, name: str) -> str:
    """The steps of a degradation; none where LR images are given."""
    return json.dumps([plain(step) for step in plan.config.degradations.get(name, ())])


def model(planned: ModelPlan, without: Collection[str] = ()) -> str:
    """What determines a model's SR images: its entry at its scale."""
    return json.dumps({k: v for k, v in planned.entry.items() if k not in without})


def network(planned: ModelPlan) -> str:
    """What determines a model's weights: its entry without tiling and self-ensemble."""
    return model(planned, without=_AROUND_THE_NETWORK)


def architecture(planned: ModelPlan) -> str:
    """What determines a model's cost: its entry without the weights to load."""
    return model(planned, without=["weights"])


def recipe(config: Config, planned: ModelPlan) -> str:
    """The recipe of a trained model, defaults filled in.

    Seeds are excluded, so adding one does not retrain the others; `devices`, which changes no more than rounding; and
    how often checkpoints and rows of the curve are written, so a finished curve keeps its rows.
    """
    return config.training[planned.config.train].model_dump_json(exclude={"seeds", "devices", *NO_WEIGHTS})


def rows(models: Iterable[ModelPlan]) -> str:
    """What tables and figures show per model, name -> ModelPlan.row, in the order of the tables."""
    return json.dumps({model.name: model.row for model in models})


def test_sets(tests: Iterable[TestSet]) -> str:
    """Test sets with all their attributes."""
    return json.dumps([asdict(test) for test in tests])


def crops(plan: Plan, dataset: str) -> str:
    """The configured crops of a data set's qualitative pages: `image` and `square`."""
    asked = (crop for crop in plan.config.figures.crops if crop.dataset == dataset)
    return json.dumps([crop.model_dump(mode="json", exclude={"dataset"}) for crop in asked])


def profile(plan: Plan) -> str:
    """How cost is measured, defaults filled in."""
    return plan.config.profile.model_dump_json()


def statistics(plan: Plan) -> str:
    """How intervals are computed, defaults filled in."""
    return plan.config.statistics.model_dump_json()


def analysis(plan: Plan) -> str:
    """How networks are analysed, defaults filled in, without the names of the data set and the models."""
    asked = plan.config.analysis
    return asked.model_dump_json(exclude={"dataset", "models"}) if asked else "{}"


def options(given: list[str]) -> str:
    """Command-line options that select the folder and the configuration of this run."""
    return json.dumps(given)


def configuration(plan: Plan) -> str:
    """The whole configuration."""
    return json.dumps(plain(plan.config))
