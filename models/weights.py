"""Weights files: read without running code, written as safetensors."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from rssr.errors import UserError
from rssr.files import replacing

# Where training codes put the weights inside their files; the averaged ones first, as BasicSR evaluates them.
_WRAPPERS = ("params_ema", "params", "state_dict")


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors or PyTorch file, by name.

    Raises:
        UserError: for a missing or damaged file, and for a pickle that would run code.
    """
    if not path.exists():
        raise UserError(f"{path} does not exist")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise UserError(
            f"{path} holds more than tensors (code, or a damaged file) and is refused: ask for a plain state dict"
        ) from None
    except (SafetensorError, RuntimeError, EOFError) as error:
        raise UserError(f"{path} cannot be read as weights ({error}): get it again") from None
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and wrapper in content:
            content = content[wrapper]
            break
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise UserError(f"{path} holds no state dict: names with tensors were expected")
    return {name.removeprefix("module."): value for name, value in content.items()}


def write_weights(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, all or nothing."""
    contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with replacing(path) as temporary:
        temporary.write_bytes(save(contiguous))


def load_into(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Load tensors that fit exactly; UserError names what is missing, unknown or of another shape."""
    wanted = network.state_dict()
    problems = [f"'{name}' is missing" for name in wanted if name not in tensors]
    problems += [f"'{name}' is unknown to the network" for name in tensors if name not in wanted]
    problems += [
        f"'{name}' is {tuple(tensors[name].shape)}, not {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in tensors and tensors[name].shape != value.shape
    ]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise UserError(f"{path} does not fit {type(network).__name__}: {'; '.join(problems[:3])}{more}")
    network.load_state_dict(dict(tensors))
