"""The DAG of config/test.yaml on a Slurm of two nodes: equal to a local run's bytes, and the faults of a cluster.

Started by `make test-slurm`.
"""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest
from cluster import slurm, told, wait_until
from runs import WEIGHTS, Project

from rssr.base.files import sha256

pytestmark = pytest.mark.skipif(not os.environ.get("RSSR_SLURM"), reason="brings up a Slurm: make test-slurm")
PROFILE = ("--workflow-profile", "profiles/slurm")


class OnSlurm(Project):
    """Runs are submitted to Slurm."""

    def arguments(self, *arguments: str) -> list[str]:
        changes = [str(self.changes)] if self.changes.exists() else []
        return [*PROFILE, "--configfile", "config/test.yaml", *changes, *arguments]

    def jobs_of_slurm(self) -> list[str]:
        return told("squeue", "--me", "-h", "-o", "%i").split()


@pytest.fixture(scope="module", autouse=True)
def up(tmp_path_factory):
    with slurm(tmp_path_factory.mktemp("slurm")):
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


def test_a_training_longer_than_its_limit_goes_on_until_it_is_done(run):
    project, _, _ = run
    longer = {"iterations": 10**6, "checkpoint_every": 50, "log_every": 50}
    project.change(training={"test": longer})
    options = ("--set-resources", "train_model:runtime=1", "--retries", "0")
    target = WEIGHTS.format("edsr_test")
    with subprocess.Popen(**project.process(*options, "--", target), stdout=subprocess.PIPE) as client:
        jobs = []
        wait_until(lambda: jobs.extend(project.jobs_of_slurm()) or jobs, 60)
        wait_until(lambda: "Restarts=1" in told("scontrol", "show", "job", jobs[0]), 240)
        log = project.folder / "results/logs/train_model/edsr_test/synthetic-x4-seed10.log"
        wait_until(lambda: "resumed after iteration" in log.read_text(), 240)
        assert client.poll() is None
        client.send_signal(signal.SIGKILL)
    # The client was killed, its job lives: a new run would submit it a second time.
    code, out = project.snakemake("--", target)
    assert (
        code and f"are still running in this folder: {jobs[0]}: wait until they end, or run `scancel {jobs[0]}`" in out
    )
    subprocess.run(["scancel", jobs[0]], check=True)
    wait_until(lambda: not project.jobs_of_slurm(), 60)
    project.changes.unlink()
    assert project.run("--", target)
    assert project.jobs("--", target) == set()
