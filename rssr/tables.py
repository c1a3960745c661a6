"""Tables: one data frame of numbers, rendered as CSV, Markdown and LaTeX."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rssr.files import replacing
from rssr.metrics.latency import noisy
from rssr.metrics.registry import METRICS
from rssr.metrics.statistics import holm, mean_interval, paired

_MARKUP = {
    "markdown": {1: "**{}**", 2: "<u>{}</u>"},
    "latex": {1: r"\textbf{{{}}}", 2: r"\underline{{{}}}"},
}
_DASH = {"markdown": "–", "latex": "--"}
_SPREAD = {"markdown": "Δ", "latex": r"$\Delta$"}


@dataclass
class Column:
    """A column of a table.

    Attributes:
        key: column of the data frame; `key_low` and `key_high` beside it are an interval, `key_spread` is after Δ.
        label: its title, with the unit.
        digits: decimals; None to show a text as it is.
        better: "higher" or "lower" to mark the best and the second, None to mark nothing.
    """

    key: str
    label: str
    digits: int | None
    better: str | None = None


@dataclass
class Table:
    """A table before it is rendered: numbers in full precision, and how to show them.

    Attributes:
        numbers: a row a method, with a column `label`.
        columns: the columns to show.
        caption: what is shown, with the protocol.
        notes: remarks below the table.
    """

    numbers: pd.DataFrame
    columns: Sequence[Column]
    caption: str
    notes: list[str] = field(default_factory=list)

    def write(self, stem: Path) -> None:
        """Write stem.csv (numbers in full precision), stem.md and stem.tex (as shown)."""
        with replacing(stem.with_suffix(".csv")) as path:
            self.numbers.to_csv(path, index=False, lineterminator="\n")
        for suffix, text in ((".md", self.markdown()), (".tex", self.latex(stem.name))):
            with replacing(stem.with_suffix(suffix)) as path:
                path.write_text(text, encoding="utf-8")

    def markdown(self) -> str:
        """The table with caption and notes, for GitHub and the README."""
        shown = self._shown("markdown")
        body = shown.to_markdown(index=False, disable_numparse=True, colalign=["left"] + ["right"] * len(self.columns))
        notes = "".join(f"\n- {note}" for note in self.notes)
        return f"{self.caption}\n\n{body}\n" + (f"{notes}\n" if notes else "")

    def latex(self, name: str) -> str:
        """The table as a float with booktabs rules; notes below it."""
        shown = self._shown("latex")
        shown.columns = [_escape(column) for column in shown.columns]
        body = shown.to_latex(
            index=False, escape=False, column_format="l" + "r" * len(self.columns), caption=_escape(self.caption),
            label=f"tab:{name}", position="t",
        )  # fmt: skip
        notes = "".join(f"\\par\\footnotesize {_escape(note)}\n" for note in self.notes)
        return body.replace("\\end{table}", f"{notes}\\end{{table}}")

    def _shown(self, kind: str) -> pd.DataFrame:
        labels = [_escape(label) if kind == "latex" else label for label in self.numbers["label"]]
        cells = {"Method": labels} | {column.label: self._cells(column, kind) for column in self.columns}
        return pd.DataFrame(cells)

    def _cells(self, column: Column, kind: str) -> list[str]:
        if column.digits is None:
            return [_DASH[kind] if pd.isna(text) else str(text) for text in self.numbers[column.key]]
        values = pd.to_numeric(self.numbers[column.key])
        rank = ranks(values, column.digits, column.better)
        cells = []
        for i, value in enumerate(values):
            if pd.isna(value):
                cells.append(_DASH[kind])
                continue
            text = _MARKUP[kind].get(rank[i], "{}").format(f"{value:.{column.digits}f}")
            if f"{column.key}_low" in self.numbers:
                low, high = (self.numbers[f"{column.key}_{end}"].iloc[i] for end in ("low", "high"))
                text += f" [{low:.{column.digits}f}, {high:.{column.digits}f}]"
            if pd.notna(spread := self.numbers.get(f"{column.key}_spread", {}).get(i)):
                text += f" {_SPREAD[kind]}{spread:.{column.digits + 1}f}"
            cells.append(text)
        return cells


def ranks(values: pd.Series, digits: int, better: str | None) -> list[int]:
    """Rank of each value among the distinct ones as printed, from 1; ties share a rank, 0 where nothing is ranked."""
    printed = values.round(digits)
    if better is None or printed.notna().sum() < 2:
        return [0] * len(values)
    return printed.rank(method="dense", ascending=better == "lower").fillna(0).astype(int).tolist()


def quality(
    scores: Mapping[str, pd.DataFrame],
    models: Mapping[str, Mapping],
    title: str,
    settings: Mapping[str, Any],
    draws: Mapping[str, Mapping[str, list[float]]] | None = None,
    published: Sequence[Mapping[str, str]] = (),
) -> Table:
    """The quality table of one test set.

    Args:
        scores: model -> its scores, a row an image.
        models: model -> `label` and `notes`, a list.
        title: what was upscaled, for the caption.
        settings: see mean_interval().
        draws: model -> metric -> the mean over the images for every seed of a network that draws random numbers.
        published: what papers print of these models on this test set, see published.for_table().
    """
    draws = {name: found for name, found in (draws or {}).items() if found}
    metrics = [name for name in METRICS if name in next(iter(scores.values()))]
    rows = []
    for name, frame in scores.items():
        row: dict[str, Any] = {"model": name, "label": models[name]["label"], "images": len(frame)}
        for metric in metrics:
            numbers = mean_interval(pd.to_numeric(frame[metric]).to_numpy(float), settings)
            row |= dict(zip((metric, f"{metric}_low", f"{metric}_high"), numbers, strict=True))
            if draws:
                row[f"{metric}_spread"] = np.ptp(draws[name][metric]) if metric in draws.get(name, {}) else np.nan
        rows.append(row)
    numbers = pd.DataFrame(rows)
    columns = []
    for m in metrics:
        columns.append(
            Column(m, f"{METRICS[m].label} {_ARROWS[METRICS[m].better]}", METRICS[m].digits, METRICS[m].better)
        )
        columns += _beside(numbers, m, published)
    level = f"{100 * settings['confidence']:g} %"
    caption = (
        f"{title}. Mean over {rows[0]['images']} images and its {level} interval (percentile bootstrap over images, "
        f"{settings['resamples']} resamples, seed {settings['seed']}); best bold, second underlined. "
        + ". ".join(f"{METRICS[m].label.split(' (')[0]}: {METRICS[m].protocol}" for m in metrics)
        + "."
    )
    if draws:
        seeds = len(next(iter(next(iter(draws.values())).values())))
        caption += f" Δ: the network draws random numbers, and its means over {seeds} seeds lie so far apart."
    notes = [
        f"{models[value['model']]['label']}, {METRICS[value['metric']].label}: {value['value']} published "
        f"({value['source']}). Protocols agree: {value['agrees']}{f' ({why})' if (why := value['why']) else ''}."
        for value in published
        if value["model"] in models and value["metric"] in metrics
    ]
    return Table(numbers, columns, caption, _model_notes(models) + notes)


def _beside(numbers: pd.DataFrame, metric: str, published: Sequence[Mapping[str, str]]) -> list[Column]:
    """Add what papers print of a metric to the numbers: the value, measured minus that, whether the protocols agree."""
    found = {value["model"]: value for value in published if value["metric"] == metric}
    if not set(found) & set(numbers["model"]):
        return []
    keys = [f"{metric}_{key}" for key in ("published", "difference", "agrees")]
    values = [found.get(model, {}) for model in numbers["model"]]
    numbers[keys[0]] = [value.get("value") for value in values]
    numbers[keys[1]] = numbers[metric] - pd.to_numeric(numbers[keys[0]])
    numbers[keys[2]] = [value.get("agrees") for value in values]
    label = METRICS[metric].label.split(" (")[0]
    return [
        Column(keys[0], f"{label} published", None),
        Column(keys[1], f"{label} measured - published", METRICS[metric].digits),
        Column(keys[2], f"{label}: protocols agree", None),
    ]


def significance(
    scores: Mapping[str, pd.DataFrame],
    models: Mapping[str, Mapping],
    title: str,
    settings: Mapping[str, Any],
    reference: str,
) -> Table:
    """Every method against a reference method, image by image, for every metric.

    Args:
        scores: model -> its scores, a row an image, the same images in the same order.
        models: model -> `label`.
        title: what was upscaled, for the caption.
        settings: see statistics.mean_interval().
        reference: the model that the others are compared with.
    """
    rows = []
    for metric in (name for name in METRICS if name in scores[reference]):
        compared = pd.to_numeric(scores[reference][metric]).to_numpy(float)
        for name, frame in scores.items():
            values = pd.to_numeric(frame[metric]).to_numpy(float)
            if name == reference or np.isnan([values, compared]).any():
                continue
            found = paired(values, compared, METRICS[metric].better, settings)
            label = {"model": name, "label": models[name]["label"], "metric": METRICS[metric].label}
            rows.append(label | found | {"won_percent": 100 * found.pop("won")})
    keys = ("model", "label", "metric", "difference", "difference_low", "difference_high", "p", "won_percent")
    numbers = pd.DataFrame(rows, columns=keys)
    numbers["p_holm"] = holm(numbers["p"].tolist())
    numbers["p_shown"] = [f"{p:.3f}" if p >= 0.0005 else "< 0.001" for p in numbers["p_holm"]]
    columns = [
        Column("metric", "Metric", None),
        Column("difference", "Mean difference", 4),
        Column("p_shown", "p (Holm)", None),
        Column("won_percent", "Images won (%)", 1),
    ]
    caption = (
        f"{title}. Each method minus {models[reference]['label']} on the same {len(scores[reference])} images: mean "
        f"difference and its {100 * settings['confidence']:g} % interval (percentile bootstrap over images, "
        f"{settings['resamples']} resamples, seed {settings['seed']}); p of Wilcoxon's signed-rank test, two-sided, "
        "Holm's correction over all rows; share of images on which the method is better."
    )
    return Table(numbers, columns, caption)


_ARROWS = {"higher": "↑", "lower": "↓"}


def complexity(profiles: Mapping[str, Mapping], models: Mapping[str, Mapping]) -> Table:
    """The complexity table.

    Args:
        profiles: model -> results/profile/{model}.json.
        models: model -> `label` and `notes`, a list.
    """
    rows = []
    for name, profile in profiles.items():
        times = np.array(profile["latency"]["samples_ms"])
        low, middle, high = np.percentile(times, [5, 50, 95])
        rows.append(
            {
                "model": name,
                "label": models[name]["label"],
                "params_m": profile["parameters"] / 1e6,
                "macs_g": profile["macs"]["total"] / 1e9,
                "latency_ms": middle,
                "latency_ms_low": low,
                "latency_ms_high": high,
                "images_per_s": profile["latency"]["images_per_s"],
                "megapixels_per_s": profile["latency"]["megapixels_per_s"],
                "peak_memory_mb": profile["latency"]["peak_memory_mb"],
            }
        )
    published = {  # at x4
        name: model["published"]
        for name, model in models.items()
        if "published" in model and profiles[name].get("model", {}).get("scale", 4) == 4
    }
    for row in rows if published else []:
        row["published_params_m"] = published.get(row["model"], {}).get("parameters_m")
    columns = [
        Column("params_m", "Parameters (M)", 3),
        *([Column("published_params_m", "Published (M)", None)] if published else []),
        Column("macs_g", "MACs (G)", 3),
        Column("latency_ms", f"{_device_type(next(iter(profiles.values())))} latency (ms) ↓", 1, "lower"),
        Column("megapixels_per_s", "Throughput (MP/s) ↑", 2, "higher"),
        Column("peak_memory_mb", "Peak memory (MB) ↓", 1, "lower"),
    ]
    setups = {name: _setup(profile) for name, profile in profiles.items()}
    first = next(iter(profiles))
    calls = sorted(len(profile["latency"]["samples_ms"]) for profile in profiles.values())
    counted = f"{calls[0]}" if calls[0] == calls[-1] else f"{calls[0]} to {calls[-1]}"
    caption = (
        f"Cost of one call at {setups[first]}. MACs: multiply-accumulates as fvcore and handles of ours count them "
        f"(FLOPs = 2 x MACs); latency: median of {counted} calls with the 5th and 95th percentile; throughput: "
        "megapixels of output; memory: above what was in use before the call. Best bold, second underlined."
    )
    notes = _model_notes(models)
    notes += [
        f"{models[name]['label']}: parameters published in {stated['source']}"
        + (f", without {' and '.join(stated['without'])}" if stated["without"] else "")
        for name, stated in published.items()
    ]
    notes += [
        f"{models[name]['label']}: {' and '.join(profile['kernels'])}."
        for name, profile in profiles.items()
        if profile.get("kernels")
    ]
    notes += ["Operators that are not counted are listed, with their number of calls, in results/profile/."]
    notes += [
        f"{models[name]['label']} was measured at {setup}: not comparable; delete results/profile/ and run again."
        for name, setup in setups.items()
        if setup != setups[first]
    ]
    notes += [
        f"{row['label']}: its calls spread from {row['latency_ms_low']:.1f} to {row['latency_ms_high']:.1f} ms, so "
        f"something else ran on the machine: delete its file in results/profile/ and run again."
        for row in rows
        if noisy(profiles[row["model"]]["latency"]["samples_ms"])
    ]
    return Table(pd.DataFrame(rows), columns, caption, notes)


def _device_type(profile: Mapping[str, Any]) -> str:
    return "GPU" if profile["latency"]["device_type"] == "cuda" else "CPU"


def _setup(profile: Mapping[str, Any]) -> str:
    """What a measurement holds for."""
    latency = profile["latency"]
    where = profile["machine"]["processor"] if latency["device"].startswith("CPU") else latency["device"]
    return (
        f"an LR input of {'x'.join(map(str, profile['input_shape']))}, {latency['precision']}, on {where}, "
        f"{latency['threads']} threads, PyTorch {profile['libraries']['torch']} ({latency['backend']})"
    )


def _model_notes(models: Mapping[str, Mapping]) -> list[str]:
    return [f"{model['label']}: {'; '.join(model['notes'])}" for model in models.values() if model["notes"]]


def _escape(text: str) -> str:
    for plain, escaped in (("%", r"\%"), ("_", r"\_"), ("&", r"\&"), ("#", r"\#")):
        text = text.replace(plain, escaped)
    return text.replace("↑", r"$\uparrow$").replace("↓", r"$\downarrow$").replace("–", "--").replace("Δ", r"$\Delta$")
