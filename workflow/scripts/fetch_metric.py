"""Get the weights of one metric and record whether they are available."""

import argparse
import sys
from pathlib import Path

from rssr.base.errors import UserError
from rssr.base.files import write_json
from rssr.base.process import run
from rssr.metrics.registry import fetch_weights


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metric", required=True)
    parser.add_argument("--folder", required=True, help="folder of the weights")
    parser.add_argument("--required", action="store_true", help="fail where the weights are unavailable")
    parser.add_argument("--record", type=Path, required=True)
    arguments = parser.parse_args()
    record = {"metric": arguments.metric, "available": True}
    try:
        fetch_weights(arguments.metric, arguments.folder)
    except UserError as error:
        if arguments.required:
            raise
        sys.stderr.write(f"warning: {error}\n")  # the log has the address; the table does not, since mirrors differ
        remedy = f"the log of fetch_metric has its address: put the file there, delete {arguments.record} and run again"
        record = {"metric": arguments.metric, "available": False, "reason": error.problem, "remedy": remedy}
    write_json(arguments.record, record)


run(main)
