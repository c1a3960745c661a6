"""The one shape that every method has: (B, 3, h, w) in [0, 1] in, (B, 3, scale * h, scale * w) out."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rssr.base.errors import UserError
from rssr.base.files import check_sha256
from rssr.base.tensors import read_weights
from rssr.models.interpolation import Interpolation
from rssr.models.names import INTERPOLATIONS
from rssr.models.registry import import_class
from rssr.models.weights import check_scale, load_into


class Upscaler(nn.Module):
    """A network with its value range and its demands on the input's size taken care of.

    Args:
        network: any module from (B, 3, h, w) to (B, 3, scale * h, scale * w).
        scale: upscaling factor; the first output is checked against it.
        value_range: the network's input and output span 0 to this.
        multiple_of: input sides are reflected to a multiple of this.
    """

    def __init__(self, network: nn.Module, scale: int = 4, value_range: float = 1, multiple_of: int = 1) -> None:
        super().__init__()
        self.network = network
        self.scale = scale
        self.value_range = value_range
        self.multiple_of = multiple_of

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> "Upscaler":
        """Build the network of a configuration entry, see registry.build()."""
        scale = entry.get("scale", 4)
        if entry.get("checkpoint"):
            if "path" not in entry["checkpoint"]:
                raise UserError("the checkpoint is at an address", "download it and give its `path`")
            network = _from_checkpoint(Path(entry["checkpoint"]["path"]), entry["checkpoint"].get("sha256"), scale)
        elif entry.get("arch") in INTERPOLATIONS:
            network = Interpolation(entry["arch"], scale)
        else:
            network = _from_class(entry)
        return cls(network, scale, entry.get("range", 1), entry.get("multiple_of", 1)).eval()

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), not clamped."""
        height, width = x.shape[-2:]
        x = _reflect_to_multiple(x, self.multiple_of)
        try:
            out = self.network(x * self.value_range) / self.value_range if self.value_range != 1 else self.network(x)
        except torch.OutOfMemoryError as error:
            raise UserError(
                f"there is not enough memory for {type(self.network).__name__} on an input of "
                f"{x.shape[-1]}x{x.shape[-2]}",
                "set a smaller `tile` in its entry",
            ) from error
        except RuntimeError as error:
            name = type(self.network).__name__
            raise UserError(
                f"{name} cannot upscale an input of {x.shape[-1]}x{x.shape[-2]} ({str(error).splitlines()[0]})",
                "set `multiple_of` if it needs sides of a certain multiple, correct its `args`, or use smaller images",
            ) from error
        if out.shape[-2:] != (x.shape[-2] * self.scale, x.shape[-1] * self.scale):
            raise UserError(
                f"{type(self.network).__name__} made {tuple(out.shape[-2:])} from {tuple(x.shape[-2:])}, not "
                f"x{self.scale}: correct its `args`, or set `multiple_of` if it needs sides of a certain multiple"
            )
        return out[..., : height * self.scale, : width * self.scale]


def _reflect_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Reflect at the right and the bottom up to a multiple, in steps where one reflection is too short."""
    height, width = (-(-side // multiple) * multiple for side in x.shape[-2:])
    if 1 in x.shape[-2:] and multiple > 1:
        return F.pad(x, (0, width - x.shape[-1], 0, height - x.shape[-2]), mode="replicate")  # nothing to reflect
    while (missing := (width - x.shape[-1], height - x.shape[-2])) != (0, 0):
        right, bottom = (min(m, side - 1) for m, side in zip(missing, (x.shape[-1], x.shape[-2]), strict=True))
        x = F.pad(x, (0, right, 0, bottom), mode="reflect")
    return x


def _from_class(entry: Mapping[str, Any]) -> nn.Module:
    arch, args = entry["arch"], entry.get("args", {})
    try:
        network = import_class(arch)(**args)
    except (TypeError, ValueError) as error:
        raise UserError(f"arch '{arch}' does not take the arguments {args}: {error}") from None
    weights = entry.get("weights")
    if weights:
        if "path" not in weights:
            raise UserError(f"the weights of '{arch}' are at an address", "download them and give their `path`")
        path = Path(weights["path"])
        if weights.get("sha256"):
            check_sha256(path, weights["sha256"])
        scale = entry.get("scale", 4)
        check_scale(path, scale)
        misfits = load_into(network, read_weights(path, scale), path, entry.get("strict", True))
        if misfits:
            warnings.warn(
                f"{path} does not fit {arch}, and `strict: false` allows it: {'; '.join(misfits)}", stacklevel=2
            )
    return network


def _from_checkpoint(path: Path, sha256: str | None, scale: int) -> nn.Module:
    from spandrel import ModelLoader, UnsupportedModelError

    if sha256:
        check_sha256(path, sha256)
    check_scale(path, scale)
    try:
        descriptor = ModelLoader(torch.device("cpu")).load_from_state_dict(read_weights(path, scale))
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
    if descriptor.scale != scale:
        raise UserError(f"{path} upscales by {descriptor.scale}, but the configuration's scale is {scale}")
    return _Described(descriptor)


class _Described(nn.Module):
    """A network that spandrel recognised, called through its descriptor, which pads to the sizes it needs."""

    def __init__(self, descriptor) -> None:
        super().__init__()
        self.module = descriptor.model
        self._descriptor = descriptor

    def forward(self, x: Tensor) -> Tensor:
        return self._descriptor(x)
