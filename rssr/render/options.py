"""The options that scripts of tables and figures share."""

import argparse
from pathlib import Path
from typing import Any

from rssr.plan import arguments as from_json

_ENTRY = {"type": from_json.entry, "required": True, "help": "configuration entry as JSON"}
_FILE = {"type": Path, "required": True}
_FILES = {"type": Path, "required": True, "nargs": "+"}
_SHARED: dict[str, dict[str, Any]] = {
    "--models": _ENTRY | {"help": "model -> label and notes, as JSON"},
    "--label": {"required": True, "help": "of the model"},
    "--reference": {"required": True, "help": "model that the others are compared with"},
    "--test-set": _ENTRY | {"type": from_json.test_set, "help": "as JSON"},
    "--test-sets": _ENTRY | {"type": from_json.test_sets, "help": "as JSON"},
    "--scale": {"type": int, "required": True},
    "--metric": {"required": True},
    "--scores": _FILES | {"help": "CSV files, one per model"},
    "--records": _FILES | {"help": "JSON files, one per model"},
    "--loaded": _FILES | {"required": False, "nargs": "*", "default": [], "help": "records of weights, as JSON files"},
    "--profiles": _FILES | {"help": "JSON files, one per model"},
    "--qualities": _FILES | {"help": "CSV files of the quality tables"},
    "--hr-manifest": _FILE | {"help": "results/data/.../manifest.csv"},
    "--literature": _FILE | {"help": "config/literature.yaml"},
    "--statistics": _ENTRY,
    "--analysis": _ENTRY,
    "--notes": {"nargs": "*", "default": [], "help": "further notes below the table"},
    "--record": _FILE | {"help": "results/provenance.json"},
    "--captions": _FILE | {"help": "the folder of {kind}.rst"},
    "--options": _ENTRY | {"required": False, "default": [], "help": "of this run's commands, as a JSON list"},
    "--out": _FILE | {"help": "path of the files without suffix"},
}


def parser(description: str, *shared: str) -> argparse.ArgumentParser:
    """The parser of a script, with the shared options of these names."""
    made = argparse.ArgumentParser(description=description)
    for name in shared:
        made.add_argument(name, **_SHARED[name])
    return made
