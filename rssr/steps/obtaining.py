"""What is downloaded, before the DAG is built: a missing optional file costs only its own row, and runs share files."""

import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rssr.base.errors import UserError
from rssr.base.files import read_json, replacing, write_json
from rssr.models.files import local_file, recorded, remote_path
from rssr.plan.model_plan import ModelPlan

DOWNLOADS = Path("downloads/weights")


def obtain(models: Sequence[ModelPlan], fetch: bool, downloads: Path = DOWNLOADS) -> list[ModelPlan]:
    """The models, each with why its file cannot be obtained, if so, and the checksum recorded at first use.

    Only files of models that are not required, and files without a known checksum, are looked for. Every real run
    downloads and checks them at its start, and lists those that it could not obtain in missing.json of `downloads`.
    Read-only processes (dry runs, cluster jobs) reuse the last run's result for a file that is still missing.

    Args:
        models: the models, in any order.
        fetch: whether this is a real run.
        downloads: folder for downloaded files.

    Raises:
        UserError: if the file of a required model cannot be obtained.
    """
    note = downloads / "missing.json"
    noted = read_json(note) if note.exists() else {}
    with ThreadPoolExecutor() as pool:
        models = list(pool.map(partial(_looked_for, fetch=fetch, downloads=downloads, noted=noted), models))
    looked_for = {str(_place(model.weights_file, downloads)): model for model in models if _in_question(model)}
    missing = {
        path: model.weights_file | {"reason": model.unavailable}
        for path, model in looked_for.items()
        if model.unavailable
    }
    found = {path: facts for path, facts in noted.items() if path not in looked_for} | missing
    if fetch and found != noted:
        write_json(note, found)
    for model in looked_for.values():
        if model.unavailable and model.config.required:
            raise UserError(f"models.{model.name}: {model.unavailable}")
    return models


def link_tree(source: Path, target: Path) -> None:
    """Give a folder the finished files of another that it lacks, as hard links or, on another disk, copies.

    What replaces files and never changes them in place leaves the source as it is. Links out of it lead where they led.
    """
    unfinished = shutil.ignore_patterns(".*.part*", ".snakemake*")
    for folder, folders, files in os.walk(source):
        left_out = unfinished(folder, [*folders, *files])
        folders[:] = set(folders) - left_out
        (beside := target / Path(folder).relative_to(source)).mkdir(parents=True, exist_ok=True)
        for there in (Path(folder, name) for name in sorted({*folders, *files} - left_out)):
            if os.path.lexists(here := beside / there.name):
                continue
            if there.is_symlink():
                leads_to = os.path.abspath(there.parent / there.readlink())  # noqa: PTH100, it follows no link
                here.symlink_to(there.readlink() if Path(leads_to).is_relative_to(source.absolute()) else leads_to)
            elif there.is_file():
                with replacing(here) as temporary:
                    try:
                        os.link(there, temporary)
                    except OSError:
                        shutil.copy2(there, temporary)


def _looked_for(model: ModelPlan, fetch: bool, downloads: Path, noted: Mapping[str, Any]) -> ModelPlan:
    if not _in_question(model):
        return model
    path = _place(model.weights_file, downloads)
    last = noted.get(str(path), {}).get("reason", "")
    why = _reason(model.weights_file, path, downloads, fetch, last)
    return replace(model, unavailable=why, recorded=recorded(path) if _unknown(model) else "")


def _reason(file: Mapping[str, Any], path: Path, downloads: Path, fetch: bool, last: str) -> str:
    """Why a file cannot be obtained; empty if it can, or if no run has tried yet."""
    if not fetch and "url" in file and not path.exists():
        return last
    if not fetch and path.exists() and not (last and file.get("sha256")):
        return ""
    try:
        local_file(file, downloads)
    except UserError as error:
        digest = file.get("sha256") or ""
        return str(error) if digest in str(error) else f"{error} (sha256 {digest})"
    return ""


def _in_question(model: ModelPlan) -> bool:
    return bool(model.weights_file) and (not model.config.required or _unknown(model))


def _unknown(model: ModelPlan) -> bool:
    """Whether the checksum of its file is not known."""
    return "url" in model.weights_file and not model.weights_file.get("sha256")


def _place(file: Mapping[str, Any], downloads: Path) -> Path:
    return Path(file["path"]) if "path" in file else remote_path(file, downloads)
