"""Snakemake and the project of the working directory, imported once and forked for each command.

Reads the arguments of a `snakemake` as JSON, a line each, and writes the exit code and what it said as a line of JSON.
"""

import json
import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path

sys.path[0] = str(Path.cwd())  # as `python -m snakemake` has it
snakemake = import_module("snakemake.cli")
for module in ("snakemake.workflow", "snakemake.dag", "rssr.plan.targets"):
    import_module(module)

for line in sys.stdin:
    arguments = json.loads(line)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out:
        if not (child := os.fork()):
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
            sys.argv = ["snakemake", *arguments]  # from which the Snakefile learns that it is a dry run
            try:
                snakemake.main(arguments)
            except SystemExit as end:
                if isinstance(end.code, str):
                    sys.stderr.write(end.code)
                sys.stdout.flush()
                os._exit(end.code if isinstance(end.code, int) else 1)
            os._exit(1)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0)
        sys.stdout.write(json.dumps([code, out.read()]) + "\n")
        sys.stdout.flush()
