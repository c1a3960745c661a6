"""Tables of cost: one call of each method, and the cost and quality of a network's ablations."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rssr.metrics.registry import METRICS
from rssr.metrics.samples import BUSY, noisy, percentiles
from rssr.plan.test_set import TestSet
from rssr.render.tables.notes import model_notes
from rssr.render.tables.scored import conditions_of, metric_column, metrics_of, protocols
from rssr.render.tables.table import Column, Table
from rssr.render.titles import title
from rssr.render.words import counted

# Operators that are more than arithmetic on single elements, sums and sorting: all that are not PyTorch's, and these.
_PRODUCTS = re.compile(
    r"^(?!aten::)|conv|(mm|mv|dot)$|attention|rnn|lstm|gru|fft|linalg_(?!\w*norm)|"
    "::(svd|qr|p?inverse|det|s?logdet|cholesky.*|lu_solve|triangular_solve|matrix_exp|matrix_power|[cp]dist|corrcoef|cov)$"
)


def complexity(profiles: Mapping[str, Mapping], models: Mapping[str, Mapping], reference: str) -> Table:
    """The complexity table.

    Args:
        profiles: model -> results/profile/x{scale}/{model}.json.
        models: model -> `label` and `notes`, a list.
        reference: the model that latencies are compared with; without parameters, nothing is compared.
    """
    numbers = pd.DataFrame([_cost(name, models[name]["label"], profile) for name, profile in profiles.items()])
    printed = {  # at x4
        name: model["literature"]
        for name, model in models.items()
        if "literature" in model and profiles[name].get("model", {}).get("scale", 4) == 4
    }
    parameters, macs, latency = _cost_columns(profiles)
    columns = [parameters]
    if printed:
        stated = [printed.get(name, {}).get("parameters_m") for name in numbers["model"]]
        numbers["literature_params_m"] = stated
        columns.append(Column("literature_params_m", "In the literature (M)", None))
    columns += [macs, latency]
    if profiles[reference]["parameters"]:
        numbers["times_as_fast"] = numbers.set_index("model")["latency_ms"][reference] / numbers["latency_ms"]
        columns.append(Column("times_as_fast", f"Times as fast as {models[reference]['label']}", 2))
    columns += [
        Column("megapixels_per_s", "Throughput (MP/s) ↑", 2, None if _disturbed(profiles) else "higher"),
        Column("peak_memory_mib", "Peak memory (MiB) ↓", 1, "lower"),
    ]
    caption = (
        f"{_cost_caption(profiles)}; throughput: megapixels of output; memory: above what was in use before the call. "
        "Best bold, second underlined."
    )
    notes = model_notes(models)
    notes += [
        f"{models[name]['label']}: parameters as stated in {stated['citation']}"
        + (f", without {' and '.join(stated['without'])}" if stated["without"] else "")
        for name, stated in printed.items()
    ]
    heading = title("complexity", f"x{_scale(profiles)}")
    return Table(numbers, columns, heading, caption, notes + _cost_notes(profiles, models))


def ablation(
    profiles: Mapping[str, Mapping],
    models: Mapping[str, Mapping],
    qualities: Mapping[tuple, pd.DataFrame],
    tests: Sequence[TestSet],
    metrics: Sequence[str],
) -> Table:
    """The ablation table: cost and quality of a network and its ablations.

    Args:
        profiles: model, the full network first -> results/profile/x{scale}/{model}.json.
        models: model -> `label` and `notes`, a list.
        qualities: (dataset, scale, degradation) of a test set -> the numbers of its quality table.
        tests: the test sets, in the order of the columns.
        metrics: the metrics to show.
    """
    numbers = pd.DataFrame([_cost(name, models[name]["label"], profile) for name, profile in profiles.items()])
    columns = _cost_columns(profiles)
    full = numbers["model"][0]
    for test in tests:
        quality = qualities[test.identity]
        over = f"{test.name} ({counted(quality['images'][0], 'image')})"
        means = quality.set_index("model")
        for metric in (metric for metric in metrics if metric in metrics_of(quality)):
            key = f"{test.key}/{metric}"
            numbers[key] = means[metric][numbers["model"]].to_numpy()
            numbers[f"{key}_difference"] = numbers[key] - means[metric][full]
            if f"{metric}_spread" in means:
                numbers[f"{key}_spread"] = means[f"{metric}_spread"][numbers["model"]].to_numpy()
            columns.append(metric_column(metric, key, over))
            columns.append(
                Column(
                    f"{key}_difference", f"Δ {METRICS[metric].label}", METRICS[metric].digits, over=over, signed=True
                )
            )
    caption = (
        f"Ablation of {models[full]['label']}. {_cost_caption(profiles)}. Quality: mean over the images; Δ: difference "
        f"from {models[full]['label']}. Best bold, second underlined. {protocols(metrics)}"
    )
    if any(f"{column.key}_spread" in numbers for column in columns):
        caption += " A Δ behind a mean: range of the means of replicates."
    shown_models = {name: models[name] for name in profiles}
    return Table(
        numbers,
        columns,
        title("ablation", models[full]["label"], f"x{_scale(profiles)}"),
        caption,
        [
            *conditions_of(tests),
            *map(_untested, tests),
            *model_notes(shown_models),
            *_cost_notes(profiles, shown_models),
        ],
    )


def _untested(test: TestSet) -> str:
    return (
        f"{test.name}: no Δ is tested here; intervals, p and whether training seeds were varied are in "
        f"{test.artifact('significance', 'md').path}, of more than 12 methods only against the best or against "
        "statistics.reference."
    )


def _scale(profiles: Mapping[str, Mapping]) -> int:
    return next(iter(profiles.values())).get("model", {}).get("scale", 4)


def _cost(name: str, label: str, profile: Mapping[str, Any]) -> dict[str, Any]:
    low, middle, high = percentiles(profile["latency"]["samples_ms"])
    return {
        "model": name,
        "label": label,
        "params_m": profile["parameters"] / 1e6,
        "macs_g": gigamacs(profile),
        "latency_ms": middle,
        "latency_ms_low": low,
        "latency_ms_high": high,
        "images_per_s": profile["latency"]["images_per_s"],
        "megapixels_per_s": profile["latency"]["megapixels_per_s"],
        "peak_memory_mib": profile["latency"]["peak_memory_mib"],
    }


def gigamacs(profile: Mapping[str, Any]) -> float:
    """MACs in billions; not a number where they could not be counted."""
    total = profile["macs"]["total"]
    return np.nan if total is None else total / 1e9


def _cost_columns(profiles: Mapping[str, Mapping]) -> list[Column]:
    device = "GPU" if _reference(profiles)["latency"]["device_type"] == "cuda" else "CPU"
    return [
        Column("params_m", "Parameters (M)", 3),
        Column("macs_g", "MACs (G)", 3),
        Column("latency_ms", f"{device} latency (ms) ↓", 1, None if _disturbed(profiles) else "lower"),
    ]


def _cost_caption(profiles: Mapping[str, Mapping]) -> str:
    calls = sorted(len(profile["latency"]["samples_ms"]) for profile in profiles.values())
    counted = f"{calls[0]}" if calls[0] == calls[-1] else f"{calls[0]} to {calls[-1]}"
    return (
        f"Cost of one call at {_setup(_reference(profiles))}. MACs: multiply-accumulates as fvcore and "
        f"additional handles count them (FLOPs = 2 x MACs); latency: median of {counted} calls with the 5th and 95th "
        "percentile"
    )


def _cost_notes(profiles: Mapping[str, Mapping], models: Mapping[str, Mapping]) -> list[str]:
    """Remarks on kernels, operators that are not counted, and disturbed or incomparable measurements."""
    setups = {name: _setup(profile) for name, profile in profiles.items()}
    reference = _setup(_reference(profiles))
    notes = [
        f"{models[name]['label']}: {' and '.join(profile['kernels'])}."
        for name, profile in profiles.items()
        if profile.get("kernels")
    ]
    notes += [
        f"{models[name]['label']}: MACs not counted, because PyTorch cannot trace it ({profile['macs']['reason']})."
        for name, profile in profiles.items()
        if profile["macs"]["total"] is None
    ]
    notes += [
        f"{models[name]['label']}: MACs without those of {', '.join(missed)}, which have no closed form here."
        for name, profile in profiles.items()
        if (
            missed := [
                each.split("::")[-1] for each in profile["macs"].get("not_counted", ()) if _PRODUCTS.search(each)
            ]
        )
    ]
    notes += ["Operators that are not counted are listed, with their number of calls, in results/profile/."]
    notes += [
        f"{models[name]['label']} was measured at {setup}: not comparable"
        + ("; delete results/profile/ and run again." if profiles[name]["parameters"] else ".")
        for name, setup in setups.items()
        if setup != reference
    ]
    notes += [
        f"{models[name]['label']}: shared node, other jobs may have run on it."
        for name, profile in profiles.items()
        if profile["latency"].get("node") == "shared"
    ]
    notes += [
        f"{models[name]['label']}: other processes used {profile['latency']['others_cores']:.1f} cores while it was "
        "timed: delete its file in results/profile/ and run again alone."
        for name, profile in profiles.items()
        if _busy(profile)
    ]
    for name, profile in profiles.items():
        if noisy(samples := profile["latency"]["samples_ms"]):
            low, high = np.percentile(samples, [5, 95])
            notes.append(
                f"{models[name]['label']}: its calls were not steady ({low:.1f} to {high:.1f} ms), so something else "
                "ran on the machine: delete its file in results/profile/ and run again."
            )
    if _disturbed(profiles):
        notes.append("Times are marked neither best nor second, because some were disturbed.")
    return notes


def _busy(profile: Mapping[str, Any]) -> bool:
    return (profile["latency"].get("others_cores") or 0) > BUSY


def _disturbed(profiles: Mapping[str, Mapping]) -> bool:
    """Whether a time is no measure of its method, so that the order of all may be that of the disturbances."""
    return any(_busy(profile) or noisy(profile["latency"]["samples_ms"]) for profile in profiles.values())


def _reference(profiles: Mapping[str, Mapping]) -> Mapping[str, Any]:
    """The profile whose conditions the caption states: of the first network, since interpolations need no GPU."""
    return next((profile for profile in profiles.values() if profile["parameters"]), next(iter(profiles.values())))


def _setup(profile: Mapping[str, Any]) -> str:
    """The conditions that a measurement holds for."""
    latency = profile["latency"]
    where = profile["machine"]["processor"] if latency["device_type"] == "cpu" else latency["device"]
    return (
        f"an LR input of {'x'.join(map(str, profile['input_shape']))}, {latency['precision']}, on {where}, "
        f"{latency['threads']} threads, PyTorch {profile['libraries']['torch']} ({latency['backend']})"
    )
