"""The table of training: data, recipe, time and memory of each network."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from rssr.plan.artifacts import Artifact
from rssr.render.tables.notes import model_notes
from rssr.render.tables.table import Column, Table
from rssr.render.titles import title


def training(
    records: Sequence[tuple[Artifact, Mapping[str, Any]]], models: Mapping[str, Mapping], data_sets: Mapping[str, str]
) -> Table:
    """The table of training, one row per file of weights.

    Args:
        records: (artifact of the weights, its record). The record of loaded weights contains that of their training
            if one came with them.
        models: model -> `label` and `notes`, a list.
        data_sets: data set -> label.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    notes = []
    for artifact, record in records:
        model = artifact.model
        if (model, record["sha256"]) in rows:  # the same weights, loaded for another data set
            continue
        run = record.get("training", record)
        known = isinstance(run, Mapping) and "recipe" in run
        label = {"model": model, "label": models[model]["label"], "scale": artifact.scale}
        rows[model, record["sha256"]] = label | (_run(run, data_sets) if known else {})
        if where := record.get("loaded_from"):
            where = where if isinstance(where, str) else " or ".join(where)
            told = "the row is from the record of its training" if known else "no record of its training"
            notes.append(f"{models[model]['label']}: loaded from {where}; {told}")
    scales = {row["scale"] for row in rows.values()}
    columns = [
        *([Column("scale", "Scale", 0)] if len(scales) > 1 else []),
        Column("seed", "Seed", 0),
        Column("trained_on", "Trained on", None),
        Column("iterations", "Iterations", 0),
        Column("batch", "Batch", 0),
        Column("patch", "LR patch (pixels)", 0),
        Column("precision", "Precision", None),
        Column("seconds", "Time (s)", 0),
        Column("images_per_s", "Patches/s", 1),
        Column("peak_memory_mib", "Peak memory (MiB)", 0),
        Column("loss", "Loss", None),
        Column("final_loss", "Final loss", 4),
        Column("device", "Device", None),
    ]
    caption = (
        "Training cost. Time: training loop on the device of the row; batch: patches per iteration; "
        "patch: side of the LR patch; memory: PyTorch's allocations on a GPU, the whole process on a CPU; final "
        "loss: mean over the last logged iterations, with pixels in [0, 1]. Dash: not recorded."
    )
    numbers = pd.DataFrame(rows.values(), columns=["model", "label", *(column.key for column in columns)])
    return Table(
        numbers, columns, title("training"), caption, model_notes({name: models[name] for name, _ in rows}) + notes
    )


def _run(run: Mapping[str, Any], data_sets: Mapping[str, str]) -> dict[str, Any]:
    recipe, dataset = run["recipe"], run.get("dataset")
    iterations = run.get("iterations") or recipe["iterations"]
    device = run["machine"]["processor" if run["device"] == "cpu" else "gpu"]
    return {
        "seed": recipe.get("seed"),
        "trained_on": data_sets.get(dataset, dataset),
        "iterations": iterations,
        "batch": recipe["batch"],
        "patch": recipe["patch"],
        "precision": {"no": "fp32"}.get(recipe["precision"], recipe["precision"]),
        "seconds": run["seconds"],
        "images_per_s": iterations * recipe["batch"] / run["seconds"] if iterations and run["seconds"] else None,
        "peak_memory_mib": run.get("peak_memory_mib"),
        "loss": recipe["loss"],
        "final_loss": run.get("final_loss"),
        "device": device if run.get("devices", 1) == 1 else f"{run['devices']} × {device}",
    }
