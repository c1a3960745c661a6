"""What jobs ask of Slurm, with commands of its names that answer as Slurm 22.05 does."""

import sys
import time
from datetime import datetime, timedelta

import pytest

from rssr.base import slurm
from rssr.base.errors import UserError
from rssr.base.process import stop_signals
from rssr.plan.locks import clear_stale_locks


@pytest.fixture
def answers(tmp_path, monkeypatch):
    """Have the commands of Slurm print lines; the calls of scontrol are listed in tmp_path/calls."""

    def answer(scontrol: str, squeue: str = "", fails: str = "none") -> None:
        (tmp_path / "bin").mkdir()
        for name, text in {"scontrol": scontrol, "squeue": squeue}.items():
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
