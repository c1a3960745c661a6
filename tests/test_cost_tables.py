"""Tables of costs, ablations, training, the audit and literature values."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest
from objects import a_test_set
from table_parts import NO_NOTES, by_test_set, literature_table, models, named, quality_numbers

from rssr.metrics.protocol import BASE, CHOICES
from rssr.plan.artifacts import Artifact
from rssr.render.tables.cost import ablation, complexity
from rssr.render.tables.protocol import audit
from rssr.render.tables.training import training


def test_ablation_is_the_difference_from_the_full_network():
    profiles = {"b": profile([2.0] * 3), "a": profile([1.0] * 3)}
    qualities = by_test_set([named("s")], [quality_numbers(a=30.0, b=30.5, c=40.0)])
    made = ablation(profiles, NO_NOTES, qualities, [named("s")], ["psnr_y"])
    assert made.title == "Ablation: B, x4"
    assert made.numbers["model"].tolist() == ["b", "a"]
    assert made.numbers["s/x4-bicubic/psnr_y_difference"].tolist() == [0, -0.5]
    text = made.markdown()
    assert "Ablation of B" in text and "difference from B." in text and "-0.50" in text and "**1.0**" in text
    assert "C" not in made.numbers["label"].tolist()
    where = "S, bicubic: no Δ is tested here; intervals, p and whether training seeds were varied are in "
    assert f"{where}results/tables/s/x4-bicubic/significance.md" in made.notes[1]


def test_names_with_underscores_do_not_meet_in_an_ablation():
    """Data set `neon` at `hard_bicubic` beside `neon_hard` at `bicubic`: a column each, with its own numbers."""
    profiles = {"b": profile([2.0] * 3), "a": profile([1.0] * 3)}
    tests = [named("neon", "hard_bicubic"), named("neon_hard")]
    qualities = by_test_set(tests, [quality_numbers(a=10.0, b=11.0), quality_numbers(a=50.0, b=51.0)])
    numbers = ablation(profiles, NO_NOTES, qualities, tests, ["psnr_y"]).numbers
    assert numbers["neon/x4-hard_bicubic/psnr_y"].tolist() == [11, 10]
    assert numbers["neon_hard/x4-bicubic/psnr_y"].tolist() == [51, 50]


def test_literature_values_of_models_that_are_run_or_not():
    made = literature_table()
    assert made.title == "Literature values"
    assert made.numbers["difference"][0] == -0.25 and np.isnan(made.numbers["difference"][1])
    rows = [re.sub(" +", " ", line) for line in made.markdown().splitlines()]
    assert "| S, bicubic | A | PSNR-Y (dB) | 30.5 | 30.2 | -0.2 | no: crop 0 there, 4 here | [1] |" in rows
    assert "| | Net Z | PSNR-Y (dB) | 30.5 | – | – | yes | [1] |" in rows
    assert r"- \[1]: a paper, page 3." in rows, "which could be a reference without the backslash"


def test_the_audit_moves_one_choice_at_a_time():
    rows = [dict(zip(CHOICES, combination, strict=True)) for combination in itertools.product(*CHOICES.values())]
    moved = [sum(row[choice] != option for choice, option in BASE.items()) for row in rows]
    measured = pd.DataFrame(rows).assign(psnr=[30 + count for count in moved], ssim=[0.9 - 0.01 * c for c in moved])
    value = {"label": "Net A", "model": "a", "citation": "a paper", "agrees": "no", "why": ""}
    printed = [value | {"metric": "psnr_y", "value": "30.00"}, value | {"metric": "ssim_y", "value": "0.9000"}]
    printed.append(printed[0] | {"label": "Net Z", "model": None})  # says nothing of these
    made = audit({"a": measured}, NO_NOTES, a_test_set(label="A set"), 7, 70, printed)
    assert made.title == "Audit of the protocol: A set, x4"
    part = "A set, x4, 7 of 70 images, evenly spaced, so not the mean of the quality table: the same weights under"
    assert made.caption.startswith(part)
    whole = audit({"a": measured}, NO_NOTES, a_test_set(label="A set"), 7, 7, printed).caption
    assert whole == made.caption.replace(part, "A set, x4, 7 images: the same weights under")
    assert len(made.numbers) == 1 + sum(len(options) - 1 for options in CHOICES.values())
    assert made.numbers["protocol"][0] == "stated protocol" and made.numbers["psnr_moved"].tolist()[1:] == [1.0] * (
        len(made.numbers) - 1
    )
    assert made.notes[:2] == [
        "PSNR-Y (dB) 30.00 is printed for Net A (a paper).",
        "SSIM-Y 0.9000 is printed for Net A (a paper).",
    ]
    near = ", ".join(f"{choice} {BASE[choice]}" for choice in CHOICES)
    assert (
        made.notes[2].startswith(f"A comes nearest to that under: {near} (30.00 dB, 0.9000); ") and len(made.notes) == 3
    )


def test_training_table():
    run = {
        **{"recipe": {"iterations": None, "batch": 4, "patch": 24, "precision": "no", "loss": "l1"}, "iterations": 50},
        **{"dataset": "s", "seconds": 10.0, "device": "cpu", "final_loss": 0.25},
        **{"machine": {"processor": "A chip", "gpu": None}, "sha256": "1"},
    }
    loaded = {"loaded_from": ["one", "two"], "sha256": "2", "training": run}
    unknown = {"loaded_from": "file", "sha256": "3", "training": "not stated"}
    of = [("a", "s", run), ("b", "s", loaded), ("b", "t", loaded), ("c", "s", unknown)]
    records = [(Artifact("weights", "json", d, scale=4, model=m, replicate="0"), record) for m, d, record in of]
    made = training(records, NO_NOTES, {"s": "Set"})
    assert made.numbers["model"].tolist() == ["a", "b", "c"], "the same weights for a second data set are no row"
    first = made.numbers.iloc[0]
    assert first[["trained_on", "iterations", "images_per_s", "device"]].tolist() == ["Set", 50, 20, "A chip"]
    text = made.markdown()
    assert "- B: loaded from one or two; the row is from the record of its training" in text
    assert "- C: loaded from file; no record of its training" in text
    assert [cell.strip() for cell in text.splitlines()[6].split("|")[2:-1]] == ["–"] * 12


def profile(samples, **changes):
    latency = {"samples_ms": samples, "peak_memory_mib": 12.5, "images_per_s": 1.0, "megapixels_per_s": 0.1}
    latency |= {"device": "CPU (x)", "device_type": "cpu", "threads": 2, "backend": "PyTorch eager"}
    facts = {"parameters": 1500, "macs": {"total": 4_331_520}, "input_shape": [1, 3, 16, 16]}
    machine = {"machine": {"processor": "A chip"}, "libraries": {"torch": "2.14.1"}}
    return facts | machine | {"latency": latency | {"precision": "float32"} | changes}


def test_complexity_table():
    profiles = {"a": profile([1.0, 2.0, 1.1]), "b": profile([3.0, 3.0, 3.0]), "c": profile([4.0, 4.0, 4.0], threads=1)}
    rows = models("a", "b", "c")
    assert "In the literature" not in complexity(profiles, rows, "a").markdown()
    rows["a"]["literature"] = {"parameters_m": "0.0", "citation": "a paper", "without": ["table"]}
    made = complexity(profiles, rows, "a")
    assert made.title == "Complexity: x4"
    text = made.markdown()
    assert "In the literature (M)" in text and "| 0.0 |" in " ".join(text.split())
    assert "A: parameters as stated in a paper" in text
    assert "1x3x16x16, float32, on A chip, 2 threads, PyTorch 2.14.1" in text
    assert "0.004" in text and "**1.1** [1.0, 1.9]" in text and "<u>3.0</u>" in text
    assert "C was measured at" in text and "1 threads" in text and "not comparable" in text
    assert "not steady" not in text
    assert made.numbers["times_as_fast"].tolist() == [1, pytest.approx(1.1 / 3), pytest.approx(1.1 / 4)]
    profiles["a"] |= {"parameters": 0}
    assert "Times as fast" not in complexity(profiles, rows, "a").markdown(), "an interpolation is no measure"
    disturbed = complexity({"a": profile([1.0, 1.0, 9.0])}, rows, "a").markdown()
    assert "A: its calls were not steady (1.0 to 8.2 ms)" in disturbed
    beside = complexity({"a": profile([1.0, 1.0, 1.0], others_cores=0.93)}, rows, "a").markdown()
    assert "A: other processes used 0.9 cores while it was timed" in beside
    for alone in (0.05, None):
        assert "other processes" not in complexity({"a": profile([1.0], others_cores=alone)}, rows, "a").markdown()


@pytest.mark.parametrize("row", [profile([1.0, 1.0, 9.0]), profile([1.0] * 3, others_cores=0.93)])
def test_no_time_is_marked_beside_a_disturbed_one(row):
    """Memory is marked all the same, and so are times where none was disturbed."""
    said = "Times are marked neither best nor second, because some were disturbed."
    profiles = {"a": profile([2.0] * 3), "b": profile([3.0] * 3)}
    of = by_test_set([named("s")], [quality_numbers(a=30.0, b=30.5)])
    for changed, timed in (({}, ["lower", "higher"]), ({"b": row}, [None, None])):
        given = profiles | changed
        made = complexity(given, NO_NOTES, "a")
        marks = {column.key: column.better for column in made.columns}
        assert [marks["latency_ms"], marks["megapixels_per_s"]] == timed and marks["peak_memory_mib"] == "lower"
        assert made.notes.count(said) == bool(changed) and ("**2.0**" in made.markdown()) != bool(changed)
        made = ablation(given, NO_NOTES, of, [named("s")], ["psnr_y"])
        assert ("**2.0**" in made.markdown()) != bool(changed) and "**30.50**" in made.markdown()


def test_products_that_macs_leave_out_are_named():
    listed = ["aten::softmax", "aten::relu_", "aten::linalg_vector_norm", "aten::_weight_norm", "aten::lgamma"]
    listed += ["aten::linalg_svd", "aten::cdist", "prim::PythonOp.Mine"]
    profiles = {"a": profile([1.0]), "b": profile([1.0])}
    profiles["a"]["macs"]["not_counted"] = dict.fromkeys(listed, 1)
    notes = complexity(profiles, models("a", "b"), "a").notes
    named = [note for note in notes if "MACs without" in note]
    assert named == ["A: MACs without those of linalg_svd, cdist, PythonOp.Mine, which have no closed form here."]
