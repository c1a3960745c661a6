"""A file of weights whose architecture spandrel recognises."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rssr.base.errors import UserError
from rssr.base.tensors import read_weights
from rssr.models.weights import listed, of_another_kind
from rssr.models.wrappers import without_first_part, without_infixes


def from_checkpoint(path: Path, scale: int, key: str | None = None) -> nn.Module:
    """The network that a file is of; UserError if spandrel recognises none, or one of another scale."""
    from spandrel import ModelLoader, UnsupportedModelError

    tensors, descriptor = without_infixes(read_weights(path, scale, key)), None
    try:
        while descriptor is None:
            try:
                descriptor = ModelLoader(torch.device("cpu")).load_from_state_dict(dict(tensors))
            except UnsupportedModelError:  # perhaps for a prefix that all names have, such as Lightning's "net_g."
                tensors = without_first_part(tensors)
                if not tensors:
                    raise
    except UnsupportedModelError:
        raise UserError(
            f"{path}: spandrel recognises no architecture in it: name it with `arch` and `weights`"
        ) from None
    except (RuntimeError, KeyError, ValueError, AssertionError) as error:
        problem = " ".join(str(error).split())
        raise UserError(
            f"{path}: its tensors do not fit the architecture that spandrel recognises in it ({problem})",
            "get it again, or name a class with `arch` and `weights`",
        ) from None
    if problems := _misfits(tensors, descriptor.model.state_dict()):
        what = f"does not fit {descriptor.architecture.name}: {listed(problems)}"
        raise UserError(f"{path} {what}", "name another file")
    if (bands := (descriptor.input_channels, descriptor.output_channels)) != (3, 3):
        given, made = ({1: "gray", 3: "RGB", 4: "RGBA"}.get(count, f"{count} bands") for count in bands)
        raise UserError(f"{path} is of a network from {given} to {made}", "name one from RGB to RGB")
    if descriptor.scale != scale:
        raise UserError(
            f"{path} upscales by {descriptor.scale}, but the configuration's scale is {scale}",
            "name another file, or set `scale`",
        )
    return Described(descriptor)


def _misfits(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> list[str]:
    """A phrase for each tensor whose numbers are not those of the network, where spandrel has converted them."""
    floats = {name: value for name, value in own.items() if value.is_floating_point()}
    return [*of_another_kind(tensors, floats).values()] + [
        f"'{name}' has integers that {str(value.dtype).removeprefix('torch.')} rounds"
        for name, value in tensors.items()
        if name in own and name not in floats and not name.endswith(".num_batches_tracked") and _rounds(value)
    ]


def _rounds(given: Tensor) -> bool:
    """Whether integers, such as indices, may have lost digits where a file was converted to half precision."""
    if not given.is_floating_point() or not given.numel():
        return False
    return given.float().abs().max().item() >= 2 / torch.finfo(given.dtype).eps


def _keep_infinity_visible(network: nn.Module, inputs: tuple, out: Any) -> Any:
    """Infinity as NaN: the descriptor would clamp it to a colour, and nobody would see that the network failed."""
    if not isinstance(out, Tensor) or not out.is_floating_point() or torch.jit.is_tracing():
        return out
    return out.masked_fill(out.isinf(), torch.nan)


class Described(nn.Module):
    """A network that spandrel recognised, called through its descriptor, which pads to the sizes it needs."""

    def __init__(self, descriptor) -> None:
        super().__init__()
        self.module = descriptor.model
        self.module.register_forward_hook(_keep_infinity_visible)
        self._descriptor = descriptor

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), any h and w."""
        return self._descriptor(x)
