"""What the rules ask of the configuration: entries as JSON, inputs by wildcard, targets. No job runs in here."""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from rssr.base import ROOT
from rssr.base.errors import PARENT, UserError
from rssr.base.files import read_csv
from rssr.config import validate
from rssr.config.data import Dataset
from rssr.config.literature import load as load_published
from rssr.config.models import Model, entry_at
from rssr.datasets.card import DataSet
from rssr.datasets.degradations import DEGRADATIONS, describe
from rssr.datasets.registry import PUBLISHED
from rssr.datasets.registry import build as build_data_set
from rssr.metrics.registry import METRICS, fetch_weights
from rssr.models.names import INTERPOLATIONS, NETWORKS
from rssr.plan.dependencies import module_files, used_files

SCRIPTS = ROOT / "workflow" / "scripts"
# Tables of names: a new name changes nothing of what there is, and what a name stands for is an input of its own.
_NAMES = {ROOT / "models" / "names.py", *(ROOT / "datasets" / f"{name}.py" for name in ("registry", "degradations"))}
# Keys of a model's entry that are shown, or that decide its weights, whose checksum stands for them.
_NOT_OF_PIXELS = ("label", "note", "train", "train_on", "ablates", "licence", "source", "published")


class Dag:
    """The rules' view of a configuration.

    Args:
        config: Snakemake's merged configuration.
        origin: the files that it came from, for errors.
    """

    def __init__(self, config: Mapping[str, Any], origin: str) -> None:
        self.config = validate(config, origin)
        self.scales = self.config.scales
        # Every data set at every scale, under its own name where there is one scale only.
        self._homes = {self.at(name, scale): (name, scale) for scale in self.scales for name in self.config.datasets}
        self.data_sets = {name: _data_set(name, self._entry(name)) for name in self._homes}
        for name, entry in self.config.models.items():
            for scale in self.scales:
                _check_files(name, entry, scale)
        self.trained = [name for name, model in self.config.models.items() if model.train]
        self.loaded = [name for name, model in self.config.models.items() if model.weights or model.checkpoint]

    # Scales.

    def at(self, name: str, scale: int) -> str:
        """The name of a data set or a measured model at a scale: with the scale where there are several."""
        return name if len(self.scales) == 1 else f"{name}_x{scale}"

    def scale_at(self, suffix: str) -> int:
        """The scale that at() adds a suffix for."""
        return next(scale for scale in self.scales if self.at("", scale) == suffix)

    def scale_of(self, dataset: str) -> int:
        """The scale of a data set's LR images."""
        return self._homes[dataset][1]

    def classes(self, dataset: str) -> str:
        """The pattern that finds the class in an image's name; empty for a data set without classes."""
        return self.data_sets[dataset].classes

    def first(self, source: str) -> str:
        """A data set of the configuration at its first scale."""
        return self.at(source, self.scales[0])

    def base_of(self, dataset: str) -> str:
        """The name of a data set in the configuration."""
        return self._homes[dataset][0]

    def _entry(self, dataset: str) -> Dataset:
        return self.config.datasets[self.base_of(dataset)]

    @property
    def reference(self) -> str:
        """The model that the others are compared with."""
        return self.config.statistics.reference or next(iter(self.config.models))

    @property
    def audited_models(self) -> list[str]:
        """The models whose measuring protocol is audited."""
        return list(self.config.audit.models) if self.config.audit else []

    def audited_sets(self) -> list[str]:
        """The test sets whose measuring protocol is audited, at the first scale."""
        sets = [self.first(source) for source in (self.config.audit.datasets if self.config.audit else ())]
        for dataset in sets:
            if "test" not in self.data_sets[dataset].splits:
                raise UserError(f"audit.datasets: '{self.base_of(dataset)}' has no test split", "name another data set")
        return sets

    @property
    def audited_images(self) -> int:
        """How many images of a test set an audit takes."""
        return self.config.audit.images if self.config.audit else 0

    @property
    def analysed(self) -> list[tuple[str, str]]:
        """(test set, model) of what is looked into, at the first scale."""
        if self.config.analysis is None:
            return []
        dataset = self.first(self.config.analysis.dataset)
        if "test" not in self.data_sets[dataset].splits:
            raise UserError(f"analysis.dataset: '{self.base_of(dataset)}' has no test split", "name another data set")
        return [(dataset, model) for model in self.config.analysis.models]

    @property
    def dissected(self) -> list[tuple[str, str]]:
        """Those of them whose inside can be shown."""
        return [(dataset, model) for dataset, model in self.analysed if self.config.models[model].arch == "lstmconvsr"]

    @property
    def analysis(self) -> str:
        """How it is looked into networks, as JSON, defaults filled in; without what."""
        asked = self.config.analysis
        return asked.model_dump_json(exclude={"dataset", "models"}) if asked else "{}"

    # Entries, as the scripts take them: an entry alone, so that changing one remakes what depends on it.

    def dataset(self, name: str) -> str:
        """What decides a data set's images, as JSON: its entry with its root, without the label."""
        return json.dumps({k: v for k, v in _rooted(self._entry(name)).items() if k != "label"})

    @property
    def data_set_entries(self) -> str:
        """All data sets as JSON, their labels included."""
        return json.dumps({name: _rooted(entry) for name, entry in self.config.datasets.items()})

    def degradation(self, name: str) -> str:
        """The steps of a degradation as JSON."""
        return json.dumps([_plain(step) for step in self.config.degradations[name]])

    def model(self, name: str, scale: int, *left_out: str) -> str:
        """What decides a model's pixels and cost, as JSON: its entry at a scale, without what is only shown."""
        entry = entry_at(_plain(self.config.models[name]), scale)
        return json.dumps({k: v for k, v in entry.items() if k not in (*_NOT_OF_PIXELS, *left_out)})

    def network(self, name: str, scale: int) -> str:
        """What decides a model's weights, as JSON: its entry without what is done around the network."""
        return self.model(name, scale, "tile", "self_ensemble")

    def architecture(self, name: str, scale: int) -> str:
        """What decides a model's cost, as JSON: its entry without the weights to load."""
        return self.model(name, scale, "weights")

    def recipe(self, name: str) -> str:
        """The recipe of a trained model as JSON, defaults filled in."""
        return json.dumps(self.config.training[self.config.models[name].train].model_dump(mode="json"))

    @property
    def labels(self) -> str:
        """What the renderings show of the models, as JSON: label and notes, in the order of the tables."""
        shown = {
            name: {"label": model.label, "notes": _notes(model)}
            | ({"published": model.published.model_dump(mode="json")} if model.published else {})
            for name, model in self.config.models.items()
        }
        return json.dumps(shown)

    @property
    def profile(self) -> str:
        """How cost is measured, as JSON, defaults filled in."""
        return self.config.profile.model_dump_json()

    @property
    def statistics(self) -> str:
        """How intervals are computed, as JSON, defaults filled in."""
        return self.config.statistics.model_dump_json()

    @property
    def whole(self) -> str:
        """The whole configuration as JSON."""
        return json.dumps(_plain(self.config))

    def crop(self, dataset: str) -> int:
        """Border pixels that metrics leave out."""
        return self.scale_of(dataset) if self.config.crop is None else self.config.crop

    def title(self, dataset: str, degradation: str) -> str:
        """What a quality table shows."""
        return f"{self._label(dataset)}, {self._conditions(dataset, degradation)}"

    def _conditions(self, dataset: str, degradation: str) -> str:
        steps = describe([_plain(step) for step in self.config.degradations[degradation]])
        return f"x{self.scale_of(dataset)}, LR by {steps}, 8 bit, border crop {self.crop(dataset)}"

    def _label(self, dataset: str) -> str:
        label, part = self._entry(dataset).label, self.data_sets[dataset].part
        return f"{label} ({part})" if part else label

    @property
    def set_names(self) -> str:
        """What renderings call the data sets, as JSON, with the scale where there are several."""
        return json.dumps(
            {name: self._label(name) + self.at("", self.scale_of(name)).replace("_", ", ") for name in self.data_sets}
        )

    def compared(self, *scales: int) -> list[tuple[str, str]]:
        """(test set, degradation) of each quality table, of all scales or of those given."""
        sets = [name for name in self.test_sets() if self.scale_of(name) in (scales or self.scales)]
        return [(dataset, degradation) for dataset in sets for degradation in self.config.degradations]

    def quality_tables(self, *scales: int) -> list[str]:
        """The numbers of the quality tables of compared()."""
        return [
            f"results/tables/quality_{dataset}_{degradation}.csv" for dataset, degradation in self.compared(*scales)
        ]

    def compared_sets(self, *scales: int) -> str:
        """What renderings show of compared(), as JSON, in its order."""
        names = json.loads(self.set_names)
        several = len(self.config.degradations) > 1
        shown = [
            {
                "dataset": self.base_of(dataset),
                "label": self._label(dataset),
                "name": f"{names[dataset]}, {degradation}" if several else names[dataset],
                "scale": self.scale_of(dataset),
                "degradation": degradation,
                "conditions": self._conditions(dataset, degradation),
                "protocol": json.loads(self.protocol(dataset, degradation)),
            }
            for dataset, degradation in self.compared(*scales)
        ]
        return json.dumps(shown)

    @property
    def shown(self) -> bool:
        """Whether the images of all test sets may be passed on."""
        return all(self.data_sets[dataset].card.shown for dataset in self.test_sets())

    @property
    def published_sets(self) -> list[str]:
        """The test sets that papers print values of."""
        known = {value.dataset for value in load_published()}
        return [name for name in self.test_sets() if self._entry(name).module in known]

    def ablation(self, measured: str) -> tuple[int, list[str]]:
        """The scale of a measured model, and the model with those that ablate it."""
        full, scale = self.measured[measured]
        return scale, [full, *(name for name, model in self.config.models.items() if model.ablates == full)]

    @property
    def ablated(self) -> list[str]:
        """The models that others are variants of."""
        return list(dict.fromkeys(model.ablates for model in self.config.models.values() if model.ablates))

    def crops(self, dataset: str) -> str:
        """The crops that the qualitative page of a test set is asked for, as JSON: `image` and `square`."""
        asked = (crop for crop in self.config.figures.crops if crop.dataset == self.base_of(dataset))
        return json.dumps([crop.model_dump(mode="json", exclude={"dataset"}) for crop in asked])

    def protocol(self, dataset: str, degradation: str) -> str:
        """How a quality table's values are measured, as JSON: what published values are compared by."""
        entry, steps = self._entry(dataset), json.loads(self.degradation(degradation))
        own = entry.split is not None or entry.subset or entry.tile is not None
        known = [name for name, its_steps in DEGRADATIONS.items() if list(its_steps) == steps]
        measured = {
            "scale": self.scale_of(dataset),
            "degradation": known[0] if known else describe(steps),  # whatever a configuration calls it
            "crop": self.crop(dataset),
            "split": "own" if own else "paper",
        }
        return json.dumps({"dataset": entry.module or "folder", "measured": measured})

    @property
    def tested(self) -> str:
        """Every test set at every degradation, as JSON: `dataset`, `degradation`, `scale` and `title`."""
        sets = [
            {"dataset": name, "degradation": steps, "scale": self.scale_of(name), "title": self.title(name, steps)}
            for name in self.test_sets()
            for steps in self.config.degradations
        ]
        return json.dumps(sets)

    # Inputs.

    def script(self, name: str) -> str:
        """The script of a rule."""
        return os.path.relpath(SCRIPTS / f"{name}.py")

    def code(self, script: str, *modules: str) -> list[str]:
        """The project's files that a script imports, and those of modules that it imports by name."""
        files = set(used_files(SCRIPTS / f"{script}.py"))
        for module in modules:
            for path in module_files(module):
                files |= used_files(path)
        files -= _NAMES
        return sorted(os.path.relpath(file) for file in files)

    @property
    def page_files(self) -> list[str]:
        """What the report's page is made of besides code: its template, style and scripts."""
        folder = ROOT / "rssr" / "render" / "report"
        return sorted(os.path.relpath(path) for path in (folder / "page.html", *(folder / "assets").iterdir()))

    def arch_module(self, name: str) -> str:
        """The module of a model's class, for code()."""
        arch = self.config.models[name].arch or ""
        return NETWORKS.get(arch, arch).partition(":")[0]

    @property
    def published_values(self) -> str:
        """The file of published values."""
        return os.path.relpath(ROOT / "config" / "published.yaml")

    def dataset_module(self, name: str) -> str:
        """The module of a data set, for code()."""
        return f"rssr.datasets.{self._entry(name).module or 'folder'}"

    def dataset_lists(self, name: str) -> list[str]:
        """The lists and checksums that lie beside the module of a data set."""
        module = self._entry(name).module or "folder"
        lists = (path for path in (ROOT / "datasets").glob(f"{module}[._]*") if path.suffix != ".py")
        return sorted(os.path.relpath(path) for path in lists)

    def fetched_from(self, name: str) -> str:
        """Where a data set comes from and how much is transferred, in words."""
        data_set, label = self.data_sets[name], self._entry(name).label
        if data_set.root:
            return f"{label}: {len(data_set.sources)} images from the folder {data_set.root}, nothing is transferred"
        places = [f"{mirror.bytes / 1e9:.2f} GB from {mirror.where}" for mirror in data_set.card.mirrors]
        return f"{label}: {', or '.join(places) or 'small'}, into downloads/{self.base_of(name)}"

    def metric_module(self, name: str) -> str:
        """The module of a metric, for code()."""
        return METRICS[name].function.partition(":")[0]

    @property
    def metrics_with_weights(self) -> list[str]:
        """The configured metrics that are networks."""
        return [name for name in self.config.metrics if METRICS[name].weights]

    def fetch_required_metrics(self) -> None:
        """Get the weights of the metrics that a run must have, or check those that are there."""
        for name in self.metrics_with_weights:
            if self.config.metrics[name].required:
                fetch_weights(name, self.config.weights_dir)

    def sources(self, dataset: str, split: str) -> list[str]:
        """What HR images are cut from: the record of what was fetched, or the files of a folder."""
        if self._entry(dataset).images is None:
            return [f"downloads/{self.base_of(dataset)}/fetched.json"]
        data_set = self.data_sets[dataset]
        return [str(data_set.find(Path(), source)) for source in data_set.splits[split]]

    def lr(self, dataset: str, degradation: str) -> str:
        """The manifest of a test set's LR images."""
        return f"results/data/{dataset}/test/LR/x{self.scale_of(dataset)}-{degradation}/manifest.csv"

    def weights(self, model: str, dataset: str) -> list[str]:
        """The weights that a model upscales a data set with; none for an interpolation."""
        if self.is_interpolation(model):
            return []
        return [f"results/weights/{model}/{self.home(model, dataset)}.safetensors"]

    def weights_records(self) -> list[str]:
        """What tells of the weights of every network for every test set, each file once."""
        files = [
            file
            for model in self.config.models
            for dataset in self.test_sets()
            for file in self.weights(model, dataset)
        ]
        return list(dict.fromkeys(file.replace(".safetensors", ".json") for file in files))

    def curves(self, home: str) -> list[str]:
        """The records of the trainings on a data set, of the networks that some test set is upscaled with."""
        trained = [model for model in self.trained if home in {self.home(model, name) for name in self.test_sets()}]
        return [f"results/weights/{model}/{home}.csv" for model in trained]

    def home(self, model: str, dataset: str) -> str:
        """The data set that a model's weights for a data set come from: another one where the entry says `train_on`."""
        entry = self.config.models[model]
        home = self.at(entry.train_on, self.scale_of(dataset)) if entry.train_on else dataset
        if entry.train and "train" not in self.data_sets[home].splits:
            raise UserError(
                f"models.{model}.train: the data set '{self.base_of(home)}' has no train split: add one to its "
                f"`split`, or name another data set in models.{model}.train_on"
            )
        return home

    def weights_to_load(self, model: str, scale: int) -> list[str]:
        """The local file of `weights` or `checkpoint`, none where it is an address."""
        entry = entry_at(_plain(self.config.models[model]), scale)
        file = entry.get("weights") or entry["checkpoint"]
        return [file["path"]] if "path" in file else []

    @property
    def measured(self) -> dict[str, tuple[str, int]]:
        """Name of a profile -> the model and the scale that it is of."""
        return {self.at(model, scale): (model, scale) for scale in self.scales for model in self.config.models}

    def profiles(self, scale: int, models: Iterable[str] = ()) -> list[str]:
        """The costs of some models, or of all, at a scale."""
        return [f"results/profile/{self.at(model, scale)}.json" for model in models or self.config.models]

    def profile_weights(self, measured: str) -> list[str]:
        """A checkpoint's architecture is known from its weights alone; the other models are measured without."""
        model, scale = self.measured[measured]
        if self.config.models[model].checkpoint is None:
            return []
        return self.weights(model, self.at(next(iter(self.config.datasets)), scale))

    def is_interpolation(self, model: str) -> bool:
        """Whether a model has no weights at all."""
        return self.config.models[model].arch in INTERPOLATIONS

    # The test sets, and what is trained on.

    def test_sets(self) -> list[str]:
        """The data sets that have a test split."""
        return [name for name, data_set in self.data_sets.items() if "test" in data_set.splits]

    def used_sets(self) -> list[str]:
        """The data sets that networks are tested on or learn from."""
        return [name for name, data_set in self.data_sets.items() if {"train", "test"} & set(data_set.splits)]

    def training_lr(self, dataset: str) -> str:
        """The LR folder that networks are trained on."""
        return f"x{self.scale_of(dataset)}-{self.training_degradation}"

    @property
    def training_degradation(self) -> str:
        """The degradation that networks are trained on: the first."""
        return next(iter(self.config.degradations))

    # State.

    @staticmethod
    def delete_false_manifests() -> None:
        """Delete manifests that list an image which is gone, so that Snakemake makes their folders whole again.

        A manifest is written last and stands for its folder, whose images Snakemake does not look at. Nothing else is
        deleted: the images that are left are kept or made again as the folder's own rule sees fit.
        """
        for manifest in Path("results").glob("**/manifest.csv"):
            folder = manifest.parent / "HR" if manifest.parent.name in ("train", "val", "test") else manifest.parent
            present = {path.name for path in folder.glob("*.png")}
            if any(f"{row['image']}.png" not in present for row in read_csv(manifest)):
                manifest.unlink()


def _notes(model: Model) -> list[str]:
    """What a table says below itself of a row."""
    options = []
    if model.self_ensemble:
        options.append("self-ensemble over the 8 flips and turns of the image")
    if model.tile:
        options.append(
            f"upscaled in LR tiles of {model.tile.size} pixels with an overlap of {model.tile.overlap}, which its cost "
            "counts twice"
        )
    return [*([model.note] if model.note else []), *options]


def _data_set(name: str, entry: Dataset) -> DataSet:
    try:
        return build_data_set(_rooted(entry))
    except UserError as error:
        raise UserError(f"datasets.{name}: {error}") from None


def _rooted(entry: Dataset) -> dict[str, Any]:
    """An entry whose `root` is the environment's where it names none: RSSR_ROOT_POTSDAM for `module: potsdam`."""
    plain = _plain(entry)
    root = os.environ.get(f"RSSR_ROOT_{(entry.module or '').upper()}")
    return {"root": root} | plain if root and entry.module in PUBLISHED else plain


def _check_files(name: str, entry: Model, scale: int) -> None:
    """UserError for weights that are not there; Snakemake would go on with those of an earlier run."""
    for key in ("weights", "checkpoint"):
        path = (entry_at(_plain(entry), scale).get(key) or {}).get("path")
        if path and not Path(path).is_file():
            raise UserError(f"models.{name}.{key}.path: there is no file {path}", "correct the path")


def prepare_environment() -> None:
    """Let the rules' scripts import rssr from this checkout and run with the interpreter that runs Snakemake."""
    for name, first in (("PYTHONPATH", str(ROOT)), ("PATH", str(Path(sys.executable).parent))):
        os.environ[name] = os.pathsep.join(filter(None, [first, os.environ.get(name)]))
    os.environ[PARENT] = str(os.getpid())


def _plain(entry: BaseModel) -> dict[str, Any]:
    return entry.model_dump(mode="json", exclude_defaults=True)
