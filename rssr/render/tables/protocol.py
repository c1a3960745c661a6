"""Tables of the measuring protocol: how far it moves the scores, and literature values next to measured ones."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pandas as pd

from rssr.metrics.protocol import BASE, CHOICES
from rssr.metrics.registry import METRICS
from rssr.plan.test_set import TestSet
from rssr.render.protocols import nearest, one_choice_at_a_time
from rssr.render.tables.scored import conditions_of, metrics_of
from rssr.render.tables.table import Column, Table
from rssr.render.titles import title
from rssr.render.words import counted


def audit(
    measured: Mapping[str, pd.DataFrame],
    models: Mapping[str, Mapping[str, Any]],
    test: TestSet,
    images: int,
    of: int,
    literature: Sequence[Mapping[str, str]],
) -> Table:
    """The table of the audit of one test set.

    Args:
        measured: model -> its combinations, of audit.audit().
        models: model -> `label`.
        test: the test set.
        images: how many images of it were measured.
        of: how many it has.
        literature: what papers print of it, see literature.for_test_set().
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
    literature = [value for value in literature if value["model"]]  # other methods say nothing of these
    part = f"{images} of {counted(of, 'image')}, evenly spaced, so not the mean of the quality table"
    caption = (
        f"{test.label}, x{test.scale}, {counted(images, 'image') if images == of else part}: the same weights under "
        f"other protocols. The stated protocol is {_in_words(BASE)}; the other rows change one choice of it. "
        "docs/protocol.md#audit defines the choices. All combinations are in results/audit/."
    )
    notes = [
        f"{METRICS[value['metric']].label} {value['value']} is printed for {value['label']} ({value['citation']})."
        for value in literature
        if value["metric"] in ("psnr_y", "ssim_y")
    ]
    for printed in _pairs(literature):
        for name, frame in measured.items():
            near = [
                f"{_in_words(row)} ({row['psnr']:.2f} dB, {row['ssim']:.4f})"
                for _, row in nearest(frame, **printed).iterrows()
            ]
            notes.append(f"{models[name]['label']} comes nearest to that under: {'; '.join(near)}.")
    heading = title("audit_table", test.label, f"x{test.scale}")
    return Table(pd.DataFrame(rows), columns, heading, caption, notes)


def literature_against_measured(
    qualities: Mapping[tuple, pd.DataFrame],
    tests: Sequence[TestSet],
    literature: Mapping[tuple, Sequence[Mapping[str, str]]],
    models: Mapping[str, Mapping],
) -> Table:
    """Every literature value of the test sets, beside what is measured here where its method is among the models.

    Args:
        qualities: what a test set is (dataset, scale, degradation) -> numbers of its quality table.
        tests: the test sets, in the order of the rows.
        literature: what a test set is -> what papers print of it, see literature.for_test_set().
        models: model -> `label`.
    """
    citations = dict.fromkeys(value["citation"] for test in tests for value in literature[test.identity])
    citations = {citation: number for number, citation in enumerate(citations, 1)}
    rows = [
        _printed_and_measured(test, value, qualities[test.identity].set_index("model"), models)
        | {"citation": f"[{citations[value['citation']]}]"}
        for test in tests
        for value in literature[test.identity]
    ]
    columns = [
        Column("metric", "Metric", None),
        Column("literature", "Literature", None),
        Column("measured_shown", "Measured", None),
        Column("difference_shown", "Measured - literature", None),
        Column("protocols_agree", "Protocols agree", None),
        Column("citation", "Citation", None),
    ]
    caption = (
        "Literature values, beside the mean over the images that is measured here, with the digits that are printed. "
        "Dash: not measured in this run. Where protocols differ, or one is not known, so may the values."
    )
    notes = conditions_of(test for test in tests if literature[test.identity])
    notes += [f"[{number}]: {citation}." for citation, number in citations.items()]
    of_set = Column("test_set", "Test set", None)
    return Table(pd.DataFrame(rows), columns, title("literature"), caption, notes, group=of_set)


def _in_words(options: Mapping[str, str]) -> str:
    return ", ".join(f"{choice} {options[choice]}" for choice in CHOICES)


def _printed_and_measured(
    test: TestSet, value: Mapping[str, str], means: pd.DataFrame, models: Mapping[str, Mapping]
) -> dict[str, Any]:
    name, metric = value["model"], value["metric"]
    known = name in means.index and metric in metrics_of(means) and pd.notna(means[metric][name])
    mean = float(means[metric][name]) if known else None
    digits = -Decimal(value["value"]).as_tuple().exponent
    return {
        "model": name,
        "label": models[name]["label"] if name in models else value["label"],
        "test_set": test.name,
        "metric": METRICS[metric].label,
        "literature": value["value"],
        "measured": mean,
        "measured_shown": f"{mean:.{digits}f}" if known else None,
        "difference": mean - float(value["value"]) if known else None,
        "difference_shown": f"{mean - float(value['value']):+.{digits}f}" if known else None,
        "protocols_agree": ": ".join(filter(None, [value["agrees"], value["why"]])),
    }


def _pairs(literature: Sequence[Mapping[str, str]]) -> list[dict[str, float | None]]:
    """PSNR and SSIM that papers print of one method, once for each method with a PSNR."""
    by_model: dict[str, dict[str, float]] = {}
    for value in literature:
        by_model.setdefault(value["model"], {})[value["metric"]] = float(value["value"])
    return [{"psnr": v["psnr_y"], "ssim": v.get("ssim_y")} for v in by_model.values() if "psnr_y" in v]
