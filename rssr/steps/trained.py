"""The weights that runs have trained, for commands outside the DAG: where they are, and what is to be said of them."""

import json
from contextlib import suppress
from itertools import combinations
from pathlib import Path

from rssr.base import ROOT, run_folder
from rssr.base.errors import UserError, nearest
from rssr.config import Config, load
from rssr.config.models import Model
from rssr.models.weights import record_at
from rssr.plan import jobs
from rssr.plan.arguments import NO_WEIGHTS
from rssr.plan.artifacts import Artifact
from rssr.plan.model_plan import ModelPlan


def trained(config: Config, name: str, scale: int) -> list[Artifact]:
    """The weights among to_train() that are here."""
    return [weights for weights in to_train(config, name, scale) if (run_folder() / weights.path).exists()]


def to_train(config: Config, name: str, scale: int) -> list[Artifact]:
    """The weights of a trained model, of its first seed: one file per data set that it is trained on."""
    planned = _planned(config, name, scale)
    return [weights for data in tested(config) for weights in planned.weights(data)[:1]]


def entry_named(config: Config, name: str) -> Model:
    """The entry of a model; UserError for an unknown name."""
    if name not in config.models:
        raise UserError(f"there is no model '{name}'{nearest(name, config.models)}")
    return config.models[name]


def how_to_train(config: Config, name: str, scale: int) -> str:
    """The command that trains a model, with no more of the configuration's files than it takes to say what it is.

    All that the suite knows together would train it on the data set of another file.
    """
    model = config.models[name]
    for files in (part for size in (1, 2) for part in combinations(config._files, size)):
        with suppress(UserError):  # some change others only
            less = load(*files)
            if less.models.get(name) == model and less.training.get(model.train) == config.training[model.train]:
                config = less
                break
    return config.how_to_make(to_train(config, name, scale)[0].path)


def with_seed(config: Config, name: str, seed: int) -> Config:
    """The configuration in which the recipe of a model has one of its seeds alone; UserError if it lacks the seed."""
    recipe = entry_named(config, name).train
    if recipe is None:
        raise UserError(f"--seed {seed}: models.{name} is not trained", "leave it out")
    if seed not in (seeds := config.training[recipe].seeds):
        problem = f"--seed {seed}: training.{recipe} has the seeds {', '.join(map(str, seeds))}"
        raise UserError(problem, "name one of them, or add it to `seeds` and train it")
    alone = config.training[recipe].model_copy(update={"seeds": (seed,)})
    return config.model_copy(update={"training": config.training | {recipe: alone}})


def notes_on(config: Config, name: str, scale: int) -> list[str]:
    """What is to be said of a model's weights, if they are trained and here.

    That is of which of several seeds and data sets they are, and what in their entry or recipe was changed since.
    """
    if not config.models[name].train or not (found := trained(config, name, scale)):
        return []
    notes, planned = chosen(config, name, found[0].dataset), _planned(config, name, scale)
    record = record_at(run_folder() / found[0].beside(suffix="json").path) or {}
    now = {"model": jobs.network(planned), "recipe": jobs.recipe(config, planned)}
    for key, called in (("model", f"models.{name}"), ("recipe", f"training.{planned.config.train}")):
        new = json.loads(now[key])
        was = record.get(key, new)
        differing = [part for part in {**new, **was} if new.get(part) != was.get(part)]
        if changed := [part for part in differing if part not in ("seed", *NO_WEIGHTS)]:
            notes.append(f"trained before {called} was changed ({', '.join(changed)}): a run trains it again")
    return notes


def chosen(config: Config, name: str, dataset: str) -> list[str]:
    """Which of several seeds, and of several data sets, a trained model's weights are of."""
    model = config.models[name]
    if not model.train:
        return []
    seeds, sets = config.training[model.train].seeds, [] if model.train_on else tested(config)
    found = [f"of seed {seeds[0]}, the first of {len(seeds)} in training.{model.train}"] if len(seeds) > 1 else []
    found += [f"trained on {dataset}, one of {len(sets)} data sets with a test split"] if len(sets) > 1 else []
    return found


def _planned(config: Config, name: str, scale: int) -> ModelPlan:
    model = config.models[name]
    return ModelPlan(name, scale, model, config.training[model.train].seeds)


def tested(config: Config) -> list[str]:
    """The data sets with a test split, on each of which a trained model is trained unless it has `train_on`."""
    splits = {data: entry.split for data, entry in config.datasets.items()}
    return [data for data, split in splits.items() if not isinstance(split, dict) or "test" in split] or [*splits]


def trained_on(config: Config, name: str) -> str:
    """The data set that a model is trained on; the first one, if it is trained on several."""
    return config.models[name].train_on or tested(config)[0]


def here(path: str | Path) -> Path:
    """A path of the configuration, resolved from the working directory or else from the checkout."""
    return Path(path) if Path(path).exists() else ROOT / path
