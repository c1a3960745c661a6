"""A Slurm of two nodes on this machine: `cpu1` in partition main, `gpu1` with two pretended GPUs in partition gpu."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

CONFIGURATION = """
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/{tasks}
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
MpiDefault=none
KillWait=5
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=cpu1 NodeHostname=localhost NodeAddr=127.0.0.1 Port=6921 CPUs=8 CoresPerSocket=8 RealMemory=32000
NodeName=gpu1 NodeHostname=localhost NodeAddr=127.0.0.1 Port=6922 CPUs=16 CoresPerSocket=16 RealMemory=64000 Gres=gpu:2
PartitionName=main Nodes=cpu1 Default=YES DefMemPerCPU=500 MaxTime=7-0
PartitionName=gpu Nodes=gpu1 DefMemPerCPU=500 MaxTime=7-0
"""
PLACE = Path("/etc/slurm")
ENFORCES_MEMORY = os.access("/sys/fs/cgroup/memory", os.W_OK)  # cgroup v1
CGROUP = "CgroupPlugin=cgroup/v1\nCgroupMountpoint=/sys/fs/cgroup\nConstrainRAMSpace=yes\n"
GPUS = "AutoDetect=off\nNodeName=gpu1 Name=gpu File=/dev/null\nNodeName=gpu1 Name=gpu File=/dev/zero\n"


def install() -> None:
    """Install Slurm where apt can; skip where it cannot."""
    if shutil.which("slurmctld"):
        return
    if os.geteuid() or not shutil.which("apt-get"):
        pytest.skip("there is no Slurm on this machine, and installing it takes root and apt")
    for command in (["update", "-qq"], ["install", "-y", "--no-install-recommends", "slurm-wlm", "munge"]):
        if subprocess.run(["apt-get", *command], capture_output=True).returncode:
            pytest.skip("there is no Slurm on this machine, and apt cannot get it")


@contextmanager
def two_nodes(folder: Path) -> Iterator[None]:
    """Slurm is up inside, with its state in `folder`; then it is down again."""
    install()
    for name in ("state", "spool.cpu1", "spool.gpu1"):
        (folder / name).mkdir(parents=True)
    # Jobs do not inherit SLURM_CONF, so the files stand where Slurm looks for them, for as long as it is up.
    if (PLACE / "slurm.conf").exists():
        pytest.skip(f"this machine has a Slurm of its own: {PLACE / 'slurm.conf'}")
    tasks = "cgroup" if ENFORCES_MEMORY else "none"
    written = {"slurm.conf": CONFIGURATION.format(folder=folder, tasks=tasks), "gres.conf": GPUS, "cgroup.conf": CGROUP}
    socket, munged = Path("/run/munge/munge.socket.2"), Path("/run/munge/munged.pid")
    started = [["slurmctld"], ["slurmd", "-N", "cpu1"], ["slurmd", "-N", "gpu1"]]
    if own_munge := not socket.exists():
        started.insert(0, ["runuser", "-u", "munge", "--", "munged"])
    if os.geteuid() or not os.access(PLACE, os.W_OK):
        pytest.skip(f"bringing Slurm up takes root, which may write into {PLACE}")
    try:
        for name, text in written.items():
            (PLACE / name).write_text(text)
        socket.parent.mkdir(exist_ok=True)
        shutil.chown(socket.parent, "munge", "munge")
        for command in started:
            subprocess.run(command, check=True)
        wait_until(lambda: told("sinfo", "-h", "-N", "-o", "%t").split() == ["idle", "idle"], 60)
        yield
    finally:
        files = [*folder.glob("*.pid"), *([munged] if own_munge and munged.exists() else [])]
        running = [int(file.read_text()) for file in files]
        for process in running:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
        try:
            wait_until(lambda: not any(Path(f"/proc/{process}").exists() for process in running), 60)
        finally:
            for name in written:
                (PLACE / name).unlink(missing_ok=True)


def told(*command: str) -> str:
    """What a command of Slurm prints."""
    return subprocess.run(command, capture_output=True, text=True).stdout


def wait_until(condition, seconds: float) -> None:
    """Fail unless a condition holds within some seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, told("squeue", "-l") + told("sinfo")
        time.sleep(0.5)
