"""What a run would need, before it is started: python -m rssr plan. Snakemake makes its folder .snakemake for it."""

import re
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from rssr.base import ROOT
from rssr.base.errors import UserError, nearest
from rssr.base.files import read_csv, read_json, size_in_words
from rssr.config import load, read
from rssr.config.models import Recipe, entry_at
from rssr.metrics.samples import percentiles
from rssr.models.files import remote_path
from rssr.plan.artifacts import Artifact
from rssr.plan.entries import plain, rooted, transfer
from rssr.plan.model_plan import ModelPlan
from rssr.plan.plan import Plan
from rssr.plan.targets import everything
from rssr.plan.test_set import TestSet
from rssr.steps.catalogue import Facts, facts_of
from rssr.steps.data_status import data_status
from rssr.steps.gpu_report import NETWORKS
from rssr.steps.obtaining import DOWNLOADS, obtain
from rssr.steps.trained import here
from rssr.steps.training import iterations

MEASURED = ROOT / "results/reference/gpu/training.json"
UNKNOWN = "unknown"
Rows = list[dict[str, str]]


def prospect(files: Sequence[Path], speeds: Mapping[str, float]) -> Iterator[tuple[str, Rows]]:
    """Titles and tables: networks, data sets, disk, jobs.

    Args:
        files: configuration files, merged as Snakemake does.
        speeds: training steps per second by model, and under "" of every other; without it measured ones are used.

    Raises:
        UserError: for an empty file, a configuration that makes no plan, a network that cannot be built or run, and a
            speed of an unknown model.
    """
    for path in (path for path in files if not read(path)):  # Snakemake refuses it
        raise UserError(f"{path} is empty", "write keys, or leave it out")
    plan = Plan(plain(load(*files)), files, partial(obtain, fetch=False))
    for name in speeds.keys() - plan.config.models.keys() - {""}:
        raise UserError(f"--steps-per-second: there is no model '{name}'{nearest(name, plan.config.models)}")
    everything(plan)  # finds what a run is refused for
    # Every network is built and run, so that a class or an argument that is wrong is known before a run reaches it.
    facts = {
        (model.name, model.scale): facts_of(plan.config, model.name, model.scale, run=True) for model in plan.models
    }
    jobs, made = _dry_run(files)
    rows = [
        _network(plan, model, test, facts[model.name, model.scale].parameters_m, speeds, made)
        for test in _tests(plan)
        for model in plan.models_at(test.scale)
    ]
    left_out = [{"network": note} for scale in plan.config.scales for note in plan.notes_at(scale)]
    yield "Networks", rows + left_out
    there = data_status({name: rooted(entry) for name, entry in plan.config.datasets.items()}, here("downloads"))
    yield "Data sets", there
    yield "Disk and transfers", list(_room(plan, facts))
    yield "Jobs", jobs


def _tests(plan: Plan) -> list[TestSet]:
    """The test sets, one per data set and scale, because weights are shared by all degradations."""
    return list({(test.dataset, test.scale): test for test in plan.test_sets}.values())


def _network(
    plan: Plan,
    model: ModelPlan,
    test: TestSet,
    size: float | None,
    speeds: Mapping[str, float],
    made: Collection[Artifact],
) -> dict[str, str]:
    row = {"network": model.label, "data set": f"{plan.config.datasets[test.dataset].label} x{test.scale}"}
    if not model.has_weights:
        return row | {"weights": "none needed"}
    row["parameters (M)"] = UNKNOWN if size is None else f"{size:.3f}"
    weights = model.weights(test.dataset)
    missing = [artifact for artifact in weights if artifact in made or not Path(artifact.path).exists()]
    if not missing:
        return row | {"weights": "there"}
    if model.is_loaded:
        return row | {"weights": _to_load(model)}
    recipe = plan.config.training[model.config.train]
    home = missing[0].dataset
    images = _images(plan, home, "train", model.scale)
    steps = iterations(recipe.model_dump(), images or 0) if images or recipe.iterations else None
    again = " again" if all(Path(artifact.path).exists() for artifact in missing) else ""
    told = f"to be trained{again} on {plan.config.datasets[home].label}: {len(missing)} of {len(weights)} replicates"
    speed, source = _speed(model, recipe, speeds)
    hours = f"{UNKNOWN}: {source}"
    if speed and steps:
        hours = f"{steps * len(missing) / speed / 3600:.1f} at {speed:.3g} steps/s, {source}"
    return row | {"weights": told, "iterations": f"{steps:,}" if steps else UNKNOWN, "hours": hours}


def _to_load(model: ModelPlan) -> str:
    if "path" in model.weights_file:
        return f"to be loaded from {model.weights_file['path']}"
    place = remote_path(model.weights_file, DOWNLOADS)
    return f"to be loaded from {place}" if here(place).exists() else f"to be downloaded into {place}"


def _images(plan: Plan, name: str, split: str, scale: int) -> int | None:
    """The HR images of a split: as prepared, or as its card or its folder says; None if neither is known."""
    manifest = Path(Artifact("hr", dataset=name, split=split, scale=scale).path)
    if manifest.exists():
        return len(read_csv(manifest))
    entry, data_set = plan.config.datasets[name], plan.data_sets[name]
    if split not in data_set.splits:
        return 0
    if entry.tile is None and not data_set.card.tile:
        return len(data_set.splits[split])
    as_published = not (entry.split or entry.subset or entry.tile)
    return data_set.card.counts.get(split) if as_published else None


def _speed(model: ModelPlan, recipe: Recipe, given: Mapping[str, float]) -> tuple[float | None, str]:
    """Steps per second and their source; None and the reason if this training step has not been measured."""
    if speed := given.get(model.name, given.get("")):
        return speed, "as given"
    found = read_json(MEASURED) if MEASURED.exists() else {"training": {}}
    name = model.name if recipe.precision == "fp32" else f"{model.name}_{recipe.precision}"
    step = found["training"].get(name, {}) if model.name in NETWORKS else {}
    if (
        "samples_ms" not in step
        or found.get("quick")
        or (step["patches"], step["patch"]) != (recipe.batch, recipe.patch)
        or model.entry != entry_at(NETWORKS[model.name], model.scale)
        or recipe.compile
        or recipe.channels_last
    ):
        return None, "no speed is measured, give --steps-per-second"
    _, median, _ = percentiles(step["samples_ms"])
    return 1000 / median, f"measured on {found['machine']['gpu'] or found['machine']['processor']}"


def _room(plan: Plan, facts: Mapping[tuple[str, int], Facts]) -> Iterator[dict[str, str]]:
    """A row per data set, and their sum where there are several."""
    sums: dict[str, float | None] = {}
    for name, data_set in plan.data_sets.items():
        entry = plan.config.datasets[name]
        fetched = here(f"downloads/{name}/fetched.json").exists()
        if entry.images:
            words = f"{entry.label}: none, used from {entry.images}"
        else:
            words = f"{entry.label}: fetched" if fetched else transfer(name, entry.label, data_set)
        needed = _images_room(plan, name, facts) | {"trainings": _trainings_room(plan, name, facts)}
        sums = {key: _sum(sums.get(key, 0.0), size) for key, size in needed.items()}
        yield {"data set": entry.label, "transfer": words} | _in_words(needed)
    if len(plan.data_sets) > 1:
        yield {"data set": "all"} | _in_words(sums)


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def _in_words(sizes: Mapping[str, float | None]) -> dict[str, str]:
    words = {key: UNKNOWN if size is None else size_in_words(size) for key, size in sizes.items()}
    return words | {"SR images": f"at most {words['SR images']}"} if sizes["SR images"] else words


def _images_room(plan: Plan, name: str, facts: Mapping[tuple[str, int], Facts]) -> dict[str, float | None]:
    """Bytes by the number and the size of the images, which are stored uncompressed; SR images of all networks."""
    data_set, entry = plan.data_sets[name], plan.config.datasets[name]
    sizes = data_set.card.sizes
    side = entry.tile or data_set.card.tile
    pixels = side**2 if side else sizes[0][0] * sizes[0][1] if len(sizes) == 1 else None
    hr = sr = 0.0
    for scale in plan.config.scales:
        counts = {split: _images(plan, name, split, scale) for split in data_set.splits}
        if pixels is None or None in counts.values():
            return {"prepared images": None, "SR images": None}
        degradations = len(plan.config.degradations_of(name))
        hr += sum(counts.values()) * pixels * 3 * (1 + degradations / scale**2)
        upscaled = sum(
            len(model.replicates) * (model.config.draws if facts[model.name, scale].samples else 1)
            for model in plan.models_at(scale)
        )
        sr += counts.get("test", 0) * pixels * 3 * degradations * upscaled
    return {"prepared images": hr, "SR images": sr}


def _trainings_room(plan: Plan, name: str, facts: Mapping[tuple[str, int], Facts]) -> float | None:
    """Bytes of the weights that are trained on a data set, and of two checkpoints for each.

    A checkpoint has the weights, two moments of the optimiser and, where the recipe asks for them, averaged and best
    weights.
    """
    total: float | None = 0.0
    for weights in plan.all_weights:
        if weights.dataset == name and (train := plan.config.models[weights.model].train):
            recipe, parameters_m = plan.config.training[train], facts[weights.model, weights.scale].parameters_m
            tensors = 1 + 2 * (3 + bool(recipe.ema) + (recipe.keep == "best"))
            total = _sum(total, parameters_m and 4e6 * parameters_m * tensors)
    return total


def _dry_run(files: Sequence[Path]) -> tuple[Rows, set[Artifact]]:
    """The number of jobs by rule, and the weights that jobs make, new or again, as a dry run says."""
    # Read from what Snakemake 9 prints, since it offers no better: --summary lists files, not jobs; --d3dag lists all
    # jobs, whether they need to run or not, and gives up at 10 000; the event of its log with these reaches only
    # plugins that are installed as packages; in this process, the Snakefile would take over sys.argv.
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--dry-run", "--quiet", "reason"]
    command += ["--cores", "1", "--configfile", *map(str, files)]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode:
        errors = re.findall(r"^error: (.*)", result.stdout, re.MULTILINE) or result.stdout.strip().splitlines()
        raise UserError(f"Snakemake cannot plan this run ({errors[-1]})", "correct what it names")
    counts = result.stdout.partition("Job stats:")[2].partition("\n\n")[0]
    rows = [{"rule": rule, "jobs": count} for rule, count in re.findall(r"^(\w+) +(\d+)$", counts, re.MULTILINE)]
    # The `message` of these rules, see STEP in workflow/rules/common.smk.
    making = re.findall(r"^Job \d+: (?:train_model|load_weights) (\S+)$", result.stdout, re.MULTILINE)
    values = [dict(part.split("=") for part in wildcards.split(",")) for wildcards in making]
    return rows, {Artifact("weights", **of | {"scale": int(of["scale"])}) for of in values}
