"""What a network costs before it runs: parameters and multiply-accumulates (MACs; FLOPs are twice that)."""

import logging
import math
import string
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import nn

from rssr.base.errors import in_words

# Operators that move or name numbers and compute nothing; every other one is counted or listed.
_MOVES = """
alias arange cat chunk clone complex constant_pad_nd contiguous copy_ detach dim dropout empty empty_like expand
expand_as fill_ flatten flip full full_like gather __getitem__ im2col imag index index_put_ index_select Int len
lift_fresh linspace masked_fill meshgrid movedim mT narrow new_empty new_full new_ones new_zeros numel numpy_T
ones ones_like pad permute pixel_shuffle pixel_unshuffle real reflection_pad2d repeat replication_pad2d reshape
resolve_conj roll ScalarImplicit scatter select size slice split split_with_sizes squeeze stack swapaxes swapdims
t to transpose tril triu type_as unbind unflatten unfold unsqueeze view view_as view_as_complex view_as_real where
zeros zeros_like
"""


def count_parameters(model: nn.Module) -> int:
    """The number of parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_macs(model: nn.Module, x: torch.Tensor) -> dict[str, Any]:
    """Multiply-accumulates of one call: fvcore's counts, and those of HANDLES for operators that it does not count.

    A multiply-add is one. Products, convolutions, norms, resizing, pooling, attention, scans and transforms are
    counted; activations and other arithmetic on single elements are not, as is usual, but are listed.

    Args:
        model: the network, in eval mode.
        x: its input, (B, 3, h, w).

    Returns:
        `total`, `by_operator`, and `not_counted`: every other operator that computes something, with how often it is
        called. If PyTorch cannot trace the network, as with parts that are compiled or scripted, `total` is None and
        `reason` says why.
    """
    from fvcore.nn import FlopCountAnalysis

    logging.getLogger("fvcore").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing warns of every shape that it fixes; the shape here is meant to be
        analysis = FlopCountAnalysis(model, x)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        analysis._ignored_ops = {
            f"aten::{name}" for name in _MOVES.split()
        }  # fvcore's own list hides sums and products too
        for name, handle in HANDLES.items():
            analysis.set_op_handle(name, handle)
        try:
            total = int(analysis.total())
        except Exception as error:  # tracing fails in many ways, inside of a network's own checks too
            reason = in_words(error.__cause__ or error)
            return {"total": None, "by_operator": {}, "not_counted": {}, "reason": reason}
        return {
            "total": total,
            "by_operator": {name: int(count) for name, count in sorted(analysis.by_operator().items())},
            "not_counted": dict(sorted(analysis.unsupported_ops().items())),
        }


def _shape(value: Any) -> list[int]:
    return value.type().sizes()


def _numbers(value: Any) -> list[int] | None:
    """An int, or a list of them, that was a constant while tracing; None for None."""
    if value.node().kind() == "prim::ListConstruct":
        return [item.toIValue() for item in value.node().inputs()]
    constant = value.toIValue()
    return constant if constant is None or isinstance(constant, list) else [constant]


def _layer_norm(inputs: list[Any], outputs: list[Any]) -> int:
    """Fvcore's own count, 5 for each element and 4 without a weight, but for any number of dimensions."""
    return math.prod(_shape(inputs[0])) * (5 if inputs[2].isCompleteTensor() else 4)


def _rms_norm(inputs: list[Any], outputs: list[Any]) -> int:
    """Fvcore's count of a layer norm without the mean: 3 for each element and 2 without a weight."""
    return math.prod(_shape(inputs[0])) * (3 if inputs[2].isCompleteTensor() else 2)


def _same_convolution(inputs: list[Any], outputs: list[Any]) -> Counter:
    """A convolution whose padding is a word."""
    return Counter({"conv": math.prod(_shape(outputs[0])) * math.prod(_shape(inputs[1])[1:])})


def _recurrent(inputs: list[Any], outputs: list[Any]) -> int:
    """Each matrix of each layer and direction is multiplied once by each token."""
    parameters = [value for value in inputs if value.node().kind() == "prim::ListConstruct"][-1].node().inputs()
    matrices = [shape for shape in map(_shape, parameters) if len(shape) == 2]
    return math.prod(_shape(inputs[0])[:-1]) * sum(map(math.prod, matrices))


def _attention(inputs: list[Any], outputs: list[Any]) -> int:
    """Queries by keys, and weights by values: (..., L, E), (..., S, E), (..., S, V); masks save nothing."""
    q, k, v = (_shape(value) for value in inputs[:3])
    return math.prod(q[:-1]) * k[-2] * (q[-1] + v[-1])


def _matmul(inputs: list[Any], outputs: list[Any]) -> int:
    """Each number of the product sums as many terms as the first operand is wide; either may be broadcast or a vector.

    Fvcore's own handle takes the leading dimensions of the first operand alone, and no vectors.
    """
    return math.prod(_shape(outputs[0])) * _shape(inputs[0])[-1]


def _added_product(inputs: list[Any], outputs: list[Any]) -> int:
    """A product that is added to the first input."""
    return math.prod(_shape(inputs[1])) * (_shape(inputs[2])[1:] or [1])[-1]


def _outer(inputs: list[Any], outputs: list[Any]) -> int:
    """Each number by each: one product for each of the result."""
    return math.prod(_shape(outputs[0]))


def _tensordot(inputs: list[Any], outputs: list[Any]) -> int:
    contracted = math.prod(_shape(inputs[0])[axis] for axis in _numbers(inputs[2]))
    return math.prod(_shape(outputs[0])) * contracted


def _bilinear(inputs: list[Any], outputs: list[Any]) -> int:
    """Each row of the first input by a matrix for each output, and that by the second input."""
    size = math.prod(_shape(inputs[0])[:-1])
    out, left, right = _shape(inputs[2])
    return size * out * (left + 1) * right


def _chain(inputs: list[Any], outputs: list[Any]) -> int:
    """The products of several matrices in their cheapest order, which is PyTorch's; the ends may be vectors."""
    first, *others = (_shape(value) for value in inputs[0].node().inputs())
    sizes = [*(first if len(first) == 2 else [1, *first]), *((shape + [1])[1] for shape in others)]

    @cache
    def least(start: int, end: int) -> int:
        parts = (
            least(start, cut) + least(cut, end) + sizes[start] * sizes[cut] * sizes[end]
            for cut in range(start + 1, end)
        )
        return min(parts, default=0)

    return least(0, len(sizes) - 1)


def _einsum(inputs: list[Any], outputs: list[Any]) -> int:
    return einsum_macs(inputs[0].toIValue(), [_shape(value) for value in inputs[1].node().inputs()])


def einsum_macs(equation: str, shapes: Sequence[Sequence[int]]) -> int:
    """MACs of torch.einsum, which contracts its operands from left to right.

    Joining two operands multiplies once for every value of every index that both have, or that the output or a later
    operand needs: any other index is summed before. A single operand is only moved or summed: none.
    """
    terms, _, output = equation.replace(" ", "").partition("->")
    names = terms.split(",")
    if "..." in equation:  # its dimensions by letters that the equation does not use, matched from the right
        free = [letter for letter in reversed(string.ascii_letters) if letter not in equation]
        hidden = [len(shape) - len(name.replace("...", "")) for name, shape in zip(names, shapes, strict=True)]
        spelt = ["".join(free[:count][::-1]) for count in hidden]
        names = [name.replace("...", letters) for name, letters in zip(names, spelt, strict=True)]
        output = output.replace("...", max(spelt, key=len))
    sizes: dict[str, int] = {}
    for name, shape in zip(names, shapes, strict=True):
        for letter, size in zip(name, shape, strict=True):
            sizes[letter] = max(size, sizes.get(letter, 1))  # one is broadcast
    if "->" not in equation:
        counts = Counter("".join(names))
        output = "".join(letter for letter in sorted(counts) if counts[letter] == 1)
    total, joined = 0, set(names[0])
    for number, name in enumerate(names[1:], 2):
        later = set(output).union(*names[number:])
        total += math.prod(sizes[letter] for letter in joined & set(name) | (joined | set(name)) & later)
        joined = (joined | set(name)) & later
    return total


def _fourier(real: bool, inverse: bool) -> Callable[[list[Any], list[Any]], int]:
    """2.5 N log2 N for each complex transform of N points, half of it for a real one: the radix-2 algorithm's count.

    Frigo and Johnson, "The Design and Implementation of FFTW3", Proceedings of the IEEE 93(2), 2005: 5 N log2 N FLOPs.
    """

    def handle(inputs: list[Any], outputs: list[Any]) -> int:
        full = _shape(outputs[0]) if inverse or not real else _shape(inputs[0])
        axes = _numbers(inputs[2]) or range(len(full))
        points = math.prod(full[axis] for axis in axes)
        return round(math.prod(full) * 2.5 * math.log2(points) * (0.5 if real else 1))

    return handle


def _deformable(inputs: list[Any], outputs: list[Any]) -> int:
    """The convolution, and four for each bilinear sample of its input, and one more if a mask weighs the samples."""
    weight, out = _shape(inputs[1]), _shape(outputs[0])
    samples = out[0] * math.prod(out[2:]) * _shape(inputs[0])[1] * math.prod(weight[2:])
    masked = inputs[-1].toIValue()  # torchvision's use_mask
    return math.prod(out) * math.prod(weight[1:]) + samples * (5 if masked else 4)


def _scan(inputs: list[Any], outputs: list[Any]) -> int:
    """Per channel, token and state: dt * A, (dt * u) * B, decay * h + that, C * h; per channel and token dt * u, D * u.

    The recurrence of Gu and Dao (arXiv 2312.00752), equation 2, whatever computes it; exponentials are not counted.
    """
    batch, channels, length = _shape(inputs[0])
    states = _shape(inputs[2])[1]
    return batch * channels * length * (4 * states + 2)


HANDLES: dict[str, Callable[[list[Any], list[Any]], int | Counter]] = {
    "aten::layer_norm": _layer_norm,
    "aten::scaled_dot_product_attention": _attention,
    "aten::_convolution_mode": _same_convolution,
    "aten::rms_norm": _rms_norm,
    "aten::tensordot": _tensordot,
    "aten::bilinear": _bilinear,
    "aten::linalg_multi_dot": _chain,
    **{f"aten::{name}": _recurrent for name in ("gru", "lstm", "rnn_relu", "rnn_tanh")},
    **{f"aten::{name}": _matmul for name in ("matmul", "inner", "mv", "dot", "vdot")},
    **{f"aten::{name}": _added_product for name in ("baddbmm", "addbmm", "addmv")},
    **{f"aten::{name}": _outer for name in ("outer", "ger", "kron")},
    "aten::einsum": _einsum,
    "torchvision::deform_conv2d": _deformable,
    "rssr::selective_scan": _scan,
    "prim::PythonOp.SelectiveScanFn": _scan,  # mamba-ssm
    **{
        f"aten::fft_{'i' if inverse else ''}{'r' if real else ''}fft{rank}": _fourier(real, inverse)
        for real in (False, True)
        for inverse in (False, True)
        for rank in ("", "2", "n")
    },
}


def mlstm_macs(heads: int, tokens: int, width: int, form: str, chunk: int = 64, segment: int = 16 * 64) -> int:
    """MACs of the matrix products of models.lstmconvsr.mlstm in closed form, for an image.

    Parallel: queries by keys and weights by values over all pairs of tokens. Chunkwise: the same inside each chunk,
    where a column of ones rides along with the values, and per chunk the state that it adds and the state that it
    reads; per segment of chunks the triangular product that carries the states.

    Args:
        heads: number of heads.
        tokens: length of the sequence.
        width: channels of a head.
        form: "parallel" or "chunkwise".
        chunk: tokens in a chunk.
        segment: tokens in a segment, as many chunks as mlstm.CHUNKS says for the device.
    """
    if form == "parallel":
        return heads * 2 * tokens**2 * width
    chunk = min(chunk, tokens)
    total, state = 0, width * (width + 1)
    for start in range(0, tokens, segment):
        chunks = -(-min(segment, tokens - start) // chunk)
        inside = chunk**2 * width + chunk**2 * (width + 1) + 2 * chunk * state
        total += chunks * inside + (chunks + 1) ** 2 * state
    return heads * total
