"""Why two runs have other scores: what their records say differently, the likeliest cause first.

An image or a file of weights that differs is a cause where it came from outside, and a consequence where a step of the
run made it. So each model is followed from the images to its scores up to the first step whose results differ, and
only what decides that step can be the cause.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rssr.base.errors import UserError
from rssr.base.provenance import LIBRARIES
from rssr.config import validate
from rssr.plan.artifacts import Artifact
from rssr.render.comparison.folder import Folder

KINDS = ("configuration", "data", "weights", "code", "library", "device", "threads", "unexplained")
_BLOCKS = ("datasets", "models", "degradations", "training", "crop")  # of the configuration, that decide scores
# Keys that decide none: names in tables, and places, whose content has checksums.
_SAYING = {"label", "note", "notes", "required", "ablates", "licence", "citation", "literature"}
_PLACES = {"images", "root", "path", "url"}
# Of records, what is measured, and what follows from the rest.
_MEASURED = {"seconds", "final_loss", "peak_memory_mib", "parameters", "iterations", "training", "loaded_from"}
_MEASURED |= {"misfits", "absent", "code", "configuration", "test_sets", "merged"}
_FEW = 0.5  # of the images: code or a library that changes images changes more of them


@dataclass(frozen=True)
class Cause:
    """Something that two runs do not have in common.

    Attributes:
        kind: one of KINDS, the likelier ones first.
        what: a dotted key, an image, a file, a library.
        a: what the first run says of it.
        b: what the second says.
    """

    kind: str
    what: str
    a: str = ""
    b: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}" + (f": {self.a} | {self.b}" if (self.a, self.b) != ("", "") else "")


@dataclass(frozen=True)
class Step:
    """What one step made in both runs.

    Attributes:
        name: of what it made.
        same: whether both made the same; None where that is not known.
        records: how each was made.
        causes: what differs that came from outside.
        otherwise: the cause where nothing recorded differs.
    """

    name: str
    same: bool | None
    records: tuple[Mapping[str, Any], ...]
    causes: Sequence[Cause] = ()
    otherwise: Cause | None = None


def causes(a: Folder, b: Folder, differing: Iterable[Artifact]) -> tuple[list[Cause], list[str]]:
    """The causes for files of scores to differ, the likeliest first, and for each model where the runs part."""
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
        if not of_step and not configured:
            found += _recorded(*({k: v for k, v in of.record.items() if k != "files"} for of in (a, b)), True)
            found.append(steps[end].otherwise or Cause("unexplained", f"the {steps[end].name} of {scores.model}"))
    return sorted(dict.fromkeys(found), key=_likelihood), list(parts)


def _likelihood(cause: Cause) -> tuple[int, int]:
    library = LIBRARIES.index(cause.what) if cause.what in LIBRARIES else len(LIBRARIES)
    return KINDS.index(cause.kind), library


def _configured(a: Folder, b: Folder, differing: Sequence[Artifact]) -> list[Cause]:
    """The keys of the configuration that differ and that decide some of these scores."""
    sides = _configurations(a, b)
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
            found.append(_cause("configuration", ".".join(key), left, right))
    return found


def _cause(kind: str, what: str, a: Any, b: Any) -> Cause:
    """A cause with two values as they are shown."""
    return Cause(kind, what, *("not set" if value is None else str(value) for value in (a, b)))


def _configurations(*folders: Folder) -> list[dict[str, Any]]:
    """The configurations of runs, with their defaults where this version of the suite knows all of their keys."""
    given = [folder.record.get("configuration", {}) for folder in folders]
    try:
        return [validate(each, "provenance.json").model_dump(mode="json") if each else {} for each in given]
    except UserError:
        return given


def differences(a: Any, b: Any, key: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """(keys, value, other value) of what differs in nested mappings; "not set" where a key is missing."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for name in dict.fromkeys([*a, *b]):
            yield from differences(a.get(name, "not set"), b.get(name, "not set"), (*key, str(name)))
    elif a != b:
        yield key, a, b


def _steps(a: Folder, b: Folder, scores: Artifact) -> Iterator[Step]:
    """From the training images to the scores of a model."""
    records = a.json(scores.beside(suffix="json")), b.json(scores.beside(suffix="json"))
    test = Artifact("hr", "csv", scores.dataset, "test", scores.scale, scores.degradation)
    upscaled = a.json(scores.beside("sr_record")), b.json(scores.beside("sr_record"))
    yield from _weights(a, b, scores)
    yield _images(a, b, test, _same(records, "hr_manifest_sha256"))
    yield _images(a, b, test.beside("lr"), _same(upscaled, "lr_manifest_sha256"))
    yield _images(a, b, scores.beside("sr"), _same(records, "sr_manifest_sha256"))
    yield Step("scores", False, records)


def _weights(a: Folder, b: Folder, scores: Artifact) -> Iterator[Step]:
    """The weights of a model, after what they were trained on."""
    files = [
        [w for w in folder.of_kind("weights", "json") if (w.model, w.scale) == (scores.model, scores.scale)]
        for folder in (a, b)
    ]
    shared = set(files[0]) & set(files[1])  # none where the seeds are others
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
    """The images of a manifest; `unseen`: whether they are the same, where a folder lacks the manifest."""
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
    """Images as a cause: the first of them, and how many more there are."""
    more = f" and {len(images) - 1} more" if len(images) > 1 else ""
    return Cause("data", f"{name}, {images[0]}{more}", *(of.get(images[0], ("absent",))[0][:12] for of in digests))


def _sources(a: Folder, b: Folder, manifest: Artifact) -> set[str]:
    """The images whose source image is another one."""
    digests = [{row["image"]: row.get("source_sha256") for row in of.rows(manifest)} for of in (a, b)]
    return {image for image in digests[0] if digests[0][image] != digests[1].get(image, digests[0][image])}


def _touched(folder: Folder, manifest: Artifact, row: Mapping[str, str]) -> bool:
    """Whether an image was changed after its manifest was written."""
    return row["sha256"] not in folder.images(manifest)[row["image"]]


def _recorded(a: Mapping[str, Any], b: Mapping[str, Any], configured: bool) -> list[Cause]:
    """What two records of one step say differently; keys of entries only where the configuration said nothing."""
    if not a or not b:
        return []
    found = []
    for key, left, right in differences(*({**of, "code_files": None} for of in (a, b))):
        kind = {"libraries": "library", "machine": "device"}.get(key[0], key[0])
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
    """Whether an entry of a record can change a result: no measurement, name, place or checksum."""
    return key[0] not in _MEASURED and not set(key) & (_SAYING | _PLACES) and not any("sha256" in part for part in key)


def _same(records: Sequence[Mapping[str, Any]], key: str) -> bool | None:
    """Whether two records have the same checksum; None where one does not have it."""
    left, right = (record.get(key) for record in records)
    return left == right if left and right else None
