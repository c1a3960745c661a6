"""Why the scores of two runs differ: the differences between their records, likeliest cause first.

A differing image or weights file is a cause if it came from outside the run, and a consequence if a step of the run
made it. So each model is traced from the training images to its scores up to the first step whose results differ, and
only the inputs of that step can be the cause.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

from rssr.base.errors import UserError
from rssr.base.provenance import LIBRARIES
from rssr.config import validate
from rssr.plan.artifacts import Artifact
from rssr.render.comparison.folder import Folder

KINDS = ("configuration", "data", "weights", "code", "library", "device", "threads", "unexplained")
_BLOCKS = ("datasets", "models", "degradations", "training", "crop")  # blocks of the configuration that affect scores
# Keys that never affect scores: texts shown in tables, and locations, whose content is compared by checksum.
_SAYING = {"label", "note", "notes", "required", "ablates", "licence", "citation", "literature"}
_PLACES = {"images", "root", "path", "url"}
# Keys of records that hold measurements, or that follow from other keys.
_MEASURED = {"seconds", "final_loss", "peak_memory_mib", "parameters", "iterations", "training", "loaded_from"}
_MEASURED |= {"misfits", "absent", "code", "configuration", "test_sets", "merged", "shards"}
_FEW = 0.5  # fraction of the images: fewer differ if single files were edited, more if code or a library changed


@dataclass(frozen=True)
class Cause:
    """A difference between two runs.

    Attributes:
        kind: one of KINDS, which are ordered from the likeliest.
        what: what differs: a dotted key, an image, a file or a library.
        a: its value in the first run.
        b: its value in the second.
    """

    kind: str
    what: str
    a: str = ""
    b: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}" + (f": {self.a} | {self.b}" if (self.a, self.b) != ("", "") else "")


@dataclass(frozen=True)
class Step:
    """The results of one step in both runs.

    Attributes:
        name: of its results.
        same: whether the results are equal; None if unknown.
        records: the provenance record of the step in each run.
        causes: differing files that came from outside the run.
        otherwise: the cause to report if the records do not differ.
    """

    name: str
    same: bool | None
    records: tuple[Mapping[str, Any], ...]
    causes: Sequence[Cause] = ()
    otherwise: Cause | None = None


def causes(a: Folder, b: Folder, differing: Iterable[Artifact]) -> tuple[list[Cause], list[str]]:
    """Why score files differ or `b` lacks them, likeliest first, and for each model the step where the runs diverge."""
    differing = list(dict.fromkeys(differing))
    found, parts = _configured(a, b, differing), {}
    configured = bool(found)
    for scores in differing:
        steps = list(_steps(a, b, scores))
        end = next((number for number, step in enumerate(steps) if step.same is False), len(steps) - 1)
        parts[f"{scores.model}: {steps[end].name}"] = None
        of_step: list[Cause] = []
        for step in (step for step in steps[: end + 1] if not step.same):
            of_step += [*step.causes, *_recorded(*step.records, configured)]
        found += of_step
        if not of_step and not configured and scores not in b:
            found.append(Cause("unexplained", f"{scores.path} is only in A"))
        elif not of_step and not configured:
            found += _recorded(*({k: v for k, v in of.record.items() if k != "files"} for of in (a, b)), True)
            found.append(steps[end].otherwise or Cause("unexplained", f"the {steps[end].name} of {scores.model}"))
    return sorted(dict.fromkeys(found), key=_likelihood), list(parts)


def _likelihood(cause: Cause) -> tuple[int, int]:
    library = LIBRARIES.index(cause.what) if cause.what in LIBRARIES else len(LIBRARIES)
    return KINDS.index(cause.kind), library


def _configured(a: Folder, b: Folder, differing: Sequence[Artifact]) -> list[Cause]:
    """The differing keys of the configuration that affect these scores."""
    sides = configurations(a, b)
    if not all(sides):
        return []
    models = {artifact.model for artifact in differing}
    entries = [side["models"][name] for side in sides for name in models if name in side["models"]]
    recipes = {entry.get("train") for entry in entries}
    sets = {artifact.dataset for artifact in differing} | {entry.get("train_on") for entry in entries}
    wanted = {"models": models, "training": recipes, "datasets": sets}
    found = []
    for key, left, right in differences(*({key: side.get(key) for key in _BLOCKS} for side in sides)):
        block, name = key[0], key[1] if len(key) > 1 else ""
        if name in wanted.get(block, {name}) and not set(key[2:]) & (_SAYING | _PLACES):
            entry = block in wanted and len(key) == 2 and "not set" in (left, right)
            side = "B" if right == "not set" else "A"
            absent = Cause("configuration", f"{'.'.join(key)} is not in {side}'s configuration")
            found.append(absent if entry else _cause("configuration", ".".join(key), left, right))
    return found


def _cause(kind: str, what: str, a: Any, b: Any) -> Cause:
    """A cause whose two values are converted to text."""
    return Cause(kind, what, *("not set" if value is None else shorten(str(value), 80) for value in (a, b)))


def configurations(*folders: Folder) -> list[dict[str, Any]]:
    """The configurations of runs, with defaults filled in if this version of the suite knows all of their keys."""
    given = [folder.record.get("configuration", {}) for folder in folders]
    try:
        return [validate(each, "provenance.json").model_dump(mode="json") if each else {} for each in given]
    except UserError:
        return given


def differences(a: Any, b: Any, key: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Yield (keys, value, other value) for each difference of nested mappings; "not set" if a key is missing."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for name in dict.fromkeys([*a, *b]):
            yield from differences(a.get(name, "not set"), b.get(name, "not set"), (*key, str(name)))
    elif a != b:
        yield key, a, b


def _steps(a: Folder, b: Folder, scores: Artifact) -> Iterator[Step]:
    """The steps of a model, from its training images to its scores."""
    records = a.json(scores.beside(suffix="json")), b.json(scores.beside(suffix="json"))
    test = Artifact("hr", "csv", scores.dataset, "test", scores.scale, scores.degradation)
    upscaled = a.json(scores.beside("sr_record")), b.json(scores.beside("sr_record"))
    yield from _weights(a, b, scores)
    yield _images(a, b, test, _same(records, "hr_manifest_sha256"))
    yield _images(a, b, test.beside("lr"), _same(upscaled, "lr_manifest_sha256"))
    yield _images(a, b, scores.beside("sr"), _same(records, "sr_manifest_sha256"))
    yield Step("scores", False, records)


def _weights(a: Folder, b: Folder, scores: Artifact) -> Iterator[Step]:
    """The steps that make the weights of a model: its training images first."""
    files = [
        [w for w in folder.of_kind("weights", "json") if (w.model, w.scale) == (scores.model, scores.scale)]
        for folder in (a, b)
    ]
    shared = set(files[0]) & set(files[1])  # empty if the seeds differ
    for left, right in zip(*(sorted(shared, key=str) or found for found in files), strict=False):
        records = a.json(left), b.json(right)
        trained = "recipe" in records[0]
        if trained:
            images = Artifact("hr", "csv", left.dataset, "train", scores.scale, records[0]["degradation"])
            yield _images(a, b, images)
            yield _images(a, b, images.beside("lr"))
        loaded = list(differences(*({"": record.get("given_sha256", "")} for record in records)))
        found = (
            [Cause("weights", f"the file of {scores.model}", *(digest[:12] for digest in loaded[0][1:]))]
            if loaded
            else []
        )
        yield Step("weights", _same(records, "sha256"), records, found)


def _images(a: Folder, b: Folder, manifest: Artifact, unseen: bool | None = None) -> Step:
    """The step that made the images of a manifest; `unseen`: its `same` if a folder lacks the manifest."""
    records = tuple(folder.json(manifest.beside(f"{manifest.kind}_record")) for folder in (a, b))
    name = f"{manifest.kind.upper()} images of {manifest.split}" if manifest.kind != "sr" else "SR images"
    left, right = a.images(manifest), b.images(manifest)
    if not left or not right:
        return Step(name, unseen, records, otherwise=Cause("data", f"checksum of the {name}"))
    other = [image for image in left if right.get(image) != left[image]] + [i for i in right if i not in left]
    sources = _sources(a, b, manifest)
    touched = {row["image"] for of in (a, b) for row in of.rows(manifest) if _touched(of, manifest, row)}
    outside = [image for image in other if image in touched or (sources and image in sources)]
    if not outside and manifest.kind != "sr" and len(other) < _FEW * len(left):
        outside = other
    found = [_image(name, outside, left, right)] if outside else []
    return Step(name, not other, records, found, _image(name, other, left, right) if other else None)


def _image(name: str, images: Sequence[str], *digests: Mapping[str, Sequence[str]]) -> Cause:
    """The cause that names the first of some images, and counts the others."""
    more = f" and {len(images) - 1} more" if len(images) > 1 else ""
    return Cause("data", f"{name}, {images[0]}{more}", *(of.get(images[0], ("absent",))[0][:12] for of in digests))


def _sources(a: Folder, b: Folder, manifest: Artifact) -> set[str]:
    """The images whose source image has a different checksum."""
    digests = [{row["image"]: row.get("source_sha256") for row in of.rows(manifest)} for of in (a, b)]
    return {image for image in digests[0] if digests[0][image] != digests[1].get(image, digests[0][image])}


def _touched(folder: Folder, manifest: Artifact, row: Mapping[str, str]) -> bool:
    """Whether an image was changed after its manifest was written."""
    return row["sha256"] not in folder.images(manifest)[row["image"]]


def _recorded(a: Mapping[str, Any], b: Mapping[str, Any], configured: bool) -> list[Cause]:
    """The differences between two records of one step; entries only if the configurations do not differ."""
    if not a or not b:
        return []
    found = []
    for key, left, right in differences(*({**of, "code_files": None} for of in (a, b))):
        kind = {"libraries": "library", "machine": "device", "devices": "device"}.get(key[0], key[0])
        if kind in ("library", "device", "threads"):
            found.append(_cause(kind, key[-1], left, right))
        elif not configured and _decides(key) and (key[0] != "metrics" or "not set" not in (left, right)):
            found.append(_cause("configuration", ".".join(key), left, right))
    files = [of.get("code_files") for of in (a, b)]
    if all(files):
        changed = [name for name in files[0] if files[1].get(name, files[0][name]) != files[0][name]]
        found += [_cause("code", ", ".join(changed), a.get("code"), b.get("code"))] if changed else []
    elif a.get("code") != b.get("code"):
        found.append(_cause("code", "version", a.get("code"), b.get("code")))
    return found


def _decides(key: tuple[str, ...]) -> bool:
    """Whether an entry of a record can affect a result: it is no measurement, shown text, location or checksum."""
    return key[0] not in _MEASURED and not set(key) & (_SAYING | _PLACES) and not any("sha256" in part for part in key)


def _same(records: Sequence[Mapping[str, Any]], key: str) -> bool | None:
    """Whether a checksum is equal in two records; None if one lacks it."""
    left, right = (record.get(key) for record in records)
    return left == right if left and right else None
