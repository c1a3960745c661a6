"""Results of several machines merged into one folder."""

import pytest
from measured_runs import a_run, every, other, worse

from rssr.base.errors import UserError
from rssr.base.files import read_csv
from rssr.render.comparison.folder import Folder
from rssr.render.comparison.report import Report
from rssr.render.merging import merge


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
