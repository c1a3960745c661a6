"""The selective scan on the CPU: fused loops that Numba compiles, on as many threads as PyTorch uses.

Gu and Dao, "Mamba" (arXiv 2312.00752), section 3.3, is the idea: states never leave the cache. A task is LANES
channels, which vector instructions treat at once, with an exponential made for them. The gradient is the recurrence
backwards: the states are kept every CHUNK tokens, and those in between are computed once more.

Measured on one thread of an AMD EPYC (348 channels, 16 states, 4096 tokens, forward): 16 ms, against 110 ms
token by token in PyTorch and, on a busy machine, over a hundred times this for a scan by doubling in whole tensors
(benchmarks/selective_scan.py), which is why there is no such backend.
"""

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numba
import numpy as np
import torch
from numba.extending import overload
from torch import Tensor

from rssr.models.mambairv2.selective_scan import CHUNK

LANES = 32  # channels of a task: two to four vectors, so that one does not wait for the other

# Sums may be reordered, or they would not be vectors; NaN and infinity stay what they are.
_OPTIONS = {"nogil": True, "fastmath": {"reassoc", "contract", "nsz"}, "error_model": "numpy"}


def _jit(function: Callable) -> Callable:
    """Compiled by Numba, and kept on the disk where a folder can be written, as none can in some containers."""
    try:
        return numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:
        return numba.njit(**_OPTIONS)(function)


_LOG2_E, _LN_2 = np.float32(1 / math.log(2)), np.float32(math.log(2))
_LOWEST, _HIGHEST = np.float32(-87), np.float32(88)  # beyond these a float32 exponential is not a normal number
_ROUNDED_BIAS, _BIAS, _MANTISSA_BITS = np.float32(127.5), np.int32(127), np.int32(23)
_E0, _E1, _E2, _E3, _E4, _E5, _E6, _E7 = (np.float32(1 / math.factorial(k)) for k in range(8))
_L0, _L1, _L2, _L3, _L4, _L5, _L6, _L7 = (np.float32(2 / (2 * k + 1)) for k in range(8))
_ZERO, _TWO = np.float32(0), np.float32(2)


def _exp(x: float) -> float:
    """exp(x); in float32 to 3e-7 relative (1e-38 below -87), without the branches and tables of the C library."""
    return math.exp(x)


@overload(_exp)
def _exp_for(x):
    if x != numba.float32:
        return lambda x: math.exp(x)

    def exp32(x):
        # exp(x) = 2^k exp(r): 2^k is written into the exponent's bits, exp(r) is its Taylor sum for |r| <= ln(2) / 2.
        x = _LOWEST if x < _LOWEST else x
        x = _HIGHEST if x > _HIGHEST else x
        k = np.int32(x * _LOG2_E + _ROUNDED_BIAS)
        r = x - np.float32(np.int32(k - _BIAS)) * _LN_2
        taylor = _E4 + r * (_E5 + r * (_E6 + r * _E7))
        taylor = _E0 + r * (_E1 + r * (_E2 + r * (_E3 + r * taylor)))
        return taylor * np.int32(k << _MANTISSA_BITS).view(np.float32)

    return exp32


def _softplus(x: float) -> float:
    """log(1 + exp(x)), to the same precision however small it is."""
    return max(x, 0) + math.log1p(math.exp(-abs(x)))


@overload(_softplus)
def _softplus_for(x):
    if x != numba.float32:
        return lambda x: max(x, 0) + math.log1p(math.exp(-abs(x)))

    def softplus32(x):
        # log(1 + z) = 2 artanh(s), s = z / (2 + z) <= 1 / 3, by its power series.
        z = _exp(-abs(x))
        s = z / (_TWO + z)
        q = s * s
        series = _L4 + q * (_L5 + q * (_L6 + q * _L7))
        series = _L0 + q * (_L1 + q * (_L2 + q * (_L3 + q * series)))
        return (x if x > _ZERO else _ZERO) + s * series

    return softplus32


@_jit
def _task(number, channels, groups):
    """What a task works on: image, group, first channel and how many."""
    per_group = channels // groups
    blocks = (per_group + LANES - 1) // LANES
    block = number % blocks
    group = number // blocks % groups
    return number // blocks // groups, group, group * per_group + block * LANES, min(LANES, per_group - block * LANES)


@_jit
def _transposed(A, low, width):
    """The decay rates of a task, state by state; zero in lanes without a channel."""
    rates = np.zeros((A.shape[1], LANES), A.dtype)
    rates[:, :width] = A[low : low + width].T
    return rates


@numba.njit(inline="always")
def _load_token(place, row, u, delta, bias, raw, step, x):
    """Fill a row of raw, step and x: the step size before and after the softplus, and its product with u."""
    b, low, width, t = place
    for i in range(width):
        raw[row, i] = delta[b, low + i, t] + bias[low + i]
        x[row, i] = u[b, low + i, t]
    for i in range(LANES):
        step[row, i] = _softplus(raw[row, i])
    for i in range(LANES):
        x[row, i] *= step[row, i]


@numba.njit(inline="always")
def _advance(row, step, x, rates, B, token, decay, h):
    """The states after a token, and the decays that led there."""
    b, g, t = token
    for n in range(rates.shape[0]):
        enter = B[b, g, t, n]
        for i in range(LANES):
            decay[row, n, i] = _exp(step[row, i] * rates[n, i])
            h[row + 1, n, i] = decay[row, n, i] * h[row, n, i] + x[row, i] * enter


@numba.njit(inline="always")
def _retreat(row, step, x, rates, B, C, token, decay, h, dy, dh, slopes, dx, dt, dB, dC):
    """Take the gradient of the state, dh, back over a token; add to those of the rates, of B and of C.

    Overwrites dx, the gradient of x, and dt, that of the step size through the decay alone.
    """
    b, g, t = token
    dx[:] = 0
    dt[:] = 0
    for n in range(rates.shape[0]):
        enter, read = B[b, g, t, n], C[b, g, t, n]
        by_enter, by_read = dh.dtype.type(0), dh.dtype.type(0)
        for i in range(LANES):
            by_read += dy[i] * h[row + 1, n, i]
            total = dh[n, i] + dy[i] * read
            by_enter += total * x[row, i]
            dx[i] += total * enter
            total *= decay[row, n, i]
            dh[n, i] = total
            total *= h[row, n, i]  # now the gradient of step * rate
            slopes[n, i] += total * step[row, i]
            dt[i] += total * rates[n, i]
        dB[b, g, t, n] += by_enter
        dC[b, g, t, n] += by_read


@_jit
def _forward_tasks(first, last, u, delta, A, B, C, D, bias, y, states):
    channels, length = u.shape[1:]
    size = A.shape[1]
    h = np.empty((size, LANES), u.dtype)
    raw, step, x = np.zeros((3, 1, LANES), u.dtype)
    total = np.zeros(LANES, u.dtype)
    for number in range(first, last):
        task = _task(number, channels, B.shape[1])
        b, g, low, width = task
        rates = _transposed(A, low, width)
        h[:] = 0
        x[:] = 0
        for t in range(length):
            if t % CHUNK == 0 and states.shape[2] > 0:
                states[b, low : low + width, t // CHUNK] = h[:, :width].T
            _load_token((b, low, width, t), 0, u, delta, bias, raw, step, x)
            total[:] = 0
            for n in range(size):
                enter, read = B[b, g, t, n], C[b, g, t, n]
                for i in range(LANES):
                    new = _exp(step[0, i] * rates[n, i]) * h[n, i] + x[0, i] * enter
                    h[n, i] = new
                    total[i] += new * read
            for i in range(width):
                y[b, low + i, t] = total[i] + D[low + i] * u[b, low + i, t]


@_jit
def _backward_tasks(first, last, grad, u, delta, A, B, C, D, bias, states, du, ddelta, dA, dB, dC):
    channels, length = u.shape[1:]
    size = A.shape[1]
    h = np.zeros((CHUNK + 1, size, LANES), u.dtype)  # the states before each token, and after the last
    decay = np.empty((CHUNK, size, LANES), u.dtype)
    raw, step, x = np.zeros((3, CHUNK, LANES), u.dtype)
    dy, dx, dt = np.zeros((3, LANES), u.dtype)  # gradients of the output, of x, and of the step size in the decay
    for number in range(first, last):
        task = _task(number, channels, B.shape[1])
        b, g, low, width = task
        rates = _transposed(A, low, width)
        dh, slopes = np.zeros_like(rates), np.zeros_like(rates)  # of the state, of the rates
        raw[:], x[:], h[:], dy[:] = 0, 0, 0, 0  # also in lanes without a channel, which sums over lanes include
        for chunk in range(states.shape[2] - 1, -1, -1):
            start = chunk * CHUNK
            tokens = min(CHUNK, length - start)
            h[0, :, :width] = states[b, low : low + width, chunk].T
            for t in range(tokens):
                _load_token((b, low, width, start + t), t, u, delta, bias, raw, step, x)
                _advance(t, step, x, rates, B, (b, g, start + t), decay, h)
            for t in range(tokens - 1, -1, -1):
                s = start + t
                for i in range(width):
                    dy[i] = grad[b, low + i, s]
                _retreat(t, step, x, rates, B, C, (b, g, s), decay, h, dy, dh, slopes, dx, dt, dB, dC)
                for i in range(width):
                    du[b, low + i, s] = D[low + i] * dy[i] + dx[i] * step[t, i]
                    sigmoid = _exp(raw[t, i] - step[t, i])
                    ddelta[b, low + i, s] = (dt[i] + dx[i] * u[b, low + i, s]) * sigmoid
        dA[b, low : low + width] = slopes[:, :width].T


def forward(inputs: Sequence[Tensor], keep: bool) -> tuple[Tensor, Tensor]:
    """The output, laid out as u, and the states before every chunk, (B, D, chunks, N), if they are to be kept.

    The inputs are the seven of selective_scan(), with B and C of four dimensions.
    """
    u, _, A, B, *_ = inputs
    batch, channels, length = u.shape
    prepared = _prepared(*inputs)
    y = torch.empty_like(prepared[0])
    states = y.new_empty(batch, channels, -(-length // CHUNK) if keep else 0, A.shape[1])
    workers = _workers(B, channels)
    _spread(_forward_tasks, _tasks(B, channels), [(*prepared, y, states)] * workers)
    return y.to(u.dtype), states


def backward(grad: Tensor, inputs: Sequence[Tensor], states: Tensor) -> tuple[Tensor, ...]:
    """The gradients of the seven inputs, from that of the output and the states that forward() kept."""
    u, _, A, B, *_ = inputs
    prepared, grad = _prepared(*inputs), grad.to(states.dtype)
    du, ddelta = torch.empty_like(prepared[0]), torch.empty_like(prepared[1])
    dA = states.new_zeros(u.shape[0], *A.shape)
    # The channels of a group share B and C, so each thread sums their gradients for itself.
    workers = _workers(B, u.shape[1])
    dB, dC = states.new_zeros(2, workers, *prepared[3].shape)
    common = grad, *prepared, states, du, ddelta, dA
    _spread(_backward_tasks, _tasks(B, u.shape[1]), [(*common, dB[i], dC[i]) for i in range(workers)])
    dD, dbias = torch.einsum("bdl,bdl->d", grad, prepared[0]), ddelta.sum((0, 2))
    found = du, ddelta, dA.sum(0), dB.sum(0).mT, dC.sum(0).mT, dD, dbias
    # Laid out as the inputs, which torch.compile is told by selective_scan.py.
    return tuple(torch.empty_like(t).copy_(value) for value, t in zip(found, inputs, strict=True))


def _prepared(*inputs: Tensor) -> tuple[Tensor, ...]:
    """The inputs in the precision of the state, with B and C token by token."""
    work = torch.promote_types(inputs[0].dtype, torch.float32)
    u, delta, A, B, C, D, delta_bias = (t.detach().to(work) for t in inputs)
    # Transposed by NumPy: after a parallel operator, PyTorch's threads spin for milliseconds on cores needed here.
    B, C = (torch.from_numpy(np.ascontiguousarray(t.numpy().swapaxes(-1, -2))) for t in (B, C))
    return u, delta, A.contiguous(), B, C, D.contiguous(), delta_bias.contiguous()


def _tasks(B: Tensor, channels: int) -> int:
    batch, groups = B.shape[:2]
    return batch * groups * -(-(channels // groups) // LANES)


def _workers(B: Tensor, channels: int) -> int:
    """PyTorch's number of threads, or that of the tasks."""
    return min(torch.get_num_threads(), _tasks(B, channels))


def _spread(function: Callable, count: int, arguments: list[tuple[Tensor, ...]]) -> None:
    """Run tasks 0 to count on a thread for each of the arguments; Numba's own would spin while PyTorch's do."""
    workers = len(arguments)
    limits = [count * i // workers for i in range(workers + 1)]
    arrays = [tuple(t.numpy() for t in own) for own in arguments]

    def work(i: int) -> None:
        function(limits[i], limits[i + 1], *arrays[i])

    if workers == 1:
        return work(0)
    list(_pool(os.getpid(), workers).map(work, range(workers)))


@lru_cache(maxsize=4)
def _pool(process: int, workers: int) -> ThreadPoolExecutor:
    """Threads that are kept between calls, of their own for each process: they do not survive a fork."""
    return ThreadPoolExecutor(workers)
