"""What jobs ask of Slurm, with commands of its names that answer as Slurm 22.05 does."""

import logging
import re
import subprocess
import sys
import time
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
import yaml
from runs import rssr
from snakemake_executor_plugin_slurm.partitions import get_best_partition, read_partition_file

from rssr.base import ROOT, slurm
from rssr.base.errors import UserError
from rssr.base.process import stop_signals
from rssr.plan.locks import clear_stale_locks


@pytest.fixture
def answers(tmp_path, monkeypatch):
    """Have the commands of Slurm print lines; the calls of scontrol are listed in tmp_path/calls."""

    def answer(scontrol: str, squeue: str = "", fails: str = "none", sinfo: str = "") -> None:
        (tmp_path / "bin").mkdir()
        for name, text in {"scontrol": scontrol, "squeue": squeue, "sinfo": sinfo}.items():
            (tmp_path / "bin" / name).write_text(
                f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\necho "{text}"\ntest $1 != {fails}\n'
            )
            (tmp_path / "bin" / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
        monkeypatch.setenv("SLURM_JOB_ID", "7")

    return answer


@pytest.mark.parametrize(("told", "found"), [("NO", "exclusive"), ("OK", "shared"), ("YES", "shared")])
def test_a_measurement_says_whether_its_node_was_shared(answers, told, found):
    answers(f"JobId=7 JobName=a OverSubscribe={told} WorkDir=/a")
    assert slurm.node() == found


def test_outside_of_slurm_nothing_is_known(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert slurm.node() is None and slurm.before_time_limit(print) is None


def test_before_the_time_limit_a_job_saves_and_is_queued_again(answers, tmp_path):
    end = datetime.now() + timedelta(seconds=3)
    answers(f"JobId=7 TimeLimit=00:01:00 EndTime={end.isoformat(timespec='seconds')}", fails="requeue")
    start = time.monotonic()
    with pytest.raises(SystemExit), stop_signals() as received:
        while not received and time.monotonic() - start < 10:
            time.sleep(0.05)
        assert received == ["Slurm's time limit"]
        assert datetime.now() < end and "requeue" not in (tmp_path / "calls").read_text()
        sys.exit("the state is saved")
    assert (tmp_path / "calls").read_text().splitlines()[-1] == "requeue 7"


@pytest.mark.parametrize("days", [None, 2, 0])
def test_a_block_that_ends_in_time_is_not_repeated(answers, tmp_path, days):
    end = (datetime.now() + timedelta(days=days)).isoformat(timespec="seconds") if days is not None else "Unknown"
    answers(f"JobId=7 EndTime={end}")
    with stop_signals() as received:
        time.sleep(0.2)
    assert bool(received) == (days == 0) and "requeue" not in (tmp_path / "calls").read_text()


def test_a_killed_run_whose_jobs_live_is_not_started_a_second_time(answers, tmp_path):
    folder = tmp_path / ".snakemake"
    (folder / "locks").mkdir(parents=True)
    (folder / "locks/0.input.lock").touch()
    answers("", squeue=f"7 {tmp_path}\n12 {tmp_path}\n13 /elsewhere\n14 ")
    with pytest.raises(UserError, match=r"running in this folder: 12: wait until they end, or run `scancel 12`"):
        clear_stale_locks(folder)
    assert (folder / "locks/0.input.lock").exists()


def test_partitions_of_a_site(answers):
    """The largest node of each counts; sinfo prints a row per kind of node."""
    rows = "debug|30:00|8|1|(null)", "long|infinite|64+|250000|(null)", "long|infinite|128|500000|gpu:a100:4(S:0-1)"
    answers("", sinfo="\n".join([*rows, "gpu|1-12:30:00|32|64000|gpu:2,gpu:v100:1"]))
    assert slurm.partitions() == {
        "debug": {"max_threads": 8, "max_runtime": 30},
        "long": {"max_threads": 128, "max_mem_mb": 500000, "max_gpu": 4},
        "gpu": {"max_threads": 32, "max_mem_mb": 64000, "max_gpu": 3, "max_runtime": 36 * 60 + 30},
        slurm.NOWHERE: {"max_gpu": 10**6},
    }


def test_no_partitions_without_a_cluster(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    (tmp_path / "before.yaml").write_text("partitions: {}")
    done = rssr("partitions", "-o", tmp_path / "before.yaml")
    assert done.returncode == 1 and "login node" in done.stderr
    assert (tmp_path / "before.yaml").read_text() == "partitions: {}"


def test_the_profile_refuses_what_no_partition_takes():
    """Of the plugin's own scores, NOWHERE's is the lowest that fits."""
    listed = yaml.safe_load((ROOT / "profiles/slurm/partitions.yaml").read_text())["partitions"]
    assert list(listed)[-1] == slurm.NOWHERE
    candidates = read_partition_file(ROOT / "profiles/slurm/partitions.yaml")

    def chosen(**resources: int) -> str:
        job = SimpleNamespace(name="job", threads=1, resources={"mem_mb": 1000} | resources)
        return get_best_partition(candidates, job, logging.getLogger())

    assert [chosen(runtime=60), chosen(runtime=60, gpu=1), chosen(runtime=60, gpu=2)] == ["main", "gpu", "gpu"]
    assert [chosen(runtime=60, gpu=3), chosen(runtime=20000)] == [slurm.NOWHERE] * 2


@pytest.mark.slow
@pytest.mark.parametrize(("further", "most"), [([], 45), (["config/zoo.yaml"], 220)], ids=["paper", "paper and zoo"])
def test_a_benchmark_is_few_jobs_of_slurm(further, most):
    """A group of steps is one, and so is a training."""
    command = ["-n", "--workflow-profile", "profiles/slurm", "--configfile", "config/paper.yaml", *further]
    done = subprocess.run([sys.executable, "-m", "snakemake", *command], cwd=ROOT, capture_output=True, text=True)
    planned = done.stdout + done.stderr
    groups = planned.count("Group job ")
    alone = len(re.findall(r"^Job \d+: (?!all|fetch)[a-z_]+ ", planned, re.MULTILINE))
    assert done.returncode == 0 and groups > 5 and alone >= 30  # trainings
    assert groups + alone <= most
