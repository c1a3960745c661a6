"""Get the weights of one metric and record whether they can be had."""

import argparse
from pathlib import Path

from rssr.errors import UserError, run
from rssr.files import write_json
from rssr.metrics.registry import fetch_weights


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metric", required=True)
    parser.add_argument("--folder", required=True, help="where the weights are kept")
    parser.add_argument("--required", action="store_true", help="fail where the weights cannot be had")
    parser.add_argument("--record", type=Path, required=True)
    arguments = parser.parse_args()
    reason = None
    try:
        fetch_weights(arguments.metric, arguments.folder)
    except UserError as error:
        if arguments.required:
            raise
        reason = f"{error}; then delete {arguments.record} and run again"
    write_json(arguments.record, {"metric": arguments.metric, "available": reason is None, "reason": reason})


run(main)
