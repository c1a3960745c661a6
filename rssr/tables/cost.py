"""Tables of cost: what a call of each method takes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from rssr.metrics.latency import noisy
from rssr.tables.table import Column, Table, model_notes


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
    notes = model_notes(models)
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
