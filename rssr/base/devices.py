"""The device that a script computes on, and in which precision: the one place that sets PyTorch's backends."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor

from rssr.base.errors import UserError
from rssr.base.parallel import usable_cores

# Precision -> what autocast computes products and convolutions in. On a GPU tf32 is fp32 with products in TF32.
PRECISIONS = {"fp32": None, "tf32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
_BACKENDS = torch.backends.cuda.matmul, torch.backends.cudnn
# The operators of PyTorch (its autocast_mode.h) for which autocast rounds, without those of recurrent networks.
_PRODUCTS = (
    *("conv1d", "conv2d", "conv3d", "linear", "matmul", "mm", "bmm", "addmm", "baddbmm"),
    *("conv1d.padding", "conv2d.padding", "conv3d.padding", "scaled_dot_product_attention"),
    *("conv_transpose1d", "conv_transpose2d.input", "conv_transpose3d.input"),
)
# Where code of others may set it as well; while these differ from each other, allow_tf32 cannot be read.
_FINER = (
    torch.backends,
    *(torch.backends.mkldnn, torch.backends.mkldnn.matmul, torch.backends.mkldnn.conv),
    *(torch.backends.cudnn, torch.backends.cudnn.conv, torch.backends.cudnn.rnn),
)


def add_options(parser: argparse.ArgumentParser, gpu: bool = True, threads: int = 1) -> None:
    """Add --threads and, where a GPU can be used, --device to the options of a script or command."""
    parser.set_defaults(device="cpu")
    if gpu:
        parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cuda or cpu")
    parser.add_argument("--threads", type=_threads, default=threads, help="of PyTorch on the CPU, not above its cores")


def _threads(text: str) -> int:
    """A number of threads; more than there are cores would wait for each other in every operation."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number of at least 1 is expected, not {text!r}")
    return min(int(text), usable_cores())


def prepare(arguments: argparse.Namespace) -> torch.device:
    """Set threads and precision as the options say, see select(); the device."""
    torch.set_num_threads(arguments.threads)
    return select(arguments.device)


def select(name: str) -> torch.device:
    """The device of a name; from here on fp32 is fp32, without TF32 on a GPU, where PyTorch's convolutions use it.

    Raises:
        UserError: for a device that PyTorch does not know, cannot use or does not find.
    """
    try:
        device = torch.device(name)
        if device.type != "cuda":  # there it would take memory that a process with children has no use for
            torch.empty(1, device=device).cpu()
    except (RuntimeError, NotImplementedError, AssertionError):
        raise UserError(
            f"--device {name}: PyTorch can use no such device here", "use --device cuda or --device cpu"
        ) from None
    if device.type == "cuda" and torch.cuda.device_count() <= (device.index or 0):
        raise UserError(f"--device {name}: PyTorch finds no CUDA device here", "use --device cpu")
    _allow_tf32(False)
    return device


@contextmanager
def products(precision: str, device: torch.device) -> Iterator[None]:
    """How products and convolutions are computed, as a precision says; after the block as before it.

    On a GPU those of fp32 tensors in TF32 or in full; on a CPU for which PyTorch has no kernels of bf16, those that
    autocast would compute in it by the kernels of fp32, also where a backward pass computes a forward pass once more.
    UserError for TF32 on a CPU.
    """
    if precision == "tf32" and device.type != "cuda":
        raise UserError("precision: tf32 is a precision of NVIDIA's GPUs", "set fp32 to compute on the CPU")
    with backends_kept():
        _allow_tf32(precision == "tf32")
        with _rounded_products() if lacks_kernels(precision, device) else nullcontext():
            yield


@contextmanager
def backends_kept() -> Iterator[None]:
    """After the block, products and convolutions are computed as before it."""
    before, finer = [_allows_tf32(backend) for backend in _BACKENDS], [part.fp32_precision for part in _FINER]
    try:
        yield
    finally:
        for part, value in zip(_FINER, finer, strict=True):
            part.fp32_precision = value
        for backend, value in zip(_BACKENDS, before, strict=True):
            if value is not None:
                backend.allow_tf32 = value


def autocast(precision: str, device: torch.device) -> AbstractContextManager:
    """What a forward pass runs in, inside of products(); parameters stay fp32 in every precision."""
    dtype = PRECISIONS[precision]
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def lacks_kernels(precision: str, device: torch.device) -> bool:
    """Whether PyTorch has no kernels of a precision for this CPU, only loops that are many times slower."""
    if precision != "bf16" or device.type != "cpu":
        return False
    return not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported())


@contextmanager
def _rounded_products() -> Iterator[None]:
    """Under autocast on the CPU, products of values rounded to bf16 are computed by the kernels of fp32, and rounded.

    So do kernels of bf16: the product of two such values is exact in fp32, in which they add. Gradients are rounded
    likewise, since a rounding passes them on in the precision of its input.
    """
    with torch.library._scoped_library("aten", "IMPL") as library:  # in place of what autocast does at these operators
        for name in _PRODUCTS:
            operator, _, overload = name.partition(".")
            product = getattr(getattr(torch.ops.aten, operator), overload or "default")
            library.impl(name, partial(_rounded_product, product), "AutocastCPU")
        yield


def _rounded_product(product: Callable, *given: Any, **named: Any) -> Tensor:
    dtypes = {value.dtype for value in (*given, *named.values()) if isinstance(value, Tensor)}
    with torch.autocast("cpu", enabled=False):
        if not dtypes <= {torch.float32, torch.bfloat16, torch.float16}:  # fp64 and integers stay what they are
            return product(*given, **named)
        named = {name: _rounded(value) for name, value in named.items()}
        return product(*map(_rounded, given), **named).bfloat16()


def _rounded(value: Any) -> Any:
    return value.bfloat16().float() if isinstance(value, Tensor) else value


def precision_in_use() -> str:
    """fp32 or tf32, as the backends are set: what a record says of a result that was computed without autocast."""
    return "fp32" if all(_allows_tf32(backend) is False for backend in _BACKENDS) else "tf32"


def _allows_tf32(backend: Any) -> bool | None:
    """Whether a backend may compute in TF32; None where _FINER differ, so that a part of it may."""
    try:
        return backend.allow_tf32
    except RuntimeError:
        return None


def _allow_tf32(allowed: bool) -> None:
    for backend in _BACKENDS:
        backend.allow_tf32 = allowed
