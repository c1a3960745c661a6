"""Merges results of several machines, such as a GPU's costs or a colleague's scores, if protocol and images agree."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from rssr.base.errors import UserError
from rssr.base.files import sha256, write_json
from rssr.base.provenance import made_by
from rssr.config import validate
from rssr.plan import arguments
from rssr.plan.artifacts import MEASURED, Artifact
from rssr.plan.model_plan import ModelPlan
from rssr.plan.test_set import TestSet
from rssr.render.comparison.folder import Folder
from rssr.render.comparison.report import measured_on, write_page
from rssr.render.scores import left_out, read_replicates, read_scores, repeated
from rssr.render.tables.aggregation import aggregation
from rssr.render.tables.comparison import significance
from rssr.render.tables.cost import complexity
from rssr.render.tables.quality import quality
from rssr.render.tables.table import Column, Table
from rssr.render.titles import title

_RECORDS = ("csv", "json")  # what is merged: no images, no tensors


def merge(folders: Sequence[Folder], out: Path) -> Iterator[str]:
    """Merge what was measured, and render the tables of each test set and one page with them and the costs by machine.

    If several folders have an artifact, the first one is kept; for costs, one from a GPU.

    Args:
        folders: folders of results, each with its provenance.json.
        out: a new folder, in the layout of results/.

    Yields:
        A line for each artifact that differs between folders, saying which was kept, and the path of the page.

    Raises:
        UserError: if protocols or images differ, or if `out` is not empty.
    """
    if out.exists() and any(out.iterdir()):
        raise UserError(f"{out} is not empty", "name a new folder")
    tests = _test_sets(folders)
    for other in folders[1:]:
        for test in tests:
            _check(folders[0], other, test)
    kept: dict[Artifact, Folder] = {}
    for folder in folders:
        for artifact in (a for a in folder.artifacts if a.kind in MEASURED and a.suffix in _RECORDS):
            first = kept.setdefault(artifact, folder)
            if first is not folder and sha256(first.file(artifact)) != sha256(folder.file(artifact)):
                if artifact.kind == "profile" and not _on_gpu(first, artifact) and _on_gpu(folder, artifact):
                    kept[artifact], first = folder, folder
                if artifact.kind in ("scores", "profile"):
                    yield f"{artifact.path}: kept the file of {first.path}"
    for artifact, folder in kept.items():
        target = out / Path(artifact.path).relative_to("results")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder.file(artifact), target)
    merged = Folder(out)
    files = {artifact.path: sha256(merged.file(artifact)) for artifact in kept}
    parts = [{k: v for k, v in folder.record.items() if k not in ("files", "test_sets")} for folder in folders]
    sets = [entry for folder in folders for entry in folder.record["test_sets"]]
    sets = [entry for number, entry in enumerate(sets) if entry not in sets[:number]]
    configuration = _configuration(folders)
    write_json(out / "provenance.json", made_by(configuration=configuration, files=files, test_sets=sets, merged=parts))
    yield from _render(merged, folders, tests, configuration)


def _test_sets(folders: Sequence[Folder]) -> list[TestSet]:
    """The test sets of all folders, each once."""
    found = {}
    for folder in folders:
        if "test_sets" not in folder.record:
            raise UserError(
                f"{folder.path} has no provenance.json that names its test sets", "run it again to have one"
            )
        for test in arguments.test_sets(json.dumps(folder.record["test_sets"])):
            found.setdefault(test.identity, test)
    return list(found.values())


def _check(a: Folder, b: Folder, test: TestSet) -> None:
    """UserError if two folders have both measured a test set, but differently or on different images."""
    where = f"{a.path} and {b.path}: {test.key}"
    records = [_of_test(folder, test) for folder in (a, b)]
    if not all(records):
        return
    entries = [next(e for e in f.record["test_sets"] if _names(e, test)) for f in (a, b)]
    left, right = ({"steps": e["steps"], "crop": r["crop"]} for e, r in zip(entries, records, strict=True))
    metrics = [record["metrics"] for record in records]
    left |= {name: metrics[0][name] for name in metrics[0] if name in metrics[1]}
    right |= {name: metrics[1][name] for name in metrics[1] if name in metrics[0]}
    for key, value in left.items():
        if right[key] != value:
            raise UserError(
                f"{where} was measured differently: {key} is {value} and {right[key]}", "measure one of them again"
            )
    for kind in ("hr", "lr"):
        images = [folder.images(test.artifact(kind)) for folder in (a, b)]
        other = [name for name in images[0] if images[1].get(name) != images[0][name]] if all(images) else []
        unseen = (
            kind == "hr" and not all(images) and records[0]["hr_manifest_sha256"] != records[1]["hr_manifest_sha256"]
        )
        if other or unseen or (all(images) and len(images[0]) != len(images[1])):
            raise UserError(
                f"{where}: the {kind.upper()} images differ{f', the first is {other[0]}' if other else ''}",
                "measure one of them again",
            )


def _names(entry: Mapping[str, Any], test: TestSet) -> bool:
    return (entry["dataset"], entry["scale"], entry["degradation"]) == test.identity


def _of_test(folder: Folder, test: TestSet) -> dict[str, Any]:
    """The record of a folder's scores on a test set; empty if it has none."""
    return next((folder.json(a) for a in folder.of_kind("scores", "json") if test.holds(a)), {})


def _on_gpu(folder: Folder, artifact: Artifact) -> bool:
    return folder.json(artifact)["latency"]["device_type"] != "cpu"


def _configuration(folders: Sequence[Folder]) -> dict[str, Any]:
    """The first folder's configuration, with the models and data sets that only the others have."""
    whole = dict(folders[0].record["configuration"])
    for folder in folders[1:]:
        for block in ("models", "datasets", "degradations", "training", "metrics"):
            if block in folder.record["configuration"]:
                whole[block] = folder.record["configuration"][block] | whole.get(block, {})
    return whole


def _render(
    merged: Folder, folders: Sequence[Folder], tests: Sequence[TestSet], configuration: Mapping[str, Any]
) -> Iterator[str]:
    """Write the tables and the page."""
    config = validate(configuration, "the merged configuration")
    settings, tables = config.statistics.model_dump(), []

    def rows(scale: int) -> dict[str, dict[str, Any]]:
        return {name: ModelPlan(name, scale, model, ()).row for name, model in config.models.items()}

    for test in tests:
        files = [artifact for artifact in merged.of_kind("scores", "csv") if test.holds(artifact)]
        if files:
            for kind, table in _tables(merged, test, {a.model: a for a in files}, rows(test.scale), settings).items():
                table.write(merged.file(test.artifact(kind)).with_suffix(""))
                tables.append(table)
    costs: dict[tuple, dict[str, Any]] = {}
    for folder in folders:
        for artifact in folder.of_kind("profile", "json"):
            profile = folder.json(artifact)
            costs.setdefault((artifact.scale, measured_on(profile)), {}).setdefault(artifact.model, profile)
    for (scale, machine), profiles in costs.items():
        named = {name: row for name, row in rows(scale).items() if name in profiles}
        table = complexity(profiles, named, next(iter(profiles)))
        table.title = title("complexity", f"x{scale}", f"measured on {machine}")
        tables.append(_with_place(table, dict.fromkeys(profiles, machine)))
    page = merged.path / "report" / "index.html"
    shown = [(table.title, Markup(table.html())) for table in tables]
    write_page(page, "merged.html", tables=shown, folders=[folder.path for folder in folders])
    yield f"open {page}"


def _tables(
    merged: Folder,
    test: TestSet,
    files: Mapping[str, Artifact],
    rows: Mapping[str, Mapping],
    settings: Mapping[str, Any],
) -> dict[str, Table]:
    """Kind -> table of a test set, in the order of the configuration; each row of quality names its machine."""
    files = {name: merged.file(files[name]) for name in rows if name in files}
    scores = {name: read_scores(path, test.unit) for name, path in files.items()}
    columns = list(dict.fromkeys(column for frame in scores.values() for column in frame))
    scores = {name: frame.reindex(columns=columns) for name, frame in scores.items()}
    replicates = {name: found for name, path in files.items() if (found := read_replicates(path))}
    manifest = test.artifact("hr")
    shares = repeated(merged.file(manifest)) if manifest in merged else {}
    mean = sum(shares.values()) / max(1, len(shares))
    named = {name: rows[name] for name in scores}
    table = quality(scores, named, test, settings, replicates, repeated=mean)
    table.notes += left_out(merged.file(manifest)) if manifest in merged else []
    records = {name: merged.json(test.artifact("scores", "json", name)) for name in scores}
    places = {name: f"{record['machine']['processor']}, code {record['code']}" for name, record in records.items()}
    return {
        "quality": _with_place(table, places),
        "significance": significance(scores, named, test, settings, replicates),
        "aggregation": aggregation(scores, named, test, shares),
    }


def _with_place(table: Table, places: Mapping[str, str]) -> Table:
    """A table with a column of where each row was measured."""
    table.numbers["measured_on"] = table.numbers["model"].map(places)
    table.columns = [*table.columns, Column("measured_on", "Measured on", None)]
    return table
