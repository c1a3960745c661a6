"""What a run measures and renders below results/: kinds of artifacts, their paths, and back from path to artifact.

The only module that knows where a file lies. A rule takes its outputs from pattern(), a script asks artifact_at() what
a file is, and no other module takes a path apart.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path

from rssr.base.errors import UserError

_TEST = "{dataset}/x{scale}-{degradation}"
# Of results of shards, which are merged into those of whole test sets.
SHARDS = "results/shards/"
_TABLE = ("csv", "md", "tex", "html")
_FIGURE = ("png", "pdf")

# Kind -> path without its suffix, and the suffixes that it is written with.
TABLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "quality": (f"results/tables/{_TEST}/quality", _TABLE),
    "significance": (f"results/tables/{_TEST}/significance", _TABLE),
    "aggregation": (f"results/tables/{_TEST}/aggregation", _TABLE),
    "classes": (f"results/tables/{_TEST}/classes", _TABLE),
    "audit_table": ("results/tables/{dataset}/x{scale}/audit", _TABLE),
    "complexity": ("results/tables/x{scale}/complexity", _TABLE),
    "ablation": ("results/tables/x{scale}/ablation/{model}", _TABLE),
    "side_by_side": ("results/tables/quality", _TABLE),
    "training": ("results/tables/training", _TABLE),
    "literature": ("results/tables/literature", _TABLE),
}
FIGURES: dict[str, tuple[str, tuple[str, ...]]] = {
    "qualitative": (f"results/figures/{_TEST}/qualitative", _FIGURE),
    "quality_cost": (f"results/figures/{_TEST}/quality_cost", _FIGURE),
    "distributions": (f"results/figures/{_TEST}/distributions", _FIGURE),
    "win_rate": (f"results/figures/{_TEST}/win_rate", _FIGURE),
    "spectra": (f"results/figures/{_TEST}/spectra", _FIGURE),
    "attribution_map": (f"results/figures/{_TEST}/attribution", _FIGURE),
    "feature_maps": (f"results/figures/{_TEST}/features/{{model}}", _FIGURE),
    "audit_map": ("results/figures/{dataset}/x{scale}/audit/{model}", _FIGURE),
    "training_curves": ("results/figures/{dataset}/x{scale}/training_curves", _FIGURE),
    "architecture": ("results/figures/x{scale}/architecture/{model}", _FIGURE),
    "mlstm_growth": ("results/figures/mlstm_growth", _FIGURE),
}
MEASURED: dict[str, tuple[str, tuple[str, ...]]] = {
    # A manifest is written last and stands for the images of its folder.
    "hr": ("results/data/{dataset}/{split}/HR-x{scale}/manifest", ("csv",)),
    "hr_record": ("results/data/{dataset}/{split}/HR-x{scale}/provenance", ("json",)),
    "lr": ("results/data/{dataset}/{split}/LR/x{scale}-{degradation}/manifest", ("csv",)),
    "lr_record": ("results/data/{dataset}/{split}/LR/x{scale}-{degradation}/provenance", ("json",)),
    "weights": ("results/weights/{model}/{dataset}/x{scale}/{replicate}", ("safetensors", "json")),
    "training_curve": ("results/weights/{model}/{dataset}/x{scale}/{replicate}", ("csv",)),
    "sr": (f"results/sr/{_TEST}/{{model}}/manifest", ("csv",)),
    "sr_record": (f"results/sr/{_TEST}/{{model}}/provenance", ("json",)),
    "scores": (f"results/scores/{_TEST}/{{model}}", ("csv", "json")),
    "sr_shard": (f"{SHARDS}{_TEST}/{{model}}/{{shard}}/manifest", ("csv",)),
    "sr_shard_record": (f"{SHARDS}{_TEST}/{{model}}/{{shard}}/provenance", ("json",)),
    "scores_shard": (f"{SHARDS}{_TEST}/{{model}}/{{shard}}/scores", ("csv", "json")),
    "audit_shard": (f"{SHARDS}{{dataset}}/x{{scale}}/{{model}}/{{shard}}/audit", ("csv", "json")),
    "spectrum": (f"results/spectra/{_TEST}/{{model}}", ("csv",)),
    "profile": ("results/profile/x{scale}/{model}", ("json",)),
    "audit": ("results/audit/{dataset}/x{scale}/{model}", ("csv", "json")),
    "attribution": (f"results/analysis/{_TEST}/{{model}}/attribution", ("npz", "json")),
    "features": (f"results/analysis/{_TEST}/{{model}}/features", ("npz",)),
    "metric": ("results/metrics/{metric}", ("json",)),
}
KINDS = TABLES | FIGURES | MEASURED
_VALUES = {"scale": r"\d+", "split": "train|val|test", "replicate": r"\w+", "shard": r"\d+-of-\d+"}


@dataclass(frozen=True)
class Artifact:
    """A file of a run, with the data set, scale, model and so on that it belongs to.

    Attributes:
        kind: a key of KINDS.
        suffix: file suffix, one of those of its kind; by default the first.
        dataset: name of a data set. This and the following attributes are None if the path of the kind does not contain
            them.
        split: train, val or test.
        scale: upscaling factor.
        degradation: name of a degradation.
        model: name of a model.
        replicate: name of a replicate, see plan.replicate.
        metric: name of a metric with weights of its own.
        shard: name of a shard, see plan.shards.
    """

    kind: str
    suffix: str = ""
    dataset: str | None = None
    split: str | None = None
    scale: int | None = None
    degradation: str | None = None
    model: str | None = None
    replicate: str | None = None
    metric: str | None = None
    shard: str | None = None

    @property
    def path(self) -> str:
        """Where it lies, from the folder that snakemake runs in."""
        stem, suffixes = KINDS[self.kind]
        return f"{stem.format(**vars(self))}.{self.suffix or suffixes[0]}"

    @property
    def folder(self) -> Path:
        """The folder that it lies in; for a manifest that of its images."""
        return Path(self.path).parent

    @property
    def test(self) -> tuple[str | None, int | None, str | None]:
        """Data set, scale and degradation, which identify the test set that it belongs to."""
        return self.dataset, self.scale, self.degradation

    def beside(self, kind: str = "", suffix: str = "") -> "Artifact":
        """The artifact of another kind or suffix with the same attributes otherwise."""
        return replace(self, kind=kind or self.kind, suffix=suffix)

    @property
    def renderings(self) -> list[str]:
        """Its paths, one for each suffix of its kind."""
        return [self.beside(suffix=suffix).path for suffix in KINDS[self.kind][1]]


def pattern(kind: str, suffix: str = "") -> str:
    """The path of a kind with Snakemake's wildcards in it."""
    stem, suffixes = KINDS[kind]
    return f"{stem}.{suffix or suffixes[0]}"


def patterns(kind: str) -> list[str]:
    """The paths of a kind, a path for each of its suffixes, with Snakemake's wildcards in them."""
    return [pattern(kind, suffix) for suffix in KINDS[kind][1]]


def artifact_at(path: str | Path) -> Artifact:
    """The artifact with this path; UserError if the path belongs to none."""
    for kind, suffix, expression in _expressions():
        if found := expression.fullmatch(Path(path).as_posix()):
            values = found.groupdict()
            scale = {"scale": int(values["scale"])} if "scale" in values else {}
            return Artifact(kind, suffix, **(values | scale))
    raise UserError(f"{path} is not a file of a run", "name one that `snakemake -n --forceall` lists")


def artifacts_at(paths: Iterable[str | Path]) -> list[Artifact]:
    """The artifacts among some files of a run, in order; other files, such as its provenance, are left out."""
    found = []
    for path in paths:
        try:
            found.append(artifact_at(path))
        except UserError:
            continue
    return found


def model_of(path: Path) -> str:
    """The model that a file of a run is of; for a file outside of results/, the name of its folder."""
    return next((artifact.model for artifact in artifacts_at([path])), path.parent.name)


def shard_name(number: int, count: int) -> str:
    """What a shard is called in paths, such as "2-of-5"."""
    return f"{number}-of-{count}"


def shard_numbers(name: str) -> tuple[int, int]:
    """The number and the count of a shard that is called so."""
    number, count = name.split("-of-")
    return int(number), int(count)


def by_model(paths: Iterable[str | Path]) -> dict[str, Path]:
    """Model -> its file, in the order of the files."""
    return {artifact_at(path).model: Path(path) for path in paths}


def by_replicate(paths: Iterable[str | Path]) -> dict[str, Path]:
    """Replicate -> its file, in the order of the files."""
    return {artifact_at(path).replicate: Path(path) for path in paths}


def paths(artifacts: Iterable[Artifact]) -> list[str]:
    """The paths of artifacts, each once, in order."""
    return list(dict.fromkeys(artifact.path for artifact in artifacts))


@cache
def _expressions() -> list[tuple[str, str, re.Pattern]]:
    names = {field.name for field in fields(Artifact)}

    def expression(path: str) -> re.Pattern:
        parts = re.split(r"\{(\w+)\}", path)
        assert set(parts[1::2]) <= names
        groups = [f"(?P<{name}>{_VALUES.get(name, r'[a-z0-9][a-z0-9_]*')})" for name in parts[1::2]]
        fixed = [re.escape(part) for part in parts[::2]]
        return re.compile("".join(fixed[i] + (groups[i] if i < len(groups) else "") for i in range(len(fixed))))

    return [(kind, suffix, expression(pattern(kind, suffix))) for kind in KINDS for suffix in KINDS[kind][1]]
