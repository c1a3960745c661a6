"""Weights: written as safetensors, loaded into a network."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor, nn

from rssr.base.errors import UserError
from rssr.base.files import replacing
from rssr.base.tensors import scale_of


def write_weights(path: Path, tensors: Mapping[str, Tensor], scale: int) -> None:
    """Write tensors and the upscaling factor that they are for as safetensors, all or nothing."""
    # Copies, because safetensors refuses tensors that share memory, as tied weights do.
    contiguous = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    with replacing(path) as temporary:
        temporary.write_bytes(save(contiguous, metadata={"scale": str(scale)}))


def check_scale(path: Path, scale: int) -> None:
    """UserError if the file records another upscaling factor, see write_weights()."""
    found = scale_of(path)
    if found not in (None, scale):
        raise UserError(f"{path} has weights for x{found}, but its entry's scale is x{scale}")


def load_into(network: nn.Module, tensors: Mapping[str, Tensor], path: Path, strict: bool = True) -> list[str]:
    """Load tensors into a network.

    A prefix that the network's names do not have, such as Lightning's "model.", is taken off.

    Args:
        network: where to.
        tensors: by name.
        path: their file, for errors.
        strict: whether everything must fit; otherwise what fits is loaded.

    Returns:
        What did not fit, a phrase for each name; empty if all did.

    Raises:
        UserError: if strict, naming what is missing, unknown or of another shape; if not, where nothing fits.
    """
    wanted = network.state_dict()
    tensors = _without_prefix(tensors, wanted)
    problems = [f"'{name}' is missing" for name in wanted if name not in tensors]
    problems += [f"'{name}' is unknown to the network" for name in tensors if name not in wanted]
    problems += [
        f"'{name}' is {tuple(tensors[name].shape)}, not {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in tensors and tensors[name].shape != value.shape
    ]
    fitting = {name: value for name, value in tensors.items() if name in wanted and value.shape == wanted[name].shape}
    if problems and (strict or not fitting):
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise UserError(f"{path} does not fit {type(network).__name__}: {'; '.join(problems[:5])}{more}")
    network.load_state_dict(fitting, strict=not problems)
    return problems


def _without_prefix(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without the prefix, such as Lightning's "model.", that hides most of the wanted names, if any."""
    ends = Counter(
        name[: len(name) - len(end)]
        for name in tensors
        for end in (name.split(".", depth)[-1] for depth in range(name.count(".") + 1))
        if end in wanted
    )
    prefix = max(ends, key=ends.get, default="")
    return {name.removeprefix(prefix): value for name, value in tensors.items()}
