"""Weights: written as safetensors, loaded into a network."""

import io
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from rssr.base.errors import UserError
from rssr.base.files import replacing
from rssr.base.tensors import scale_of
from rssr.models.released import Released
from rssr.models.wrappers import uncompiled, without_prefix


def write_weights(path: Path, tensors: Mapping[str, Tensor], scale: int) -> None:
    """Write tensors and their upscaling factor as safetensors, all or nothing."""
    # Copies, because safetensors refuses tensors that share memory, as tied weights do.
    contiguous = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    with replacing(path) as temporary:
        temporary.write_bytes(save(contiguous, metadata={"scale": str(scale)}))


def write_basicsr(path: Path, network: nn.Module) -> Released | None:
    """Write the weights of a network as BasicSR and the authors' code load them, all or nothing.

    Args:
        path: a file for torch.load, of one dict `params`.
        network: the network. If it has a method `released`, the file has the names and constants that its authors'
            code expects; otherwise the network's own names.

    Returns:
        The translation to the authors' names, if it was used.

    Raises:
        UserError: for an ablation that the authors' code does not support.
    """
    tensors, released = network.state_dict(), _released(network)
    if released:
        tensors = released.theirs(tensors) | {name: choices[0] for name, choices in released.constants.items()}
    elif hasattr(network, "released"):
        raise UserError(f"the authors' code has no counterpart of this {type(network).__name__}: use --as safetensors")
    content = io.BytesIO()  # in a file of its own torch.save would store the temporary name
    torch.save(
        {"params": {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}}, content
    )
    with replacing(path) as temporary:
        temporary.write_bytes(content.getvalue())
    return released


def check_scale(path: Path, scale: int) -> None:
    """UserError if the file records another upscaling factor, see write_weights()."""
    found = scale_of(path)
    if found not in (None, scale):
        raise UserError(f"{path} has weights for x{found}, but its entry's scale is x{scale}", "name another file")


def load_into(network: nn.Module, tensors: Mapping[str, Tensor], path: Path, strict: bool = True) -> list[str]:
    """Load tensors into a network, in its precision.

    Names are the network's own or, if it has a method `released`, those of its authors' code, whichever match more of
    the tensors. Additions by wrappers are removed: torch.compile's "_orig_mod." anywhere, and a prefix such as
    Lightning's "net_g.".

    Args:
        network: the network, changed in place.
        tensors: name -> tensor.
        path: their file, for errors.
        strict: whether everything must fit; otherwise what fits is loaded.

    Returns:
        One phrase per misfit, with the name in the file; empty if everything fits.

    Raises:
        UserError: if strict, for any misfit: missing, unknown, or of another shape; otherwise only if nothing fits.
    """
    tensors, wanted, released = _recognised(network, tensors)
    # Old files lack this counter of batch norms, which only training uses.
    uncounted = {k: v for k, v in wanted.items() if k.endswith(".num_batches_tracked") and k not in tensors}
    constants = released.constants if released else {}
    problems = [f"'{name}' is missing" for name in wanted if name not in {**tensors, **uncounted}]
    problems += [f"'{name}' is unknown to the network" for name in tensors if name not in {**wanted, **constants}]
    problems += [
        f"'{name}' is {tuple(tensors[name].shape)}, not {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in tensors and tensors[name].shape != value.shape
    ]
    unlike = {
        name: f"'{name}' is {_kind(tensors[name])}, where {_kind(value)} is expected"
        for name, value in wanted.items()
        if name in tensors and value.is_floating_point() and _kind(tensors[name]) != _kind(value)
    }
    problems += unlike.values()
    odd = released.odd(tensors) if released else []
    problems += [f"'{name}' is not {released.constant}" for name in odd]
    fitting = {n: v for n, v in tensors.items() if n in wanted and v.shape == wanted[n].shape and n not in unlike}
    if problems and (strict or not fitting):
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise UserError(
            f"{path} does not fit {type(network).__name__}: {'; '.join(problems[:5])}{more}",
            "name another file, or correct the `args` of the network",
        )
    if released:
        known = {name: tensors[name] for name in constants if name in tensors and name not in odd}
        fitting = released.ours(fitting | known, network.state_dict())
    own = network.state_dict()
    names = dict(zip(uncompiled(own), own, strict=True))
    fitting = {names.get(name, name): value for name, value in (uncounted | fitting).items()}
    network.load_state_dict(fitting, strict=not problems)
    return problems


def _kind(tensor: Tensor) -> str:
    """What of a tensor no conversion of numbers changes: quantised weights, for example, need their scale too."""
    if tensor.is_meta or tensor.layout != torch.strided:
        return "without values" if tensor.is_meta else str(tensor.layout).removeprefix("torch.")
    return "floating-point" if tensor.is_floating_point() else str(tensor.dtype).removeprefix("torch.")


def has_released_names(network: nn.Module, tensors: Mapping[str, Tensor]) -> bool:
    """Whether load_into() recognises the names of the authors' code."""
    return _recognised(network, tensors)[2] is not None


def _released(network: nn.Module) -> Released | None:
    return network.released() if callable(getattr(network, "released", None)) else None


def _recognised(
    network: nn.Module, tensors: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor], Released | None]:
    """The tensors without prefixes, the network's tensors in the same naming, and its translation, if any."""
    own, tensors = uncompiled(network.state_dict()), uncompiled(tensors)
    released = _released(network)
    kinds = [(own, None)] + ([(released.theirs(own), released)] if released else [])
    found = [(without_prefix(tensors, wanted), wanted, names) for wanted, names in kinds]
    return max(found, key=lambda kind: len(kind[0].keys() & kind[1].keys()))
