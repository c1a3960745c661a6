"""Folders of results compared (verdict, exit code, the cause that is named first) and merged."""

import copy
import json
import shutil
import subprocess
import sys
import types
from pathlib import Path
from unittest import mock

import pytest
from objects import a_test_set

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.base.files import read_csv, read_json, sha256, write_csv, write_json
from rssr.base.provenance import code_files
from rssr.metrics.samples import ratio
from rssr.plan import jobs
from rssr.plan.artifacts import Artifact
from rssr.render.comparison.folder import Folder
from rssr.render.comparison.report import Report
from rssr.render.merging import merge

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


def seed(b):
    other(b, "sr/*/*/net/manifest.csv")
    every(b, "weights/net/*/*/*.json", lambda record: record.update(sha256="others"))
    worse(b, "net")


def library(b):
    """PyTorch changes weights, SR images and scores, and decodes nothing."""
    every(b, "**/*.json", lambda record: record["libraries"].update(torch="2.13.0"))
    seed(b)


def decoder(b):
    """Another decoder changes all images, and what follows from them."""
    every(b, "**/*.json", lambda record: record["libraries"].update(numpy="2.3.0"))
    for pattern in ("data/*/*/*/manifest.csv", "data/*/*/LR/*/manifest.csv", "sr/*/*/*/manifest.csv"):
        other(b, pattern)
    seed(b)


def pixel(b):
    """One HR image is another; the LR and SR images that come from it too."""
    for pattern in ("data/*/test/HR-x4/manifest.csv", "data/*/test/LR/*/manifest.csv", "sr/*/*/*/manifest.csv"):
        other(b, pattern, ["image_3"])
    worse(b)


def source(b):
    """The same with a source image, all of whose tiles differ."""
    other(b, "data/*/test/HR-x4/manifest.csv", key="source_sha256")
    other(b, "data/*/test/HR-x4/manifest.csv")
    every(b, "**/*.json", lambda record: record["libraries"].update(numpy="2.3.0"))
    worse(b)


def crop(b):
    every(b, "provenance.json", lambda record: record["configuration"].update(crop=0))
    every(b, "scores/*/*/*.json", lambda record: record.update(crop=0))
    worse(b)


def colours(b):
    """The code of a metric is another; so is a library that scores do not come from."""
    every(b, "scores/*/*/*.json", lambda record: record["code_files"].update({"metrics/fidelity.py": "3" * 12}))
    every(b, "weights/*/*/*/*.json", lambda record: record["libraries"].update(torch="2.13.0"))
    worse(b, by=1.3)


def protocol(b):
    (b / "provenance.json").unlink()
    every(b, "scores/*/*/*.json", lambda record: record["metrics"].update(psnr_y="on RGB"))
    worse(b)


def threads(b):
    every(b, "sr/*/*/net/provenance.json", lambda record: record.update(threads=8))
    other(b, "sr/*/*/net/manifest.csv")
    worse(b, "net")


def nothing(b):
    """Nothing recorded explains it: somebody has changed an image after it was scored."""
    other(b, "sr/*/*/net/manifest.csv", ["image_2"])
    worse(b, "net")


@pytest.mark.parametrize(
    ("change", "options", "first", "part"),
    [
        (seed, {"seed": 11}, "configuration: training.short.seeds: [10] | [11]", "net: weights"),
        (library, {}, "library: torch: 2.14.1 | 2.13.0", "net: weights"),
        (decoder, {}, "library: numpy: 2.4.6 | 2.3.0", "net: HR images of train"),
        (pixel, {}, "data: HR images of test, image_3: hr image_3 | other hr ima", "bicubic: HR images of test"),
        (
            source,
            {},
            "data: HR images of test, image_0 and 5 more: hr image_0 | other hr ima",
            "net: HR images of test",
        ),
        (crop, {}, "configuration: crop: not set | 0", "net: scores"),
        (colours, {}, "code: metrics/fidelity.py: abc-dirty | abc-dirty", "net: scores"),
        (protocol, {}, "configuration: metrics.psnr_y: on luma | on RGB", "bicubic: scores"),
        (threads, {}, "threads: threads: 2 | 8", "net: SR images"),
        (nothing, {}, "data: SR images, image_2: sr net image | other sr net", "net: SR images"),
    ],
)
def test_the_cause_is_named_first(tmp_path, change, options, first, part):
    report = compared(tmp_path, change, **options)
    assert report.comparison.verdict.startswith("differs: "), report.comparison.verdict
    assert str(report.causes[0]) == first, report.causes
    assert part in report.parts


def test_a_cause_is_named_within_the_tolerance_too(tmp_path):
    def change(b):
        pixel(b)
        worse(b, by=-0.0999)

    report = compared(tmp_path, change)
    assert report.comparison.reproduced
    assert str(report.causes[0]) == "data: HR images of test, image_3: hr image_3 | other hr ima"


def test_names_and_places_are_no_cause(tmp_path):
    def change(b):
        every(
            b,
            "provenance.json",
            lambda record: record["configuration"]["datasets"]["tiny"].update(images="elsewhere", label="T"),
        )
        every(
            b,
            "provenance.json",
            lambda record: record["configuration"]["models"].update(other={"label": "O", "arch": "bicubic"}),
        )
        threads(b)

    assert [cause.kind for cause in compared(tmp_path, change).causes] == ["threads"]


def test_an_image_changed_after_its_manifest_was_written_is_named(tmp_path):
    def change(b):
        (b / "data/tiny/test/HR-x4/image_4.png").write_bytes(b"another picture")
        every(b, "**/*.json", lambda record: record["libraries"].update(torch="2.13.0"))
        worse(b)

    assert str(compared(tmp_path, change).causes[0]).startswith("data: HR images of test, image_4: ")


@pytest.mark.parametrize(
    ("by", "tolerance", "code", "verdict"),
    [
        (0, 0.005, 0, "reproduced: 24 of 24 scores equal to the byte"),
        (0.003, 0.005, 0, "reproduced within 0.003 dB; 18 of 24 scores equal to the byte"),
        (
            0.3,
            0.005,
            1,
            "differs: 6 scores by up to 0.3 dB, first in tiny/x4-bicubic, net, PSNR-Y, image image_0; 18 of",
        ),
        (0.3, 0.31, 0, "reproduced within 0.3 dB; 18 of 24 scores equal to the byte"),
        (float("nan"), 1000, 1, "differs: 6 scores by up to inf dB"),
    ],
)
def test_verdict_and_exit_code(tmp_path, by, tolerance, code, verdict):
    a, b = a_run(tmp_path / "a"), a_run(tmp_path / "b")
    if by:
        worse(b, "net", by)
    report = Report(Folder(a), Folder(b), tolerance)
    assert next(report.lines()).startswith(verdict)
    assert report.comparison.reproduced == (code == 0)


def test_the_tolerance_of_a_metric_is_of_its_last_printed_digit(tmp_path):
    for moved, reproduced in ((4e-5, True), (6e-5, False)):

        def change(b, moved=moved):
            every(b, "scores/*/*/net.csv", lambda rows: rows[2].update(ssim_y=float(rows[2]["ssim_y"]) + moved))

        report = compared(tmp_path / str(moved), change)
        assert report.comparison.reproduced == reproduced
        assert ("SSIM-Y" in report.comparison.verdict) and "6e-05" in report.comparison.verdict or reproduced


def lose(folder, *patterns):
    for path in [path for pattern in patterns for path in sorted(folder.glob(pattern))]:
        path.unlink()


def unconfigured(b):
    """The run is one of a configuration without the network."""
    lose(b, "scores/*/*/net.*", "sr/*/*/net/*", "weights/net/*/*/*")
    every(b, "provenance.json", lambda record: record["configuration"]["models"].pop("net"))


def crashed(b):
    """A model's scores are missing, for no recorded reason; the machine is another."""
    lose(b, "scores/*/*/net.*")
    every(b, "**/*.json", lambda record: record["machine"].update(processor="other CPU, 4 cores"))


def fewer_images(b):
    every(b, "scores/*/*/net.csv", lambda rows: rows.pop())


@pytest.mark.parametrize(
    ("change", "verdict", "first"),
    [
        (
            unconfigured,
            "B lacks net on tiny/x4-bicubic; 12 of 12 scores",
            "configuration: models.net: {'arch': 'my:Net', ",
        ),
        (
            crashed,
            "B lacks net on tiny/x4-bicubic; 12 of 12",
            "unexplained: results/scores/tiny/x4-bicubic/net.csv is only",
        ),
        (fewer_images, "B lacks 1 SR image of net on tiny/x4-bicubic; 22 of 22", "unexplained: the scores of net"),
    ],
)
def test_what_a_run_has_lost_is_said_first_and_is_a_difference(tmp_path, change, verdict, first):
    report = compared(tmp_path, change)
    assert report.comparison.verdict.startswith(f"differs: {verdict}") and not report.comparison.reproduced
    assert str(report.causes[0]).startswith(first), report.causes
    swapped = Report(*reversed(report.sides.values()), 0.005)  # what B has beside is none
    assert swapped.comparison.reproduced


def test_a_lost_test_set_is_named_once(tmp_path):
    a, b = a_run(tmp_path / "a"), a_run(tmp_path / "b")
    for path in sorted(a.glob("scores/tiny/x4-bicubic/*")):
        (a / "scores/tiny/x4-noisy").mkdir(exist_ok=True)
        shutil.copy(path, a / "scores/tiny/x4-noisy" / path.name)
    verdict = Report(Folder(a), Folder(b), 0.005).comparison.verdict
    assert verdict == "differs: B lacks the test set tiny/x4-noisy; 24 of 24 scores equal to the byte"


@pytest.mark.parametrize(
    ("by", "options", "verdict"),
    [
        (0.2, {}, "reproduced within 0.2 dB for networks trained in both runs; 18 of 24"),
        (0.4, {}, "differs: 6 scores by up to 0.4 dB"),
        (0.2, {"seed": 11}, "differs: 6 scores by up to 0.2 dB"),  # another recipe
    ],
)
def test_networks_trained_in_both_runs_have_their_own_tolerance(tmp_path, by, options, verdict):
    a, b = a_run(tmp_path / "a"), a_run(tmp_path / "b", **options)
    worse(b, "net", by)
    assert Report(Folder(a), Folder(b), 0.005, 0.3).comparison.verdict.startswith(verdict)
    worse(b, "bicubic", 0.1)
    assert not Report(Folder(a), Folder(b), 0.005, 0.3).comparison.reproduced


def test_metrics_that_one_side_has_are_listed_and_no_difference(tmp_path):
    def change(b):
        every(b, "scores/*/*/*.csv", lambda rows: [row.update(lpips="0.1", source="scene") for row in rows])

    report = compared(tmp_path, change)
    assert report.comparison.reproduced
    said = "\n".join(report.lines())
    assert "12 only in B: tiny/x4-bicubic, bicubic, LPIPS" in said and "only A has" not in said

    def drop(b):
        every(b, "scores/*/*/*.csv", lambda rows: [row.pop("psnr_y") for row in rows])

    report = compared(tmp_path / "dropped", drop)
    assert report.comparison.verdict == "reproduced: 12 of 12 scores equal to the byte; only A has PSNR-Y"


def test_latency_is_a_ratio_with_an_interval(tmp_path):
    def change(b):
        every(b, "profile/x4/net.json", lambda record: record["latency"].update(samples_ms=[20.0, 22.0, 24.0]))

    report = compared(tmp_path, change)
    assert report.comparison.reproduced
    assert report.latencies()[1] == "x4, net: 2.00 [1.67, 2.40], on CPU, 2 cores"
    assert ratio([4.0] * 5, [2.0] * 5) == (2, 2, 2)


def command(*arguments):
    words = [sys.executable, "-m", "rssr", *map(str, arguments)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_the_command_says_it_by_its_exit_code_and_writes_a_page(tmp_path):
    a, b = a_run(tmp_path / "a"), a_run(tmp_path / "b")
    worse(b, "net")
    for side in (a, b):
        table = side / "tables/tiny/x4-bicubic/quality.html"
        table.parent.mkdir(parents=True)
        table.write_text(f"<table><tr><td>of {side.name}</td></tr></table>")
    result = command("compare", a, b, "--html", tmp_path / "page.html")
    assert result.returncode == 1, result.stderr
    assert result.stdout.startswith("differs: 6 scores by up to 0.1 dB")
    page = (tmp_path / "page.html").read_text()
    assert "<td>of a</td>" in page and "<td>of b</td>" in page and "differs: 6 scores" in page
    help_ = command("compare", "--help")
    assert help_.returncode == 0 and "Exit code 0: yes; 1: scores differ, or B lacks" in " ".join(help_.stdout.split())
    empty = tmp_path / "empty"
    empty.mkdir()
    result = command("compare", a, empty)
    assert result.returncode == 2 and "have no score in common" in result.stderr and "Traceback" not in result.stderr


def test_code_files_are_the_ones_that_this_process_has_imported():
    invented = types.ModuleType("invented")
    invented.__file__ = "_classes.py"  # as torch.classes has it
    with mock.patch.dict(sys.modules, {"invented": invented}):
        found = code_files()
    assert found["rssr/base/files.py"] == sha256(ROOT / "rssr/base/files.py")[:12]
    assert not [name for name in found if "site-packages" in name]


def on_gpu(record):
    """Turn a record into one of a machine with a GPU."""
    record["machine"] |= {"processor": "Other CPU, 8 cores", "gpu": "H100"}
    if "latency" in record:
        record["latency"] |= {"device_type": "cuda", "device": "H100", "samples_ms": [1.0, 1.1, 1.2]}


def test_results_of_two_machines_become_one_and_each_row_says_where_from(tmp_path):
    """A has scored both models on a CPU; B, with a GPU, has another network instead of that of A."""
    a, b = a_run(tmp_path / "a"), a_run(tmp_path / "b")
    for path in sorted(b.rglob("*net*"), reverse=True):
        path.rename(path.with_name(path.name.replace("net", "theirs")))
    every(b, "**/*.json", on_gpu)
    every(
        b,
        "provenance.json",
        lambda record: record["configuration"]["models"].update(
            theirs={"label": "Theirs", "arch": "x:Y", "train": "short"}
        ),
    )
    worse(b, "theirs", 0.5)
    said = list(merge([Folder(a), Folder(b)], tmp_path / "out"))
    assert said[0] == "results/profile/x4/bicubic.json: kept the file of " + str(b)
    out = Folder(tmp_path / "out")
    assert {artifact.model for artifact in out.of_kind("scores", "csv")} == {"bicubic", "net", "theirs"}
    rows = read_csv(out.path / "tables/tiny/x4-bicubic/quality.csv")
    assert [(row["label"], row["measured_on"].split(",")[0]) for row in rows] == [
        ("Bicubic", "CPU"),
        ("Net", "CPU"),
        ("Theirs", "Other CPU"),
    ]
    assert float(rows[2]["psnr_y"]) == pytest.approx(float(rows[0]["psnr_y"]) + 0.5)
    rows = read_csv(out.path / "tables/tiny/x4-bicubic/significance.csv")
    assert [(row["label"], row["against"]) for row in rows if row["metric"] == "PSNR-Y (dB)"][1:] == [
        ("Theirs", "Bicubic"),
        ("Theirs", "Net"),
    ]
    page = (out.path / "report/index.html").read_text()
    assert "Below the diagonal" in page and "Winner changes" in page
    assert "measured on H100" in page and "measured on CPU, 2 cores" in page
    assert [part["machine"]["gpu"] for part in out.record["merged"]] == [None, "H100"]
    assert Report(Folder(a), out, 0.005).comparison.verdict == "reproduced: 24 of 24 scores equal to the byte"
    with pytest.raises(UserError, match="is not empty"):
        list(merge([Folder(a)], tmp_path / "out"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda b: every(b, "scores/*/*/*.json", lambda record: record.update(crop=0)),
            "measured differently: crop is 4 and 0",
        ),
        (
            lambda b: every(b, "scores/*/*/*.json", lambda record: record["metrics"].update(psnr_y="on RGB")),
            "measured differently: psnr_y is on luma and on RGB",
        ),
        (lambda b: other(b, "data/*/test/HR-x4/manifest.csv", ["image_2"]), "HR images differ, the first is image_2"),
        (lambda b: other(b, "data/*/test/LR/*/manifest.csv", ["image_1"]), "LR images differ, the first is image_1"),
        (lambda b: every(b, "provenance.json", lambda record: record.pop("test_sets")), "names its test sets"),
    ],
)
def test_what_was_measured_otherwise_is_not_merged(tmp_path, change, message):
    a, b = a_run(tmp_path / "a"), a_run(tmp_path / "b")
    change(b)
    with pytest.raises(UserError) as error:
        list(merge([Folder(a), Folder(b)], tmp_path / "out"))
    assert message in str(error.value) and not (tmp_path / "out").exists()
