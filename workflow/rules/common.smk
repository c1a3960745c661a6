"""The validated configuration, and what the rules share."""

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

ROOT = workflow.basedir
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)
# The rules' scripts import rssr from here and run with the interpreter that runs Snakemake.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])

from rssr.dag import Dag
from rssr.errors import UserError
from rssr.lock import clear_stale_locks

if clear_stale_locks(Path(".snakemake")):
    logger.info("A run that was killed had left its lock behind; it is cleared, and unfinished files are made again.")
try:
    dag = Dag(config, ", ".join(map(str, workflow.configfiles)))
except UserError as error:
    raise WorkflowError(str(error)) from None
dag.forget_broken_folders()


wildcard_constraints:
    dataset="|".join(dag.config.datasets),
    split="train|test",
    degradation="|".join(dag.config.degradations),
    scale=str(dag.config.scale),
    model="|".join(dag.config.models),
