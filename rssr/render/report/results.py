"""What the report says of a finished run: test sets with their leaders, tables, figures, protocol, provenance."""

import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from rssr.base.files import read_csv, read_json
from rssr.config import validate
from rssr.metrics.registry import METRICS
from rssr.metrics.statistics import mean_interval, paired
from rssr.render.report.written import Written, percent, read_table

_SPELT = {"Mlstm": "mLSTM", "mlstm": "mLSTM"}  # words of file names that are not written as they are there


@dataclass(frozen=True)
class TestSet:
    """A data set at one degradation, as every method was tested on it.

    Attributes:
        dataset: its name in results/.
        degradation: name.
        scale: upscaling factor.
        title: what was upscaled, in words.
        names: of the images.
        scores: metric -> method -> a number an image, in the images' order.
        facts: how the first method's scores were made, results/scores/.../{model}.json.
    """

    __test__ = False  # no test, whatever pytest thinks of its name
    dataset: str
    degradation: str
    scale: int
    title: str
    names: Sequence[str]
    scores: Mapping[str, Mapping[str, np.ndarray]]
    facts: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Its name in files and addresses."""
        return f"{self.dataset}_{self.degradation}"

    @property
    def metric(self) -> str:
        """The metric that methods are ordered by: the first that all of them have on all images."""
        complete = (m for m, found in self.scores.items() if not np.isnan(list(found.values())).any())
        return next(complete, next(iter(self.scores)))

    def folder(self, shown: str) -> Path:
        """The folder of what can be shown of an image: a method's SR images, "HR" or "LR"."""
        images = Path("results/data", self.dataset, "test")
        if shown == "LR":
            return images / "LR" / f"x{self.scale}-{self.degradation}"
        return images / "HR" if shown == "HR" else Path("results/sr", self.dataset, self.degradation, shown)


class Run:
    """A finished run, read from the folder that it ran in.

    Args:
        record: results/provenance.json.
        sets: `dataset`, `degradation`, `scale` and `title` of each test set.
        captions: workflow/report/*.rst; that of a table or figure is the one whose name its own begins with.
        options: what a command has to say besides its target to mean this run's configuration.
    """

    def __init__(
        self,
        record: Mapping[str, Any],
        sets: Sequence[Mapping],
        captions: Sequence[Path],
        options: Sequence[str] = (),
    ) -> None:
        self.record = record
        self.config = validate(record["configuration"], "results/provenance.json")
        self.labels = {name: model.label for name, model in self.config.models.items()}
        self._captions = {path.stem: path for path in captions}
        self._options = options
        self.sets = [self._test_set(**entry) for entry in sets]

    def _test_set(self, dataset: str, degradation: str, scale: int, title: str) -> TestSet:
        folder = Path("results/scores", dataset, degradation)
        rows = {name: read_csv(folder / f"{name}.csv") for name in self.labels}
        scores = {
            metric: {name: np.array([float(row[metric] or "nan") for row in found]) for name, found in rows.items()}
            for metric in self.config.metrics
        }
        first = next(iter(rows))
        names = [row["image"] for row in rows[first]]
        return TestSet(dataset, degradation, scale, title, names, scores, read_json(folder / f"{first}.json"))

    def command(self, target: str = "") -> str:
        """What makes a file of results/ again, or the whole run."""
        return shlex.join(["snakemake", *filter(None, [target]), "--cores", "all", *self._options])

    def row_commands(self, table: Written) -> list[str]:
        """What makes the numbers of each row again; empty for a table whose rows come from several files each."""
        scored = {f"quality_{test.key}": f"results/scores/{test.dataset}/{test.degradation}" for test in self.sets}
        if not all(table.keys):
            return []
        if table.stem in scored:
            return [self.command(f"{scored[table.stem]}/{model}.csv") for model in table.keys]
        if table.stem.startswith("complexity"):  # its suffix is the scale where there are several
            suffix = table.stem.removeprefix("complexity")
            return [self.command(f"results/profile/{model}{suffix}.json") for model in table.keys]
        return []

    def standings(self, test: TestSet) -> list[dict[str, Any]]:
        """The methods from the first to the last by the mean of the set's metric, each compared with the first.

        Of each: `model`, `mean` with `low` and `high`. Of all but the first also what statistics.paired() finds of it
        minus the first, and `drawn`: where zero, low, difference and high lie, in percent, None without an interval.
        """
        settings = self.config.statistics.model_dump()
        scores, better = test.scores[test.metric], METRICS[test.metric].better
        rows = []
        for name, found in scores.items():
            mean, low, high = mean_interval(found, settings)
            rows.append({"model": name, "mean": mean, "low": low, "high": high})
        rows.sort(key=lambda row: -row["mean"] if better == "higher" else row["mean"])
        if any(np.isnan(found).any() for found in scores.values()):
            return rows
        first = scores[rows[0]["model"]]
        behind = [row | paired(scores[row["model"]], first, better, settings) for row in rows[1:]]
        ends = [row[key] for row in behind for key in ("difference_low", "difference_high")] + [0.0]
        low, high = min(ends), max(ends)
        for row in behind:
            shown = (0.0, row["difference_low"], row["difference"], row["difference_high"])
            row["drawn"] = percent(shown, low, high) if low < high and np.isfinite(high - low) else None
        return rows[:1] + behind

    def tables(self) -> list[Written]:
        """Every table of the run, in the order of their names."""
        return [read_table(path) for path in self._files("results/tables/*.md")]

    def figures(self) -> list[dict[str, Any]]:
        """Every figure of the run by name: `stem`, `caption`, and the PNG's `width` and `height`."""
        found = []
        for path in self._files("results/figures/*.png"):
            with Image.open(path) as image:
                width, height = image.size
            found.append({"stem": path.stem, "caption": self._caption(path.stem), "width": width, "height": height})
        return found

    def title(self, stem: str) -> str:
        """The title of a table or figure: its kind and what it is of, as in "Win rate: NEON, x4"."""
        kind, of = self._kind(stem)
        words = " ".join(_SPELT.get(word, word) for word in kind.capitalize().split("_"))
        subject = ", ".join(filter(None, (self._shown(key, name) for key, name in of.items())))
        return f"{words}: {subject}" if subject else words

    def _caption(self, stem: str) -> str:
        kind, of = self._kind(stem)
        text = self._captions[kind].read_text(encoding="utf-8") if kind in self._captions else ""
        return " ".join(jinja2.Template(text).render(snakemake={"wildcards": of}).split())

    def set_of(self, stem: str) -> str | None:
        """The key of the test set that a table or figure is of; None where it is of none or of several."""
        return next((test.key for test in self.sets if stem.endswith(f"_{test.key}")), None)

    def _kind(self, stem: str) -> tuple[str, dict[str, str]]:
        """The name of the caption of a table or figure, and what follows it: data set, degradation, model, other."""
        kinds = [kind for kind in self._captions if f"{stem}_".startswith(f"{kind}_")]
        kind = max(kinds, key=len, default=stem)
        values = {
            "dataset": {test.dataset for test in self.sets},
            "degradation": {test.degradation for test in self.sets},
            "model": set(self.labels),
        }
        parts = [
            f"(?:_(?P<{key}>{'|'.join(map(re.escape, sorted(names, key=len, reverse=True)))}))?"
            for key, names in values.items()
        ]
        found = re.fullmatch("".join([*parts, "(?:_(?P<other>.+))?"]), stem.removeprefix(kind))
        return kind, {key: name for key, name in found.groupdict().items() if name}

    def _shown(self, key: str, name: str) -> str:
        if key == "dataset":
            return next(test.title.partition(", LR")[0] for test in self.sets if test.dataset == name)
        if key == "degradation":  # said where there are several
            return name.replace("_", " ") if len(self.config.degradations) > 1 else ""
        return self.labels[name] if key == "model" else name.replace("_", " ")

    def not_counted(self) -> dict[str, dict[str, int]]:
        """Label of a method -> operators that its MACs leave out -> their calls."""
        found = {}
        for path in self._files("results/profile/*.json"):
            name, _, scale = (path.stem, "", "") if path.stem in self.labels else path.stem.rpartition("_")
            found[f"{self.labels[name]} {scale}".strip()] = read_json(path)["macs"]["not_counted"]
        return found

    def origins(self) -> list[tuple[str, int, str, str, str]]:
        """What wrote the records: kind, how many, code, machine and PyTorch; one line where all agree."""
        found = Counter()
        for kind in ("weights", "scores", "profile"):
            for path in self._files(f"results/{kind}/*.json"):
                facts = read_json(path)
                machine = " + ".join(filter(None, (facts["machine"]["processor"], facts["machine"].get("gpu"))))
                found[kind, facts["code"], machine, facts["libraries"].get("torch", "")] += 1
        return [(kind, count, code, machine, torch) for (kind, code, machine, torch), count in found.items()]

    def protocol(self) -> list[tuple[str, list[str]]]:
        """Everything that a number depends on: subject, sentences."""
        facts, settings, cost = self.sets[0].facts, self.config.statistics, self.config.profile
        crops = sorted({test.facts["crop"] for test in self.sets})
        weights = {
            model.label: [model.note, f"trained in this run by the recipe “{model.train}”" if model.train else None]
            for model in self.config.models.values()
        }
        intervals = (
            f"Percentile bootstrap over images of {100 * settings.confidence:g} %, {settings.resamples} resamples, "
            f"seed {settings.seed}; differences are taken image by image first"
        )
        calls = (
            f"Batch of {cost.batch}, LR input of {cost.size[0]} x {cost.size[1]}, {cost.precision}, "
            f"{f'torch.compile {cost.compile}' if cost.compile else 'not compiled'}. {cost.samples} timed calls, or as "
            f"many as fit in {cost.seconds:g} s, after at most {cost.warmup} that are not counted"
        )
        kept = "Latency: median, with the 5th and 95th percentile. Memory: above what was in use before."
        return [
            ("Test images", [f"{test.title}: {len(test.names)} images" for test in self.sets]),
            ("SR images", ["Clamped, rounded to 8 bit and written as PNG; scored as they are read from there"]),
            ("Border", [f"{' or '.join(map(str, crops))} pixels on each side are left out of all metrics"]),
            ("Metrics", [f"{METRICS[name].label}: {said}" for name, said in facts["metrics"].items()]),
            ("Not computed", [f"{METRICS[name].label}: {why}" for name, why in facts["absent"].items()]),
            ("Intervals", [intervals]),
            ("Weights", [f"{label}: {'; '.join(filter(None, said))}" for label, said in weights.items() if any(said)]),
            ("Cost", [calls, kept]),
            ("MACs", ["Multiply-accumulates as fvcore and handles of ours count them; FLOPs are twice that"]),
        ]

    def _files(self, pattern: str) -> list[Path]:
        """The run's files of a pattern, whose stars match slashes too, in the order of their names."""
        return [Path(name) for name in sorted(self.record["files"]) if fnmatchcase(name, pattern)]
