"""Renders a comparison: lines for the terminal, and a page with the tables side by side."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from rssr.base.files import replacing
from rssr.metrics.registry import METRICS
from rssr.metrics.samples import ratio
from rssr.render.comparison.causes import causes
from rssr.render.comparison.folder import Folder
from rssr.render.comparison.scores import Comparison, compare_scores, set_of, units_of
from rssr.render.words import counted

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "report"
_SHOWN = 12  # lines of a kind


class Report:
    """Two folders compared.

    Args:
        a: the first folder.
        b: the second.
        tolerance: see Comparison.
        trained_tolerance: likewise; by default as `tolerance`.

    Attributes:
        comparison: the compared scores.
        causes: why scores differ, be it within the tolerance, likeliest first.
        parts: for each model whose scores differ, the first step whose results differ.
    """

    def __init__(self, a: Folder, b: Folder, tolerance: float, trained_tolerance: float | None = None) -> None:
        self.sides = {"A": a, "B": b}
        self.comparison: Comparison = compare_scores(a, b, tolerance, trained_tolerance)
        beyond = self.comparison.beyond or [score for score in self.comparison.scores if score.moved]
        self.causes, self.parts = causes(a, b, [*self.comparison.lost, *(score.of for score in beyond)])

    def lines(self) -> Iterator[str]:
        """The verdict, and the sections that are not empty."""
        yield self.comparison.verdict
        for title, found in self.sections():
            if found:
                yield f"\n{title}"
                yield from (f"  {line}" for line in found[:_SHOWN])
                yield from [f"  and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []

    def sections(self) -> list[tuple[str, list[str]]]:
        """Title and lines of each part below the verdict."""
        only = [
            f"{len(places)} only in {name}: {'; '.join(dict.fromkeys(places))}"
            for name, places in zip(self.sides, self.comparison.only, strict=True)
            if places
        ]
        return [
            ("Causes, likeliest first (A | B)", list(map(str, self.causes))),
            ("Where the runs diverge", self.parts),
            (f"Scores beyond the tolerance ({self.tolerances()})", self.moved()),
            ("Scores on one side only", only),
            ("Latency, B / A with its 95 % interval over calls; not part of the verdict", self.latencies()),
            ("Compared", [f"{name}: {self.origin(folder)}" for name, folder in self.sides.items()]),
        ]

    def tolerances(self) -> str:
        """The tolerance of each metric that was compared."""
        found = self.comparison
        units, metrics = units_of(found.tolerance), dict.fromkeys(score.metric for score in found.scores)
        said = ", ".join(f"{METRICS[name].label} {units / 10 ** METRICS[name].digits:.2g}" for name in metrics)
        times = found.trained_tolerance / found.tolerance if found.tolerance else 1
        return said if times == 1 else f"{said}; {times:.3g} times that for networks trained in both runs"

    def moved(self) -> list[str]:
        """For each model and metric, the number of scores that differ by more than the tolerance."""
        found: dict[tuple, list] = {}
        for score in self.comparison.beyond:
            found.setdefault((score.of, score.metric), []).append(score)
        return [
            f"{set_of(of)}, {of.model}, {METRICS[metric].name}: {counted(len(scores), 'score')} by up to "
            f"{max(scores, key=lambda score: score.moved).amount}, first image {scores[0].image}"
            for (of, metric), scores in found.items()
        ]

    def latencies(self) -> list[str]:
        """For each model that both sides have measured, the latency ratio B / A."""
        a, b = self.sides.values()
        found = []
        for of in (of for of in a.of_kind("profile", "json") if of in b):
            left, right = (folder.json(of) for folder in (a, b))
            low, middle, high = ratio(right["latency"]["samples_ms"], left["latency"]["samples_ms"])
            places = " | ".join(dict.fromkeys(map(measured_on, (left, right))))
            found.append(f"x{of.scale}, {of.model}: {middle:.2f} [{low:.2f}, {high:.2f}], on {places}")
        return found

    @staticmethod
    def origin(folder: Folder) -> str:
        """The path of a folder, and the code and processor of its run."""
        record = folder.record
        made = (
            f", code {record['code']}, on {record['machine']['processor']}" if record else ", without provenance.json"
        )
        return f"{folder.path}{made}"

    def tables(self) -> Iterator[tuple[str, list[tuple[str, Markup]]]]:
        """Yield (test set, quality tables): for each side that has one, its name and the table as rendered there."""
        for test in dict.fromkeys(score.of.test for score in self.comparison.scores):
            score = next(score for score in self.comparison.scores if score.of.test == test)
            table = score.of.beside("quality", "html")
            shown = [(name, folder.file(table)) for name, folder in self.sides.items() if table in folder]
            yield set_of(score.of), [(name, Markup(file.read_text(encoding="utf-8"))) for name, file in shown]

    def write_html(self, path: Path) -> None:
        """Write the comparison as one page that opens from disk."""
        write_page(path, "comparison.html", report=self)


def measured_on(profile: dict[str, Any]) -> str:
    """The device that a profile was measured on."""
    latency = profile["latency"]
    return profile["machine"]["processor"] if latency["device_type"] == "cpu" else latency["device"]


def write_page(path: Path, template: str, **values: Any) -> None:
    """Write a self-contained page in the style of the report."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    style = Markup((PAGE / "assets" / "page.css").read_text(encoding="utf-8"))
    with replacing(path) as temporary:
        page = environment.get_template(template).render(style=style, **values)
        temporary.write_text(page, encoding="utf-8")
