"""Results of several machines merged into one folder."""

import shutil

import pytest
from measured_runs import a_run, every, other, worse

from rssr.base.errors import UserError
from rssr.base.files import read_csv, read_json, sha256
from rssr.render.comparison.folder import Folder, read_as_results
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
        (
            lambda b: every(b, "provenance.json", lambda r: r["configuration"]["models"]["net"].update(label="Other")),
            "models.net has another `label`: rename one of the two",
        ),
    ],
)
def test_what_was_measured_otherwise_is_not_merged(tmp_path, change, message):
    a, b = a_run(tmp_path / "a"), a_run(tmp_path / "b")
    change(b)
    with pytest.raises(UserError) as error:
        list(merge([Folder(a), Folder(b)], tmp_path / "out"))
    assert message in str(error.value) and not (tmp_path / "out").exists()


def of_net(**facts):
    """Changes the entry of the model `net`; None removes a key."""

    def change(record):
        entry = record["configuration"]["models"]["net"] | facts
        record["configuration"]["models"]["net"] = {key: value for key, value in entry.items() if value is not None}

    return change


def loaded(path, **facts):
    return of_net(train=None, weights={"path": path} | facts)


@pytest.mark.parametrize(
    ("ours", "theirs", "key"),
    [
        (of_net(), of_net(self_ensemble=True), "self_ensemble"),
        (of_net(), of_net(tile={"size": 32, "overlap": 8}), "tile"),
        (of_net(), of_net(range=255), "range"),
        (of_net(), loaded("a.pth"), "weights"),
        (of_net(), lambda record: record["configuration"]["training"]["short"].update(iterations=7), "train"),
        (loaded("a.pth"), loaded("b.pth"), "weights"),
        (loaded("a.pth", sha256="a" * 64), loaded("a.pth", sha256="b" * 64), "weights"),
        (loaded("a.pth", key="params"), loaded("a.pth", key="params_ema"), "weights"),
        (loaded("a.pth", sha256="a" * 64), loaded("x/b.pth", sha256="a" * 64), None),
        (loaded("a.pth"), loaded("x/a.pth"), None),
        (of_net(), of_net(note="from elsewhere", multiple_of=1), None),
        (of_net(), lambda record: record["configuration"]["training"]["short"].update(seeds=[11], log_every=7), None),
    ],
)
def test_one_row_is_one_network_whatever_its_files_and_notes_are_called(tmp_path, ours, theirs, key):
    a, b = a_run(tmp_path / "a"), a_run(tmp_path / "b")
    for folder, change in ((a, ours), (b, theirs)):
        every(folder, "provenance.json", change)
    if key is None:
        assert list(merge([Folder(a), Folder(b)], tmp_path / "out"))
    else:
        with pytest.raises(UserError, match=f"models.net has another `{key}`: rename one"):
            list(merge([Folder(a), Folder(b)], tmp_path / "out"))


def test_a_record_tells_files_of_one_name_apart(tmp_path):
    a, b = (a_run(tmp_path / name) for name in "ab")
    for folder in (a, b):
        every(folder, "provenance.json", loaded("a.pth"))
        every(folder, "weights/**/*.json", lambda record, f=folder: record.update(given_sha256=f.name))
    with pytest.raises(UserError, match="models.net has another `weights`"):
        list(merge([Folder(a), Folder(b)], tmp_path / "out"))


def test_folders_that_share_nothing_with_the_first_are_checked_with_each_other(tmp_path):
    first, b, c = (a_run(tmp_path / name) for name in "abc")
    every(c, "scores/*/*/*.json", lambda record: record.update(crop=0))
    shutil.rmtree(first / "scores")
    with pytest.raises(UserError, match="/b and .*/c: .* crop is 4 and 0"):
        list(merge([Folder(first), Folder(b), Folder(c)], tmp_path / "out"))


def put(path, content):
    assert path.exists()
    path.write_text(content)


SCORES = "scores/tiny/x4-bicubic/bicubic"
DAMAGE = {
    "profile": (lambda b: put(b / "profile/x4/net.json", "{}"), "profile/x4/net.json is damaged (it has no 'l"),
    "provenance": (lambda b: put(b / "provenance.json", "[]"), "b/provenance.json is damaged (it holds list"),
    "configuration": (
        lambda b: every(b, "provenance.json", lambda record: record.update(configuration=5)),
        "b/provenance.json is damaged (its configuration is no mapping)",
    ),
    "latency": (
        lambda b: every(b, "profile/x4/net.json", lambda record: record.update(latency=5)),
        "b cannot be read as results of this suite (TypeError: ",
    ),
    "score": (
        lambda b: every(b, f"{SCORES}.csv", lambda rows: rows[1].update(ssim_y="abc")),
        f"b/{SCORES}.csv is damaged (ssim_y of image_1 is 'abc', and no number)",
    ),
    "empty": (lambda b: put(b / f"{SCORES}.csv", ""), f"b/{SCORES}.csv is damaged (it has no rows"),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("command", ["compare", "merge"])
def test_damaged_folders_are_one_sentence_that_names_them(tmp_path, damage, command):
    a, b = a_run(tmp_path / "a"), a_run(tmp_path / "b")
    change, message = DAMAGE[damage]
    change(b)
    for path in a.glob(f"{SCORES}.*"):
        path.unlink()  # so that those of B are kept
    with pytest.raises(UserError) as error, read_as_results(a, b):
        if command == "merge":
            list(merge([Folder(a), Folder(b)], tmp_path / "out"))
        else:
            list(Report(Folder(a), Folder(b), 0.005).lines())
    assert message in str(error.value)
    assert not (tmp_path / "out").exists(), "nothing is left that the next try would refuse"


def test_a_merged_table_keeps_literature_values_and_why_a_metric_is_missing(tmp_path):
    """Records miss LPIPS, which has no column, and SSIM-Y, which has one and so no note."""
    folder = a_run(tmp_path / "a")
    every(folder, "scores/*/*/*.json", lambda record: record.update(absent={"lpips": "no file", "ssim_y": "no file"}))
    every(folder, "provenance.json", lambda record: record["test_sets"][0].update(module="rsscn7"))
    list(merge([Folder(folder)], tmp_path / "out"))
    page = (tmp_path / "out/tables/tiny/x4-bicubic/quality.md").read_text()
    assert "| LSTMConvSR (in the literature, not measured here)" in page and "| 26.36 |" in " ".join(page.split())
    assert "- LPIPS: not computed, because no file" in page and "SSIM-Y: not computed" not in page
    assert [row["label"] for row in read_csv(tmp_path / "out/tables/tiny/x4-bicubic/quality.csv")] == ["Bicubic", "Net"]


def test_a_merge_that_could_not_be_written_leaves_an_empty_folder(tmp_path, monkeypatch):
    folder = Folder(a_run(tmp_path / "a"))
    with monkeypatch.context() as full:
        full.setattr(shutil, "copyfile", lambda source, target: (_ for _ in ()).throw(OSError(28, "full", target)))
        with pytest.raises(OSError, match="full"):
            list(merge([folder], tmp_path / "out"))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_merge_goes_into_a_folder_that_only_a_viewer_has_written_into(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.DS_Store").touch()
    said = list(merge([Folder(a_run(tmp_path / "a"))], tmp_path / "out"))
    assert said[-1] == f"open {tmp_path}/out/report/index.html"


def test_a_record_stays_with_its_table(tmp_path):
    """A has lost the record of its scores; that of B has the checksum of the scores of B."""
    a, b = a_run(tmp_path / "a"), a_run(tmp_path / "b")
    worse(b, "bicubic")
    (a / f"{SCORES}.json").unlink()
    every(b, f"{SCORES}.json", lambda record: record.update(scores_sha256=sha256(b / f"{SCORES}.csv")))
    said = list(merge([Folder(a), Folder(b)], tmp_path / "out"))
    assert said[0] == f"results/{SCORES}.csv: kept the file of {a}"
    assert not (tmp_path / f"out/{SCORES}.json").exists()
    rows = read_csv(tmp_path / "out/tables/tiny/x4-bicubic/quality.csv")
    assert [row["measured_on"].split(",")[0] for row in rows] == ["machine unknown", "CPU"]
    assert f"results/{SCORES}.csv" in read_json(tmp_path / "out/provenance.json")["files"]


def test_what_an_earlier_configuration_left_behind_is_left_out(tmp_path):
    """The model `old` and the data set `past` were removed before the last run of A."""
    a, b = a_run(tmp_path / "a"), a_run(tmp_path / "b")
    for path in sorted(a.rglob("*net*")):
        if path.is_file():
            shutil.copy(path, path.with_name(path.name.replace("net", "old")))
    shutil.copytree(a / "scores/tiny", a / "scores/past")
    said = list(merge([Folder(a), Folder(b)], tmp_path / "out"))
    assert said[:2] == [
        f"{a}: left out what is of {name}, which its configuration has no more"
        for name in ("datasets.past", "models.old")
    ]
    found = [path.name for path in (tmp_path / "out").rglob("*")]
    assert "past" not in found and "old.csv" not in found and "net.csv" in found


def test_notes_of_weights_and_tiles_stay_with_their_rows(tmp_path):
    a, b = a_run(tmp_path / "a"), a_run(tmp_path / "b")
    digest, misfits = "d" * 64, ["'x' is unknown to the network", "'y' is missing", "'z' is missing"]
    for folder in (a, b):
        web = {"url": "https://example.org/a.pth", "sha256": None}
        every(folder, "provenance.json", of_net(train=None, weights=web, strict=False))
        every(folder, "weights/**/*.json", lambda record: record.update(given_sha256=digest, misfits=misfits))
    every(a, "scores/*/*/net.json", lambda record: record.update(tiled_for_memory={"images": 2, "of": 6, "side": 64}))
    list(merge([Folder(a), Folder(b)], tmp_path / "out"))
    notes = (tmp_path / "out/tables/tiny/x4-bicubic/quality.md").read_text()
    assert f"Net: weights loaded from a.pth; checksum of its weights recorded at first use: sha256 {digest}" in notes
    assert "2 of 6 images in tiles of 64 LR pixels, because memory was insufficient" in notes
    assert "2 tensors not loaded from its file: initial values" in notes
