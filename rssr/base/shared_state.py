"""What all code in a process shares: generators of random numbers, and settings that code of others may change."""

import os
import pickle
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from rssr.base.devices import backends_kept

_SETTINGS = (
    (os.getcwd, os.chdir),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.get_default_dtype, torch.set_default_dtype),
    # No default is not the same as the CPU as one, which every call of PyTorch would have to look at.
    (torch.get_default_device, lambda _: torch.set_default_device(None)),
    (torch.is_grad_enabled, torch.set_grad_enabled),
)


def seed_generators(value: int) -> None:
    """Seed PyTorch's generator, and those of NumPy and Python, from which networks of users may draw as well."""
    if torch.accelerator.is_available():
        torch.manual_seed(value)
    else:  # torch.manual_seed() keeps a note of each call for a GPU that may be used later
        torch.default_generator.manual_seed(value)
    random.seed(value)
    np.random.seed(value % 2**32)  # noqa: NPY002, it is theirs


def generator_states() -> bytes:
    """The states of these generators, which are others once something was drawn."""
    states = [torch.get_rng_state().numpy()]
    if torch.accelerator.is_available():
        states.append(torch.get_device_module().get_rng_state().numpy())
    return pickle.dumps((random.getstate(), np.random.get_state(), states))  # noqa: NPY002


@contextmanager
def generators_kept() -> Iterator[None]:
    """After the block, the generators on the CPU go on as if it had drawn nothing and seeded none."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


@contextmanager
def settings_kept() -> Iterator[None]:
    """After the block, working folder, threads, precision, defaults and gradients of this process are as before it."""
    before = [get() for get, _ in _SETTINGS]
    try:
        with backends_kept():
            yield
    finally:
        for (get, put), value in zip(_SETTINGS, before, strict=True):
            if get() != value:
                put(value)
