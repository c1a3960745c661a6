"""Record how a whole run was made: configuration, code, libraries, machine, and checksums from images to tables."""

import argparse
from pathlib import Path

from rssr.base.files import sha256, write_json
from rssr.base.process import run
from rssr.base.provenance import made_by
from rssr.plan import arguments as from_json


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=from_json.entry, required=True, help="the whole configuration as JSON")
    parser.add_argument("--test-sets", type=from_json.entry, required=True, help="as JSON")
    parser.add_argument("--files", nargs="*", type=Path, default=[])
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    files = {str(path): sha256(path) for path in sorted(arguments.files)}
    write_json(arguments.out, made_by(configuration=arguments.config, test_sets=arguments.test_sets, files=files))


run(main)
