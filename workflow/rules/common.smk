"""The validated configuration, and what the rules share."""

from pathlib import Path

from rssr.dag import Dag, prepare_environment
from rssr.errors import UserError
from rssr.lock import clear_stale_locks
from snakemake.exceptions import WorkflowError

prepare_environment()
if clear_stale_locks(Path(".snakemake")):
    logger.info("A killed run had left its lock behind: it is cleared, and unfinished files are made again.")
try:
    dag = Dag(config, ", ".join(map(str, workflow.configfiles)))
    targets = dag.everything()
except UserError as error:
    raise WorkflowError(str(error)) from None
dag.forget_broken_folders()


wildcard_constraints:
    dataset="|".join(dag.config.datasets),
    split="train|test",
    degradation="|".join(dag.config.degradations),
    scale=str(dag.config.scale),
    model="|".join(dag.config.models),
    metric="|".join(dag.config.metrics),
