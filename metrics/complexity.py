"""What a network costs before it runs: parameters and multiply-accumulates."""

import logging
import math
import warnings
from typing import Any

import torch
from torch import nn


def count_parameters(model: nn.Module) -> int:
    """The number of parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_macs(model: nn.Module, x: torch.Tensor) -> dict[str, Any]:
    """Multiply-accumulates of one call, as fvcore counts them (a multiply-add is one; FLOPs are twice that).

    Args:
        model: the network, in eval mode.
        x: its input, (B, 3, h, w).

    Returns:
        `total`, `by_operator`, and `not_counted`: the operators that fvcore has no handle for, with how often they
        are called.
    """
    from fvcore.nn import FlopCountAnalysis

    logging.getLogger("fvcore").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # tracing warns of every shape that it fixes; the shape here is meant to be
        analysis = FlopCountAnalysis(model, x)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        analysis.set_op_handle("aten::layer_norm", _layer_norm)
        return {
            "total": int(analysis.total()),
            "by_operator": {name: int(count) for name, count in sorted(analysis.by_operator().items())},
            "not_counted": dict(sorted(analysis.unsupported_ops().items())),
        }


def _layer_norm(inputs: list[Any], outputs: list[Any]) -> int:
    """Fvcore's own count, 5 for each element and 4 without a weight, but for any number of dimensions."""
    shape = inputs[0].type().sizes()
    return math.prod(shape) * (5 if inputs[2].isCompleteTensor() else 4)
