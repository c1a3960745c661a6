"""The DAG of config/test.yaml on a Slurm of two nodes: equal to a local run's bytes, and the faults of a cluster.

Started by `make test-slurm`.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from cluster import ENFORCES_MEMORY, told, two_nodes, wait_until
from runs import WEIGHTS, Project, rssr

from rssr.base import slurm
from rssr.base.files import sha256

pytestmark = pytest.mark.skipif(not os.environ.get("RSSR_SLURM"), reason="brings up a Slurm: make test-slurm")
PROFILE = ("--workflow-profile", "profiles/slurm")


class OnSlurm(Project):
    """Runs are submitted to Slurm."""

    def arguments(self, *arguments: str) -> list[str]:
        changes = [str(self.changes)] if self.changes.exists() else []
        return [*PROFILE, "--configfile", "config/test.yaml", *changes, *arguments]

    def jobs_of_slurm(self) -> list[str]:
        return told("squeue", "--me", "-h", "-o", "%i").split()  # those that are ending, too

    def new_jobs(self, seconds: float = 60) -> list[str]:
        """Those of a client that has just been started, or had a job cancelled, once there are some."""
        before = self.jobs_of_slurm()
        wait_until(lambda: set(self.jobs_of_slurm()) - set(before), seconds)
        return [job for job in self.jobs_of_slurm() if job not in before]


@pytest.fixture(scope="module", autouse=True)
def up(tmp_path_factory):
    with two_nodes(tmp_path_factory.mktemp("slurm")):
        yield


@pytest.fixture(scope="module")
def run(finished, tmp_path_factory):
    """The whole DAG from nothing, its output and what it took."""
    scratch = tmp_path_factory.mktemp("on_slurm")
    ignored = shutil.ignore_patterns(".snakemake", "downloads")
    shutil.copytree(finished, scratch / "project", symlinks=True, ignore=ignored)
    for name in ("data", "weights", "sr", "scores", "profile", "tables", "figures", "report", "audit", "attribution"):
        shutil.rmtree(scratch / "project/results" / name, ignore_errors=True)
    project = OnSlurm(scratch / "project", scratch)
    start = time.monotonic()
    out = project.run()
    return project, out, time.monotonic() - start


def test_scores_and_tables_are_those_of_a_local_run(run, finished):
    project, _, _ = run
    for pattern in ("scores/**/*.csv", "tables/*/*/quality.*", "sr/**/*.png"):
        found = sorted((finished / "results").glob(pattern))
        assert found
        for path in found:
            assert sha256(path) == sha256(project.folder / path.relative_to(finished)), path


def test_a_run_is_few_jobs_and_only_networks_take_a_gpu(run):
    _, out, _ = run
    assert 5 < out.count("has been submitted with SLURM jobid") <= 20
    assert "'main' for job data" in out and "'main' for job render" in out and "'gpu' for job train_model" in out


def test_latency_was_measured_alone(run):
    project, _, _ = run
    profiles = [json.loads(path.read_text()) for path in (project.folder / "results/profile/x4").glob("*.json")]
    assert [profile["latency"]["node"] for profile in profiles] == ["exclusive"] * 4


def test_scores_of_shards_are_those_without(run):
    project, _, _ = run
    target = "results/scores/synthetic/x4-bicubic/edsr_test.csv"
    before = sha256(project.folder / target)
    (project.folder / target).unlink()
    shutil.rmtree(project.folder / "results/sr/synthetic/x4-bicubic/edsr_test")
    project.change(shards={"images": 3})
    try:
        out = project.run("--", target)
    finally:
        project.changes.unlink()
    assert sha256(project.folder / target) == before
    assert len(list(project.folder.glob("results/shards/*/*/edsr_test/*/scores.csv"))) == 3  # of 8 images
    assert 4 <= out.count("has been submitted with SLURM jobid") <= 8


@pytest.fixture
def long_training(run):
    """The project, whose training is far longer than any test, the training's log and its target."""
    project, _, _ = run
    project.change(training={"test": {"iterations": 10**6, "checkpoint_every": 50, "log_every": 50}})
    log = project.folder / "results/logs/train_model/edsr_test/synthetic-x4-seed10.log"
    yield project, log, WEIGHTS.format("edsr_test")
    project.changes.unlink()


def restarted(job: str, log: Path, at_once: bool) -> None:
    """Wait until Slurm has queued a training's job again and, at once or two minutes later, started it to resume."""
    wait_until(lambda: "Reason=BeginTime" in told("scontrol", "show", "job", job), 240)
    log.write_text("")
    if at_once:
        told("scontrol", "update", f"jobid={job}", "starttime=now")
    wait_until(lambda: "resumed after iteration" in log.read_text(), 240)


def test_a_training_longer_than_its_limit_goes_on_and_a_killed_client_submits_it_once(long_training):
    project, log, target = long_training
    options = ("--set-resources", "train_model:runtime=1", "--retries", "0")
    with subprocess.Popen(**project.process(*options, "--", target), stdout=subprocess.PIPE) as client:
        (job,) = project.new_jobs()
        restarted(job, log, at_once=True)
        assert client.poll() is None
        client.send_signal(signal.SIGKILL)
    # The client was killed, its job lives: a new run would submit it a second time.
    code, out = project.snakemake("--", target)
    assert code and f"are still running in this folder: {job}: wait until they end, or run `scancel {job}`" in out
    subprocess.run(["scancel", job], check=True)
    wait_until(lambda: not project.jobs_of_slurm(), 60)


def test_a_training_goes_on_after_a_node_failure_and_when_it_is_cancelled(long_training):
    project, log, target = long_training
    log.write_text("")
    with subprocess.Popen(**project.process("--", target), stdout=subprocess.PIPE, text=True) as client:
        (job,) = project.new_jobs()
        wait_until(lambda: "resumed after iteration" in log.read_text(), 120)  # the training of the test above
        told("scontrol", "update", "nodename=gpu1", "state=down", "reason=test")
        told("scontrol", "update", "nodename=gpu1", "state=resume")
        restarted(job, log, at_once=False)  # the node has to end what it ran
        subprocess.run(["scancel", job], check=True)
        log.write_text("")
        assert project.new_jobs(120) != [job]
        wait_until(lambda: "resumed after iteration" in log.read_text(), 120)
        client.send_signal(signal.SIGINT)
        out, _ = client.communicate(timeout=120)
    assert "CANCELLED" in out
    wait_until(lambda: not project.jobs_of_slurm(), 60)


@pytest.mark.skipif(not ENFORCES_MEMORY, reason="this kernel has no cgroup v1 for memory, so that Slurm enforces none")
def test_a_job_out_of_memory_says_so_and_has_more_in_its_next_try(run):
    project, _, _ = run
    target = WEIGHTS.format("edsr_test")
    (project.folder / target).unlink(missing_ok=True)
    out = project.run("--set-resources", "train_model:mem_mb=150 * attempt ** 3", "--", target)
    assert "OUT_OF_MEMORY" in out
    assert project.jobs("--", target) == set()


@pytest.mark.parametrize("asked", ["gpu=5", "runtime=20000"])
def test_a_job_that_no_partition_takes_is_refused_at_once(run, asked):
    project, _, _ = run
    target = WEIGHTS.format("edsr_test")
    (project.folder / target).unlink(missing_ok=True)
    limits = ("--resources", "gpu=5") if asked.startswith("gpu") else ()
    code, out = project.snakemake(*limits, "--retries", "0", "--set-resources", f"train_model:{asked}", "--", target)
    assert code and slurm.NOWHERE in out and "train_model" in out
    assert not project.jobs_of_slurm()


def test_the_partitions_of_this_cluster_are_those_of_the_profile(tmp_path):
    assert rssr("partitions", "-o", tmp_path / "written.yaml").returncode == 0
    found = yaml.safe_load((tmp_path / "written.yaml").read_text())["partitions"]
    assert found["main"] == {"max_threads": 8, "max_mem_mb": 32000, "max_runtime": 7 * 24 * 60}
    assert found["gpu"] == {"max_threads": 16, "max_mem_mb": 64000, "max_gpu": 2, "max_runtime": 7 * 24 * 60}
