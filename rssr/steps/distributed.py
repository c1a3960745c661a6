"""Several processes that train one network, each on a device of its own and with its share of every batch."""

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from rssr.base.errors import UserError


@dataclass(frozen=True)
class Team:
    """The processes of a training run. In one that is alone, each method leaves everything as it is.

    Attributes:
        rank: the number of this process, from 0; the first alone writes files and messages.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    def mean(self, values: Tensor) -> Tensor:
        """The mean over the processes, in place; the same bytes in each."""
        if self.size > 1:
            dist.all_reduce(values)
            values /= self.size
        return values

    def average_gradients(self, network: nn.Module) -> None:
        """Make the gradients of the shares, which are equally large, those of the whole batch."""
        if self.size == 1:
            return
        gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
        flat = self.mean(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = flat.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view(gradient.shape))

    def as_first(self, told: bool) -> bool:
        """What the first process was told; the others wait for it here, but none waits for its device."""
        if self.size == 1:
            return told
        found = torch.tensor(int(told))
        dist.broadcast(found, 0)
        return bool(found)

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """The first process leaves the block before the others enter it."""
        if self.rank:
            self.as_first(False)
        yield
        if not self.rank:
            self.as_first(False)


@contextmanager
def team(size: int, device: torch.device) -> Iterator[Team]:
    """The processes of this script's training run: this one, or `size` that torchrun starts by the same command.

    The process that starts them ends here, with them.

    Args:
        size: number of processes.
        device: a CPU, or CUDA: then each process takes a GPU of its own.

    Raises:
        UserError: for more processes than GPUs.
    """
    if size == 1:
        yield Team()
        return
    if not dist.is_torchelastic_launched():
        _start(size, device)
        sys.exit()
    if os.environ["RANK"] != "0":
        os.environ.pop("SLURM_JOB_ID", None)  # the first alone asks Slurm to start the job again
    torch.set_num_threads(max(1, torch.get_num_threads() // size))
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        yield Team(dist.get_rank(), size)
    except UserError:
        if dist.get_rank():
            time.sleep(10)  # an error of all is told by the first, whose end ends the others
        raise
    dist.destroy_process_group()


def _start(size: int, device: torch.device) -> None:
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main

    if device.type == "cuda" and size > (found := torch.cuda.device_count()):
        raise UserError(
            f"`devices: {size}`: PyTorch finds {found} here",
            "lower it in the recipe, which changes the weights by rounding alone, or ask for that many GPUs",
        )
    logging.disable()  # torchrun's report on failures; the process that fails says why
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    options = "--standalone", f"--nproc-per-node={size}", "--signals-to-handle=SIGTERM,SIGINT,SIGUSR1"
    try:
        main([*options, *sys.argv])
    except SignalException:
        sys.exit(1)
    except ChildFailedError as error:
        failure = error.get_first_failure()[1]
        sys.exit(1 if failure.exitcode > 0 else f"error: a training process was ended by {failure.signal_name()}")
