"""What the report says of a finished run: test sets with their leaders, tables, figures, protocol, provenance."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from rssr.base.files import read_csv, read_json
from rssr.config import validate
from rssr.metrics.bootstrap import EXACT
from rssr.metrics.registry import METRICS
from rssr.metrics.statistics import interval, paired
from rssr.plan.artifacts import FIGURES, TABLES, Artifact, artifacts_at
from rssr.plan.model_plan import ModelPlan
from rssr.plan.test_set import TestSet
from rssr.render.scores import read_replicates, read_scores
from rssr.render.tables.comparison import standing
from rssr.render.tables.scored import by_seed
from rssr.render.tables.table import percent
from rssr.render.titles import title_of
from rssr.render.words import counted


@dataclass(frozen=True)
class TestResults:
    """A test set as every method was tested on it.

    Attributes:
        test: the test set.
        names: of the images.
        units: the unit of statistics of each image.
        scores: metric -> model -> one score per image, in the images' order; the mean over replicates.
        seeds: metric -> model -> its scores with one row per training seed, if all images have one.
        folders: model -> the folder of its SR images that are shown.
        verdict: which method is best and how sure that is, in a sentence; see tables.comparison.standing().
        record: how the first model's scores were made.
    """

    __test__ = False  # no class of tests, whatever pytest makes of the name

    test: TestSet
    names: Sequence[str]
    units: Sequence[str]
    scores: Mapping[str, Mapping[str, np.ndarray]]
    seeds: Mapping[str, Mapping[str, np.ndarray]]
    folders: Mapping[str, Path]
    verdict: str
    record: Mapping[str, Any]

    @property
    def metric(self) -> str:
        """The metric that methods are ordered by: the first that all of them have on all images."""
        complete = (m for m, found in self.scores.items() if not np.isnan(list(found.values())).any())
        return next(complete, next(iter(self.scores)))

    def folder(self, shown: str) -> Path:
        """The folder of what can be shown of an image: a model's SR images, "HR" or "LR"."""
        kinds = {"HR": "hr", "LR": "lr"}
        return self.test.artifact(kinds[shown]).folder if shown in kinds else self.folders[shown]


@dataclass(frozen=True)
class Rendering:
    """A table or figure of a run.

    Attributes:
        artifact: what and where it is.
        title: in a few words.
        rows: of a table.
    """

    artifact: Artifact
    title: str
    rows: int = 0

    def file(self, suffix: str) -> str:
        """Its address from the page."""
        return f"files/{self.inside(suffix)}"

    def inside(self, suffix: str) -> Path:
        """Its path below the folder files/: as below results/."""
        return Path(self.artifact.beside(suffix=suffix).path).relative_to("results")


class Run:
    """A finished run, read from the folder that it ran in.

    Args:
        record: results/provenance.json.
        test_sets: its test sets.
        captions: folder of the captions, a file {kind}.rst for each kind of figure.
        options: by which a command names this run's configuration.
    """

    def __init__(
        self,
        record: Mapping[str, Any],
        test_sets: Sequence[TestSet],
        captions: Path,
        options: Sequence[str] = (),
    ) -> None:
        self.record = record
        self.config = validate(record["configuration"], "results/provenance.json")
        self.labels = {name: model.label for name, model in self.config.models.items()}
        self.artifacts = artifacts_at(record["files"])
        self._captions = captions
        self._options = options
        self._test_sets = test_sets
        self.sets = [self._results(test) for test in test_sets]

    def _results(self, test: TestSet) -> TestResults:
        found = {a.model: a for a in self.artifacts if a.kind == "scores" and a.suffix == "csv" and test.holds(a)}
        found = {name: found[name] for name in self.labels if name in found}
        frames = {name: read_scores(Path(artifact.path), test.unit) for name, artifact in found.items()}
        scores = {
            metric: {name: pd.to_numeric(frame[metric]).to_numpy(float) for name, frame in frames.items()}
            for metric in self.config.metrics
        }
        replicates = {name: read_replicates(Path(artifact.path)) for name, artifact in found.items()}
        seeds = {metric: by_seed(frames, replicates, metric) for metric in self.config.metrics}
        folders = {}
        for name in found:
            manifest = test.artifact("sr", model=name)
            folders[name] = manifest.folder / read_csv(Path(manifest.path))[0]["replicate"]
        rows = {name: ModelPlan(name, test.scale, model, ()).row for name, model in self.config.models.items()}
        *_, verdict = standing(frames, rows, self.config.statistics.model_dump(), replicates)
        first = next(iter(found.values()))
        names, units = (frames[first.model][key].astype(str).tolist() for key in ("image", "unit"))
        record = read_json(Path(first.beside(suffix="json").path))
        return TestResults(test, names, units, scores, seeds, folders, verdict, record)

    def command(self, target: str = "") -> str:
        """What makes a file of results/ again, or the whole run."""
        return shlex.join(["snakemake", *([target, "--force"] if target else []), "--cores", "all", *self._options])

    def commands(self, table: Rendering) -> dict[str, str]:
        """Model -> what makes the numbers of its row again; empty for a table whose rows come from several files."""
        of = table.artifact
        if of.kind == "quality":
            made = {
                a.model: a for a in self.artifacts if a.kind == "scores" and a.test == of.test and a.suffix == "csv"
            }
        elif of.kind == "complexity":
            made = {a.model: a for a in self.artifacts if a.kind == "profile" and a.scale == of.scale}
        else:
            return {}
        return {name: self.command(artifact.path) for name, artifact in made.items()}

    def standings(self, test: TestResults) -> list[dict[str, Any]]:
        """The methods from the first to the last by the mean of the set's metric, each compared with the first.

        Of each: `model`, `mean` with `low` and `high`. Of all but the first also what statistics.paired() finds of it
        minus the first, and `drawn`: where zero, low, difference and high lie, in percent, None without an interval.
        """
        settings = self.config.statistics.model_dump()
        scores, better = test.scores[test.metric], METRICS[test.metric].better
        rows = []
        for name, found in scores.items():
            ends = interval(found, test.units, settings["confidence"], settings["resamples"], settings["seed"])
            rows.append({"model": name, "mean": found.mean(), "low": ends[0], "high": ends[1]})
        rows.sort(key=lambda row: -row["mean"] if better == "higher" else row["mean"])
        if any(np.isnan(found).any() for found in scores.values()):
            return rows
        seeds = test.seeds[test.metric]
        first = seeds[rows[0]["model"]]
        behind = [row | paired(seeds[row["model"]], first, better, settings, test.units) for row in rows[1:]]
        ends = [row[key] for row in behind for key in ("difference_low", "difference_high")] + [0.0]
        low, high = min(ends), max(ends)
        for row in behind:
            shown = (0.0, row["difference_low"], row["difference"], row["difference_high"])
            row["drawn"] = percent(shown, low, high) if low < high and np.isfinite(high - low) else None
        return rows[:1] + behind

    def costs(self, scale: int) -> dict[str, dict[str, float]]:
        """Model -> `params_m`, in millions, and `latency_ms` at a scale, as the table of complexity has them."""
        found = (Path(a.path) for a in self._of_kinds(["complexity"], "csv") if a.scale == scale)
        wanted = ("params_m", "latency_ms")
        return {row["model"]: {key: float(row[key]) for key in wanted} for path in found for row in read_csv(path)}

    def tables(self, *kinds: str) -> list[Rendering]:
        """The tables of the run, of some kinds or of all, in the order of their kinds."""
        found = []
        for artifact in self._of_kinds(kinds or tuple(TABLES), "html"):
            title = title_of(artifact, self._test_sets, self.labels)
            found.append(Rendering(artifact, title, len(read_csv(Path(artifact.beside(suffix="csv").path)))))
        return found

    def figures(self, *kinds: str) -> list[Rendering]:
        """The figures of the run, of some kinds or of all, in the order of their kinds."""
        found = self._of_kinds(kinds or tuple(FIGURES), "png")
        return [Rendering(artifact, title_of(artifact, self._test_sets, self.labels)) for artifact in found]

    def caption(self, figure: Rendering) -> str:
        """What a figure shows, in sentences, with labels for names."""
        of = figure.artifact
        file = self._captions / f"{of.kind}.rst"
        if not file.exists():
            return ""
        template = jinja2.Template(file.read_text(encoding="utf-8"))
        data_set = self.config.datasets.get(of.dataset)
        shown = {"dataset": data_set and data_set.label, "model": self.labels.get(of.model)}
        return " ".join(template.render(snakemake={"wildcards": vars(of) | shown}).split())

    def set_of(self, rendering: Rendering) -> str | None:
        """The key of the test set that a table or figure is of; None where it is of none or of several."""
        return next((test.key for test in self._test_sets if test.holds(rendering.artifact)), None)

    def _of_kinds(self, kinds: Sequence[str], suffix: str) -> list[Artifact]:
        return [a for kind in kinds for a in self.artifacts if (a.kind, a.suffix) == (kind, suffix)]

    def not_counted(self) -> dict[str, dict[str, int]]:
        """Label of a model -> operators that its MACs leave out -> their calls."""
        several = len(self.config.scales) > 1
        return {
            f"{self.labels[of.model]} x{of.scale}" if several else self.labels[of.model]: read_json(Path(of.path))[
                "macs"
            ]["not_counted"]
            for of in self._of_kinds(["profile"], "json")
        }

    def origins(self) -> list[tuple[str, int, str, str, str]]:
        """What wrote the records: kind, how many, code, machine and PyTorch; one line where all agree."""
        found = Counter()
        for kind in ("weights", "scores", "profile"):
            for artifact in self._of_kinds([kind], "json"):
                facts = read_json(Path(artifact.path))
                machine = " + ".join(filter(None, (facts["machine"]["processor"], facts["machine"].get("gpu"))))
                found[kind, facts["code"], machine, facts["libraries"].get("torch", "")] += 1
        return [(kind, count, code, machine, torch) for (kind, code, machine, torch), count in found.items()]

    def protocol(self) -> list[tuple[str, list[str]]]:
        """Everything that a number depends on: subject, sentences."""
        facts, settings, cost = self.sets[0].record, self.config.statistics, self.config.profile
        crops = sorted({test.crop for test in self._test_sets})
        weights = {
            model.label: [model.note, f"trained in this run by the recipe “{model.train}”" if model.train else None]
            for model in self.config.models.values()
        }
        intervals = (
            f"Bootstrap-t over source images of {100 * settings.confidence:g} %, {settings.resamples} resamples, "
            f"seed {settings.seed}, or all with up to {EXACT} sources; differences are taken image by image first"
        )
        calls = (
            f"Batch of {cost.batch}, LR input of {cost.size[0]} x {cost.size[1]}, {cost.precision}, "
            f"{f'torch.compile {cost.compile}' if cost.compile else 'not compiled'}. {cost.samples} timed calls, or as "
            f"many as fit in {cost.seconds:g} s, after at most {cost.warmup} that are not counted"
        )
        kept = "Latency: median, with the 5th and 95th percentile. Memory: above what was in use before."
        return [
            ("Test images", [f"{found.test.title}: {counted(len(found.names), 'image')}" for found in self.sets]),
            ("SR images", ["Clamped, rounded to 8 bit and written as PNG; scored as they are read from there"]),
            ("Border", [f"{' or '.join(map(str, crops))} pixels on each side are left out of all metrics"]),
            ("Metrics", [f"{METRICS[name].label}: {said}" for name, said in facts["metrics"].items()]),
            ("Not computed", [f"{METRICS[name].label}: {why}" for name, why in facts["absent"].items()]),
            ("Intervals", [intervals]),
            ("Weights", [f"{label}: {'; '.join(filter(None, said))}" for label, said in weights.items() if any(said)]),
            ("Cost", [calls, kept]),
            ("MACs", ["Multiply-accumulates as fvcore and additional handles count them; FLOPs are twice that"]),
        ]
