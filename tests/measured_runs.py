"""Folders with the measured part of a finished run, made up, and changes to them."""

import copy
import json
from pathlib import Path

from objects import a_test_set

from rssr.base.files import read_csv, read_json, write_csv, write_json
from rssr.plan import jobs
from rssr.plan.artifacts import Artifact
from rssr.render.comparison.folder import Folder
from rssr.render.comparison.report import Report

CONFIG = {
    "scale": [4],
    "datasets": {"tiny": {"label": "Tiny", "images": "images", "split": {"train": "train/*", "test": "test/*"}}},
    "models": {
        "bicubic": {"label": "Bicubic", "arch": "bicubic"},
        "net": {"label": "Net", "arch": "my:Net", "train": "short"},
    },
    "training": {"short": {"iterations": 6, "batch": 2, "patch": 8, "optimiser": {"lr": 0.001}}},
    "metrics": {"psnr_y": {}, "ssim_y": {}},
}
IMAGES = [f"image_{number}" for number in range(6)]
TEST = {"dataset": "tiny", "scale": 4, "degradation": "bicubic"}


def made(**facts):
    return facts | {
        "code": "abc-dirty",
        "code_files": {"metrics/fidelity.py": "1" * 12, "rssr/base/files.py": "2" * 12},
        "libraries": {"torch": "2.14.1", "numpy": "2.4.6"},
        "machine": {"processor": "CPU, 2 cores", "gpu": None, "system": "Linux"},
    }


def a_run(folder: Path, seed: int = 10) -> Path:
    """The measured part of a finished run of two models; its checksums and scores are made up."""

    def put(kind, content, suffix="", **of):
        path = folder.parent / Artifact(kind, suffix, **(TEST | of)).path.replace("results", folder.name, 1)
        (write_csv if path.suffix == ".csv" else write_json)(path, content)

    for split in ("train", "test"):
        hr = [
            {"image": name, "source": name, "source_sha256": f"source {name}", "sha256": f"hr {name}"}
            for name in IMAGES
        ]
        put("hr", hr, split=split)
        put("hr_record", made(split=split), split=split)
        put("lr", [{"image": name, "hr_sha256": f"hr {name}", "sha256": f"lr {name}"} for name in IMAGES], split=split)
        put("lr_record", made(steps=[{"reduce": "bicubic"}]), split=split)
    for model, replicate in (("bicubic", "0"), ("net", f"seed{seed}")):
        if model == "net":
            recipe = {"iterations": 6, "seed": seed}
            facts = {"recipe": recipe, "sha256": "weights", "dataset": "tiny", "degradation": "bicubic", "threads": 2}
            put("weights", made(**facts), "json", model=model, replicate=replicate)
        sr = [{"image": name, "replicate": replicate, "sha256": f"sr {model} {name}"} for name in IMAGES]
        put("sr", sr, model=model)
        put("sr_record", made(model={"arch": model}, device="cpu", threads=2, lr_manifest_sha256="lr"), model=model)
        rows = [
            {
                "image": name,
                "source": name,
                "replicate": replicate,
                "psnr_y": 24 + number / 7,
                "ssim_y": 0.6 + number / 70,
            }
            for number, name in enumerate(IMAGES)
        ]
        put("scores", rows, model=model)
        record = made(crop=4, metrics={"psnr_y": "on luma"}, hr_manifest_sha256="hr", sr_manifest_sha256="sr")
        put("scores", record, "json", model=model)
        latency = {"samples_ms": [10.0, 11.0, 12.0], "device_type": "cpu", "device": "CPU", "threads": 2}
        latency |= {"precision": "fp32", "backend": "eager", "images_per_s": 90.0, "megapixels_per_s": 1.0}
        latency |= {"peak_memory_mib": 5.0}
        cost = {"input_shape": [1, 3, 8, 8], "parameters": 7, "macs": {"total": 9, "not_counted": {}}, "kernels": []}
        put("profile", made(latency=latency, **cost), model=model)
    config = copy.deepcopy(CONFIG)
    if seed != 10:
        config["training"]["short"]["seeds"] = [seed]
    test_sets = json.loads(jobs.test_sets([a_test_set(**TEST)]))
    write_json(folder / "provenance.json", made(configuration=config, files={}, test_sets=test_sets))
    return folder


def every(folder, pattern, change):
    """Change every record or table of a pattern."""
    found = sorted(folder.glob(pattern))
    assert found
    for path in found:
        content = read_csv(path) if path.suffix == ".csv" else read_json(path)
        change(content)
        (write_csv if path.suffix == ".csv" else write_json)(path, content)


def worse(folder, model="*", by=0.1):
    every(
        folder, f"scores/*/*/{model}.csv", lambda rows: [row.update(psnr_y=float(row["psnr_y"]) + by) for row in rows]
    )


def other(folder, pattern, images=IMAGES, key="sha256"):
    every(
        folder, pattern, lambda rows: [row.update({key: f"other {row[key]}"}) for row in rows if row["image"] in images]
    )


def compared(tmp_path, change, **options):
    a, b = a_run(tmp_path / "a"), a_run(tmp_path / "b", **options)
    change(b)
    return Report(Folder(a), Folder(b), 0.005)
