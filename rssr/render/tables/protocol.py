"""Tables of the measuring protocol: how far it moves the scores, and what papers print beside what is measured."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from rssr.metrics.registry import METRICS
from rssr.render.tables.quality import conditions_of, metrics_of
from rssr.render.tables.table import Column, Table
from rssr.steps.audit import BASE, CHOICES, nearest, one_choice_at_a_time


def audit(
    measured: Mapping[str, pd.DataFrame],
    models: Mapping[str, Mapping[str, Any]],
    title: str,
    published: Sequence[Mapping[str, str]],
) -> Table:
    """The table of the audit of one test set.

    Args:
        measured: model -> its combinations, of audit.audit().
        models: model -> `label`.
        title: what was upscaled, for the caption.
        published: what papers print of the data set, see published.for_table().
    """
    rows = []
    for name, frame in measured.items():
        for row in one_choice_at_a_time(frame).to_dict("records"):
            protocol = f"{row['choice']} {row['option']}".strip()
            rows.append({"model": name, "label": models[name]["label"], "protocol": protocol} | row)
    columns = [
        Column("protocol", "Protocol", None),
        Column("psnr", "PSNR (dB)", 2),
        Column("psnr_moved", "moved by (dB)", 2, signed=True),
        Column("ssim", "SSIM", 4),
        Column("ssim_moved", "moved by", 4, signed=True),
    ]
    stated = ", ".join(f"{choice} {option}" for choice, option in BASE.items())
    caption = (
        f"{title}: the same weights under other protocols. The stated protocol is {stated}; the other rows change one "
        "choice of it. All combinations are in results/audit/."
    )
    notes = [
        f"{METRICS[value['metric']].label} {value['value']} is published for {value['model']} ({value['source']})."
        for value in published
        if value["metric"] in ("psnr_y", "ssim_y")
    ]
    for printed in _pairs(published):
        for name, frame in measured.items():
            near = [
                f"{', '.join(row[list(CHOICES)])} ({row['psnr']:.2f} dB, {row['ssim']:.4f})"
                for _, row in nearest(frame, **printed).iterrows()
            ]
            notes.append(f"{models[name]['label']} comes nearest to that under: {'; '.join(near)}.")
    return Table(pd.DataFrame(rows), columns, caption, notes)


def published_against_measured(
    qualities: Sequence[pd.DataFrame],
    sets: Sequence[Mapping[str, Any]],
    published: Sequence[Sequence[Mapping[str, str]]],
    models: Mapping[str, Mapping],
) -> Table:
    """Every published value of the test sets, beside what is measured here where its method is among the models.

    Args:
        qualities: numbers of the quality table of each test set.
        sets: of each, in the same order: `name` and `conditions`, in words.
        published: of each, in the same order: what papers print of it, see published.for_table().
        models: model -> `label`.
    """
    sources = {value["source"]: 0 for values in published for value in values}
    sources = {source: number for number, source in enumerate(sources, 1)}
    rows = []
    for shown, numbers, values in zip(sets, qualities, published, strict=True):
        means = numbers.set_index("model")
        for value in values:
            name, metric = value["model"], value["metric"]
            known = name in means.index and metric in metrics_of(means) and pd.notna(means[metric][name])
            mean = float(means[metric][name]) if known else None
            digits = len(value["value"].partition(".")[2])
            rows.append(
                {
                    "model": name,
                    "label": models[name]["label"] if name in models else name,
                    "test_set": shown["name"],
                    "metric": METRICS[metric].label,
                    "published": value["value"],
                    "measured": mean,
                    "measured_shown": f"{mean:.{digits}f}" if known else None,
                    "difference": mean - float(value["value"]) if known else None,
                    "difference_shown": f"{mean - float(value['value']):+.{digits}f}" if known else None,
                    "protocols_agree": ": ".join(filter(None, [value["agrees"], value["why"]])),
                    "source": f"[{sources[value['source']]}]",
                }
            )
    columns = [
        Column("metric", "Metric", None),
        Column("published", "Published", None),
        Column("measured_shown", "Measured", None),
        Column("difference_shown", "Measured - published", None),
        Column("protocols_agree", "Protocols agree", None),
        Column("source", "Source", None),
    ]
    caption = (
        "What papers print, beside the mean over the images that is measured here, with the digits that are printed. "
        "Dash: not measured in this run. Where protocols differ, or one is not known, so may the values."
    )
    notes = conditions_of(shown for shown, values in zip(sets, published, strict=True) if values)
    notes += [f"[{number}]: {source}." for source, number in sources.items()]
    return Table(pd.DataFrame(rows), columns, caption, notes, group=Column("test_set", "Test set", None))


def _pairs(published: Sequence[Mapping[str, str]]) -> list[dict[str, float | None]]:
    """PSNR and SSIM that are published of one method, once for each method with a PSNR."""
    by_model: dict[str, dict[str, float]] = {}
    for value in published:
        by_model.setdefault(value["model"], {})[value["metric"]] = float(value["value"])
    return [{"psnr": v["psnr_y"], "ssim": v.get("ssim_y")} for v in by_model.values() if "psnr_y" in v]
