"""The plan of the run, made from the validated configuration, and functions that the rules share."""

import os
import sys
from functools import partial
from pathlib import Path

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.base.files import missing
from rssr.base.process import PARENT, repeat_errors
from rssr.config import read, unquoted
from rssr.datasets.degradations import GIVEN
from rssr.metrics.registry import METRICS, fetch_weights
from rssr.plan import jobs, targets
from rssr.plan.artifacts import Artifact, artifacts_at, paths, pattern, patterns
from rssr.plan.clock import bring_back
from rssr.plan.dependencies import code, own_code, data_set_lists, data_set_module, page_files, python_path, script
from rssr.plan.entries import transfer
from rssr.plan.fingerprints import Fingerprints
from rssr.plan.locks import clear_stale_locks, only_looking
from rssr.plan.manifests import incomplete
from rssr.plan.plan import Plan
from rssr.plan.shards import shards_among
from rssr.steps.obtaining import link_tree, obtain
from snakemake.io import IOFile

# More threads than any machine has: Snakemake gives such a job all cores, so no other job runs at the same time.
ALL_CORES = 256
# What the console says of a job, in place of its many input files.
STEP = "{rule} {wildcards}"
LITERATURE = os.path.relpath(ROOT / "config" / "literature.yaml")

# Scripts import rssr from this checkout, run with the interpreter that runs Snakemake, and end when it is killed.
os.environ.update(PYTHONPATH=os.pathsep.join(python_path()))
for name, first in (("PYTHONPATH", str(ROOT)), ("PATH", str(Path(sys.executable).parent))):
    os.environ[name] = os.pathsep.join(filter(None, [first, os.environ.get(name)]))
os.environ[PARENT] = str(os.getpid())

# The main process of a real run, neither a cluster's job nor a dry run.
REAL_RUN = workflow.is_main_process and not only_looking()
for folder in ("results", "downloads"):  # on another disk, perhaps, which is not mounted
    if Path(folder).is_symlink() and not Path(folder).exists():
        sys.exit(f"error: {missing(folder, 'folder')}")
    if REAL_RUN and Path(folder).exists() and not os.access(folder, os.W_OK):
        sys.exit(
            f"error: the folder {folder} cannot be written to: change its permissions or its disk, or run from another folder"
        )
# A run in a folder of its own has what the checkout has downloaded.
if REAL_RUN and Path.cwd() != ROOT and (ROOT / "downloads").exists():
    link_tree(ROOT / "downloads", Path("downloads"))

fingerprints = Fingerprints(Path("downloads/fingerprints.json"), write=REAL_RUN)

# Not by `configfile:`: Snakemake's own reading loses a key that is given twice, takes 1e-3 as a text, and says of a wrong
# file neither its name nor the line.
configuration_files = workflow.configfiles or [os.path.relpath(ROOT / "config" / "config.yaml")]
try:
    given = unquoted(workflow.config_settings.config)  # by --config
    content = read(*configuration_files, over=given)
    plan = Plan(content, [*configuration_files, *([given] if given else [])], partial(obtain, fetch=REAL_RUN))
    wanted = targets.everything(plan)
    for model in plan.models:  # a fault in a user's own module, which would be an exception among the rules
        own_code(model.module)
except UserError as error:
    sys.exit(f"error: {error}")
for scale in plan.config.scales if workflow.is_main_process else []:
    for note in plan.notes_at(scale):
        logger.info(note)
try:
    if REAL_RUN and clear_stale_locks(Path(".snakemake")):
        logger.info("A killed run left its lock behind: it is cleared, and unfinished files are made again.")
except UserError as error:
    sys.exit(f"error: {error}")


# Downloads run where Snakemake does: compute nodes often have no network.
localrules:
    fetch_dataset,
    fetch_metric,


# Before the first job of a real run, so that a metric that cannot be computed is known before hours of work.
onstart:
    try:
        if late := bring_back({file for job in workflow.dag.jobs for file in job.input}, ("results", "downloads")):
            logger.info(
                f"A clock was wrong: {len(late)} files from the future, such as {late[0]}, have the present time now."
            )
        for metric in plan.metrics_with_weights:
            if plan.config.metrics[metric].required:
                fetch_weights(metric, plan.config.weights_dir)
    except UserError as error:
        sys.exit(f"error: {error}")


# A failed job's own sentence stands among many lines of Snakemake's.
onerror:
    repeat_errors(log)


def remade_if_incomplete(manifest, folder=None):
    """Returns no input, but makes the job of a manifest run again if it is damaged or an image that it lists no longer exists.

    Changes no file. Snakemake calls it while it collects the inputs of the job, before it decides which jobs run.
    """
    if why := incomplete(manifest, folder):
        logger.info(f"{why}: its images are made again.")
        workflow.dag.forcefiles.add(manifest)
    return []


def sr_folder(wildcards):
    """The folder of the SR images of a model on a test set."""
    return str(Path(pattern("sr").format(**wildcards)).parent)


def of_models(kind, test, suffix=""):
    """The paths of the artifacts of one kind on a test set, one per model."""
    return paths(test.artifact(kind, suffix, model.name) for model in plan.models_at(test.scale))


def validation_code(wildcards):
    """The module that a training imports by name if its recipe validates."""
    return ["rssr.steps.validation"] if plan.validation_images(wildcards) else []


def of_recipe(key):
    """A resource of a training: the value of a key of its recipe that is not in `params`, because another re-trains nothing."""
    return lambda wildcards: getattr(plan.config.training[plan.model(wildcards).config.train], key)


def training_curves(wildcards):
    """The curves of the networks that were trained on a data set."""
    wanted = (wildcards.dataset, int(wildcards.scale))
    weights = (artifact for artifact in plan.all_weights if (artifact.dataset, artifact.scale) == wanted)
    return paths(artifact.beside("training_curve") for artifact in weights if plan.model(artifact).is_trained)


def profiles(models):
    """The cost profiles of models."""
    return paths(Artifact("profile", scale=model.scale, model=model.name) for model in models)


def own_modules(wildcards):
    """What a user's own class is, to be tracked by its content."""
    return fingerprints.of(own_code(plan.model(wildcards).module))


def weights_option(wildcards, input):
    """The option that passes the weights of a model to a script; empty for an interpolation."""
    return f"--weights {' '.join(input.weights)}" if input.weights else ""


wildcard_constraints:
    dataset="|".join(plan.data_sets),
    split="train|val|test",
    degradation="|".join([*plan.config.degradations, GIVEN]),
    scale="|".join(map(str, plan.config.scales)),
    model="|".join(plan.config.models),
    replicate=r"\w+",
    shard=r"\d+-of-\d+",
    metric="|".join(plan.config.metrics),


def shards_of(kind, wildcards, most=None):
    """The results of shards that a result is merged from; none if it is made in one piece.

    A finished result keeps those that it was made of, as Snakemake has recorded them, since others give the same bytes.
    A job of a cluster that is tried again finds no result, but the main process has recorded its inputs when it failed.
    """
    result = pattern(kind).format(**wildcards)
    recorded = Path(result).exists() or workflow.attempt > 1
    made_of = workflow.persistence.input(IOFile(result)) if recorded else None
    if made_of is not None:
        return shards_among(made_of, f"{kind}_shard")
    shards = plan.shards(wildcards.dataset, most)
    return [pattern(f"{kind}_shard").format(**wildcards, shard=shard.name) for shard in shards]


def merge_option(wildcards, input):
    """The option that makes a script merge the results of shards; empty if there are none."""
    return f"--parts {' '.join(input.shards)}" if input.shards else ""


def gpus(wildcards, input):
    """How many GPUs a job asks for: merging needs none."""
    return 0 if input.shards else plan.model(wildcards).gpus


def scores_with_classes(wildcards):
    """The scores of all models; a data set without classes ends the run before its first job."""
    test = plan.test_set(wildcards)
    try:
        test.check_classes()
    except UserError as error:
        sys.exit(f"error: {error}")
    return of_models("scores", test)
