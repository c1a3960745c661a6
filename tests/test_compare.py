"""Folders of results compared: verdict, tolerances, exit code, page."""

import shutil
import subprocess
import sys
import types
from unittest import mock

import pytest
from measured_runs import a_run, compared, every, worse

from rssr.base import ROOT
from rssr.base.files import read_csv, sha256, write_csv
from rssr.base.provenance import code_files
from rssr.metrics.samples import ratio
from rssr.render.comparison.folder import Folder
from rssr.render.comparison.report import Report


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
            "configuration: models.net is not in B's configuration",
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


def test_a_model_with_other_replicates_is_not_called_lost_alone(tmp_path):
    """A has two draws of a network, B one seed."""
    a, b = a_run(tmp_path / "a"), a_run(tmp_path / "b")
    rows = read_csv(a / "scores/tiny/x4-bicubic/net.csv")
    write_csv(
        a / "scores/tiny/x4-bicubic/net.csv", [row | {"replicate": name} for name in ("0", "0_draw1") for row in rows]
    )
    every(b, "scores/*/*/net.csv", lambda found: [row.update(replicate="seed10") for row in found])
    verdict = Report(Folder(a), Folder(b), 0.005).comparison.verdict
    assert verdict.startswith("differs: B lacks net on tiny/x4-bicubic (it has other replicates); 12 of 12 scores")


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
    result = command("compare", a, b, "--html", tmp_path)  # a folder
    assert result.returncode == 2 and result.stderr.startswith(f"error: {tmp_path} cannot be read or written (Is a d")
    help_ = command("compare", "--help")
    assert help_.returncode == 0 and "Exit code 0: yes; 1: scores differ, or B lacks" in " ".join(help_.stdout.split())
    empty = tmp_path / "empty"
    empty.mkdir()
    result = command("compare", a, empty)
    assert (
        result.returncode == 2
        and result.stderr == f"error: {empty} has no scores: name a folder `results` whose run is finished\n"
    )


def test_code_files_are_the_ones_that_this_process_has_imported():
    invented = types.ModuleType("invented")
    invented.__file__ = "_classes.py"  # as torch.classes has it
    with mock.patch.dict(sys.modules, {"invented": invented}):
        found = code_files()
    assert found["rssr/base/files.py"] == sha256(ROOT / "rssr/base/files.py")[:12]
    assert not [name for name in found if "site-packages" in name]
