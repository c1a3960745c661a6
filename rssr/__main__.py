"""Commands for people: `python -m rssr schema` prints the configuration's JSON schema."""

import argparse
import json

from rssr.errors import run


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(prog="python -m rssr", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("schema", help="print the configuration's JSON schema; config/schema.json is a copy of it")
    parser.parse_args()
    from rssr.schema import schema

    print(json.dumps(schema(), indent=2))


run(main)
