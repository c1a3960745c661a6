"""The validated configuration, and what the rules share."""

import sys
from pathlib import Path

from rssr.plan import targets
from rssr.plan.dag import Dag, prepare_environment
from rssr.base.errors import UserError
from rssr.plan.locks import clear_stale_locks

# More threads than a machine has: Snakemake gives such a job all cores, and nothing runs beside it.
ALL_CORES = 256

prepare_environment()
try:
    dag = Dag(config, ", ".join(map(str, workflow.configfiles)))
    wanted = targets.everything(dag)
except UserError as error:
    sys.exit(f"error: {error}")
if workflow.is_main_process:  # not in a cluster's jobs
    if clear_stale_locks(Path(".snakemake")):
        logger.info("A killed run had left its lock behind: it is cleared, and unfinished files are made again.")
    dag.delete_false_manifests()


# Before the first job of a real run, so that hours of work do not end at a metric that cannot be computed.
onstart:
    try:
        dag.fetch_required_metrics()
    except UserError as error:
        sys.exit(f"error: {error}")


wildcard_constraints:
    dataset="|".join(dag.data_sets),
    source="|".join(dag.config.datasets),
    split="train|val|test",
    degradation="|".join(dag.config.degradations),
    scale="|".join(map(str, dag.scales)),
    model="|".join(dag.config.models),
    measured="|".join(dag.measured),
    at="({})".format("|".join(dag.at("", scale) for scale in dag.scales)),  # an empty constraint would be none
    metric="|".join(dag.config.metrics),
