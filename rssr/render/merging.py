"""Merges results of several machines, such as a GPU's costs or a colleague's scores, if protocol and images agree."""

import itertools
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from markupsafe import Markup

from rssr.base.errors import UserError
from rssr.base.files import read_json, sha256, write_json
from rssr.base.provenance import made_by
from rssr.config import validate
from rssr.config.literature import FILE
from rssr.config.models import Model
from rssr.plan import arguments
from rssr.plan.artifacts import MEASURED, Artifact
from rssr.plan.model_plan import ModelPlan
from rssr.plan.test_set import TestSet
from rssr.render.comparison.folder import Folder
from rssr.render.comparison.networks import other_networks
from rssr.render.comparison.report import measured_on, write_page
from rssr.render.literature import for_test_set
from rssr.render.scores import left_out, not_loaded, read_replicates, read_scores, repeated, tiled
from rssr.render.tables.aggregation import aggregation
from rssr.render.tables.comparison import significance
from rssr.render.tables.cost import complexity
from rssr.render.tables.quality import quality
from rssr.render.tables.scored import not_computed
from rssr.render.tables.table import Column, Table
from rssr.render.titles import title

_RECORDS = ("csv", "json")  # what is merged: no images, no tensors; tables first
_SCORES = ("scores", "csv")
_WEIGHTS = ("weights", "json")


def merge(folders: Sequence[Folder], out: Path) -> Iterator[str]:
    """Merge what was measured, and render the tables of each test set and one page with them and the costs by machine.

    If several folders have an artifact, the first one is kept; for costs, one from a GPU.

    Args:
        folders: folders of results, each with its provenance.json.
        out: a new folder, in the layout of results/.

    Yields:
        A line for each artifact that differs between folders, saying which was kept, and the path of the page.

    Raises:
        UserError: if protocols, images or networks of one name differ between two folders, or if `out` is not empty.
    """
    if out.exists() and any(not path.name.startswith(".") for path in out.iterdir()):
        raise UserError(f"{out} is not empty", "name a new folder")
    tests = _test_sets(folders)
    for pair in itertools.combinations(folders, 2):  # the first may have nothing in common with the others
        for test in tests:
            _check(*pair, test)
        for name, key in other_networks(*pair):
            problem = f"{pair[0].path} and {pair[1].path}: models.{name} has another `{key}`"
            raise UserError(problem, "rename one of the two and run it again")
    kept, said = _kept(folders)
    yield from said
    configuration = _configuration(folders)
    tables = list(_tables(kept, folders, tests, configuration))
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".merge-", dir=out) as name:  # so that a full disk leaves `out` empty
        _write(Path(name), kept, folders, configuration, tables)
        for path in Path(name).iterdir():
            path.rename(out / path.name)
    yield f"open {out / 'report' / 'index.html'}"


def _kept(folders: Sequence[Folder]) -> tuple[dict[Artifact, Folder], list[str]]:
    """Whose file is kept of each artifact, and a line for each that differs between folders."""
    kept: dict[Artifact, Folder] = {}
    said = [
        f"{folder.path}: left out what is of {name}, which its configuration has no more"
        for folder in folders
        for name in folder.removed
    ]
    for suffix, folder in itertools.product(_RECORDS, folders):
        for artifact in (a for a in folder.artifacts if a.kind in MEASURED and a.suffix == suffix):
            table = artifact.beside(artifact.kind.removesuffix("_record"), "csv")
            if artifact not in kept and kept.get(table, folder) is not folder:
                continue  # a record stays with its table, whose checksum it has
            first = kept.setdefault(artifact, folder)
            if first is not folder and sha256(first.file(artifact)) != sha256(folder.file(artifact)):
                if artifact.kind == "profile" and not _on_gpu(first, artifact) and _on_gpu(folder, artifact):
                    kept[artifact], first = folder, folder
                if artifact.kind in ("scores", "profile"):
                    said.append(f"{artifact.path}: kept the file of {first.path}")
    return kept, said


def _test_sets(folders: Sequence[Folder]) -> list[TestSet]:
    """The test sets of all folders, each once."""
    found = {}
    for folder in folders:
        if "test_sets" not in folder.record:
            problem = f"{folder.path} has no provenance.json that names its test sets"
            raise UserError(problem, "run Snakemake once more for all results, without the name of one")
        for test in arguments.test_sets(json.dumps(folder.record["test_sets"])):
            found.setdefault(test.identity, test)
    return list(found.values())


def _check(a: Folder, b: Folder, test: TestSet) -> None:
    """UserError if two folders have both measured a test set, but differently or on different images."""
    where = f"{a.path} and {b.path}: {test.key}"
    records = [_of_test(folder, test) for folder in (a, b)]
    if not all(records):
        return
    entries = [_entry(folder, test) for folder in (a, b)]
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


def _entry(folder: Folder, test: TestSet) -> Mapping[str, Any]:
    """What a folder's provenance.json says of a test set that it has scores of."""
    for entry in folder.record["test_sets"]:
        if (entry["dataset"], entry["scale"], entry["degradation"]) == test.identity:
            return entry
    raise UserError(f"{folder.path}/provenance.json does not name the test set {test.key}", "run it again")


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


def _tables(
    kept: Mapping[Artifact, Folder],
    folders: Sequence[Folder],
    tests: Sequence[TestSet],
    configuration: Mapping[str, Any],
) -> Iterator[tuple[Artifact | None, Table]]:
    """The tables of each test set, and one of the costs on each machine, which is on the page alone."""
    config = validate(configuration, "the merged configuration")
    settings = config.statistics.model_dump()

    def rows(scale: int) -> dict[str, dict[str, Any]]:
        return {
            name: ModelPlan(name, scale, model, (), recorded=_recorded(kept, model, name, scale)).row
            for name, model in config.models.items()
        }

    for test in tests:
        scored = {a.model: folder for a, folder in kept.items() if (a.kind, a.suffix) == _SCORES and test.holds(a)}
        if scored:
            named = {name: row for name, row in rows(test.scale).items() if name in scored}
            for name, row in named.items():
                record = test.artifact("scores", "json", name)
                row["notes"] += tiled(scored[name].file(record)) if record in scored[name] else []
                row["notes"] += sorted({note for path in _loaded(kept, name, test.scale) for note in not_loaded(path)})
            for kind, table in _of_scores(kept, test, scored, named, settings).items():
                yield test.artifact(kind), table
    costs: dict[tuple, dict[str, Any]] = {}
    for folder in folders:
        for artifact in folder.of_kind("profile", "json"):
            profile = folder.json(artifact)
            costs.setdefault((artifact.scale, measured_on(profile)), {}).setdefault(artifact.model, profile)
    for (scale, machine), profiles in costs.items():
        named = {name: row for name, row in rows(scale).items() if name in profiles}
        table = complexity(profiles, named, next(iter(profiles)))
        table.title = title("complexity", f"x{scale}", f"measured on {machine}")
        yield None, _with_place(table, dict.fromkeys(profiles, machine))


def _of_scores(
    kept: Mapping[Artifact, Folder],
    test: TestSet,
    folders: Mapping[str, Folder],
    rows: Mapping[str, Mapping],
    settings: Mapping[str, Any],
) -> dict[str, Table]:
    """Kind -> table of a test set, in the order of the configuration; each row of quality names its machine."""
    folders = {name: folders[name] for name in rows if name in folders}
    files = {name: folder.file(test.artifact("scores", "csv", name)) for name, folder in folders.items()}
    scores = {name: read_scores(path, test.unit) for name, path in files.items()}
    columns = list(dict.fromkeys(column for frame in scores.values() for column in frame))
    scores = {name: frame.reindex(columns=columns) for name, frame in scores.items()}
    replicates = {name: found for name, path in files.items() if (found := read_replicates(path))}
    images = test.artifact("hr")
    manifest = kept[images].file(images) if images in kept else None
    shares = repeated(manifest) if manifest else {}
    mean = sum(shares.values()) / max(1, len(shares))
    named = {name: rows[name] for name in scores}
    records = {name: folder.json(test.artifact("scores", "json", name)) for name, folder in folders.items()}
    literature = for_test_set(FILE, test, len(next(iter(scores.values()))))
    table = quality(scores, named, test, settings, replicates, literature, mean)
    absent = {metric: why for record in records.values() for metric, why in record.get("absent", {}).items()}
    table.notes += not_computed({metric: why for metric, why in absent.items() if metric not in table.numbers})
    table.notes += left_out(manifest) if manifest else []
    places = {
        name: f"{record['machine']['processor']}, code {record['code']}" if record else "machine unknown"
        for name, record in records.items()
    }
    return {
        "quality": _with_place(table, places),
        "significance": significance(scores, named, test, settings, replicates),
        "aggregation": aggregation(scores, named, test, shares),
    }


def _loaded(kept: Mapping[Artifact, Folder], name: str, scale: int) -> list[Path]:
    """The records of a model's weights that were loaded from a file, not trained."""
    of = {a: folder for a, folder in kept.items() if (a.kind, a.suffix, a.model, a.scale) == (*_WEIGHTS, name, scale)}
    return [folder.file(artifact) for artifact, folder in of.items() if "given_sha256" in folder.json(artifact)]


def _recorded(kept: Mapping[Artifact, Folder], model: Model, name: str, scale: int) -> str:
    """The checksum of the file that a model was loaded from, if its entry states none; otherwise empty."""
    file = model.weights or model.checkpoint
    paths = _loaded(kept, name, scale) if file and not file.path and not file.sha256 else []
    return read_json(paths[0])["given_sha256"] if paths else ""


def _write(
    out: Path,
    kept: Mapping[Artifact, Folder],
    folders: Sequence[Folder],
    configuration: Mapping[str, Any],
    tables: Sequence[tuple[Artifact | None, Table]],
) -> None:
    """Write what is kept, the tables, the page and the record of a merge into a folder."""
    for artifact, folder in kept.items():
        target = out / Path(artifact.path).relative_to("results")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder.file(artifact), target)
    for artifact, table in tables:
        if artifact:
            table.write((out / Path(artifact.path).relative_to("results")).with_suffix(""))
    shown = [(table.title, Markup(table.html())) for _, table in tables]
    write_page(out / "report" / "index.html", "merged.html", tables=shown, folders=[folder.path for folder in folders])
    files = {artifact.path: sha256(folder.file(artifact)) for artifact, folder in kept.items()}
    parts = [{k: v for k, v in folder.record.items() if k not in ("files", "test_sets")} for folder in folders]
    sets = [entry for folder in folders for entry in folder.record["test_sets"]]
    sets = [entry for number, entry in enumerate(sets) if entry not in sets[:number]]
    write_json(out / "provenance.json", made_by(configuration=configuration, files=files, test_sets=sets, merged=parts))


def _with_place(table: Table, places: Mapping[str, str]) -> Table:
    """A table with a column of where each row was measured."""
    table.numbers["measured_on"] = table.numbers["model"].map(places)
    table.columns = [*table.columns, Column("measured_on", "Measured on", None)]
    return table
