"""Weights: written as safetensors, loaded into a network."""

import inspect
import io
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from rssr.base.errors import UserError
from rssr.base.files import replacing
from rssr.base.tensors import scale_of
from rssr.models.released import Released
from rssr.models.wrappers import without_infixes, without_prefix


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
        network: the network. If this project gave it a method `released`, the file has the names and constants that
            its authors' code expects; otherwise the network's own names.

    Returns:
        The translation to the authors' names, if it was used.

    Raises:
        UserError: for an ablation that the authors' code does not support.
    """
    tensors, released = network.state_dict(), _released(network)
    if released:
        tensors = released.theirs(tensors) | {name: choices[0] for name, choices in released.constants.items()}
    elif own_method(network, "released"):
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

    Names are the network's own or, if it is this project's with a method `released`, those of its authors' code,
    whichever match more of the tensors. Additions by wrappers are removed: torch.compile's "_orig_mod." anywhere, and
    a prefix such as Lightning's "net_g.". One tensor under several names may have one of them in the file, as
    safetensors writes it.

    Args:
        network: the network, changed in place.
        tensors: name -> tensor.
        path: their file, for errors.
        strict: whether everything must fit; otherwise what fits is loaded.

    Returns:
        One phrase per misfit, with the name in the file; empty if everything fits.

    Raises:
        UserError: if strict, for any misfit: missing, unknown, of another shape or kind, or two values for one tensor;
            otherwise only if nothing fits.
    """
    given, wanted, released = _recognised(network, tensors)
    constants = released.constants if released else {}
    tensors = _completed(given, wanted, constants)
    problems = [f"'{name}' is missing" for name in wanted if name not in tensors]
    problems += [f"'{name}' is unknown to the network" for name in tensors if name not in {**wanted, **constants}]
    problems += [
        f"'{name}' is {tuple(tensors[name].shape)}, not {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in tensors and tensors[name].shape != value.shape
    ]
    unlike = of_another_kind(tensors, wanted)
    problems += [*unlike.values(), *_two_values(tensors, wanted, unlike)]
    odd = released.odd(tensors) if released else []
    problems += [f"'{name}' is not {released.constant}" for name in odd]
    fitting = {n: v for n, v in tensors.items() if n in wanted and v.shape == wanted[n].shape and n not in unlike}
    if problems and (strict or not fitting.keys() & given.keys()):
        raise UserError(
            f"{path} does not fit {type(network).__name__}: {listed(problems)}",
            "name another file, or correct the `args` of the network",
        )
    if released:
        known = {name: tensors[name] for name in constants if name in tensors and name not in odd}
        fitting = released.ours(fitting | known, network.state_dict())
    own = network.state_dict()
    names = dict(zip(without_infixes(own), own, strict=True))
    network.load_state_dict({names.get(name, name): value for name, value in fitting.items()}, strict=not problems)
    return problems


def listed(problems: Sequence[str]) -> str:
    """The first problems, and how many more there are."""
    more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
    return f"{'; '.join(problems[:5])}{more}"


def of_another_kind(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, str]:
    """Name -> a phrase, for each tensor that must not be taken for the numbers of the wanted one."""
    return {
        name: f"'{name}' is {_kind(tensors[name])}, where {_kind(value)} is expected"
        for name, value in wanted.items()
        if name in tensors and _kind(tensors[name]) != _kind(value)
    }


def _completed(
    tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], constants: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Tensors of a file without counters, with what it may lack, and with the network's integers where it has them."""
    found = {
        name: value
        for name, value in tensors.items()
        if name in wanted or name in constants or value.ndim or value.is_floating_point()
    }
    for names in _tied(wanted):
        if given := next((name for name in names if name in found), None):
            found = dict.fromkeys(names, found[given]) | found
    for name, value in wanted.items():
        # Only training uses this counter of batch norms: old files lack it, and half precision has not all numbers.
        unused = name.endswith(".num_batches_tracked")
        if name not in found:
            found |= {name: value} if unused else {}
        elif _kind(found[name]) != _kind(value) and (unused or _rounds_to(value, found[name])):
            found[name] = value
    return found


def _tied(tensors: Mapping[str, Tensor]) -> list[list[str]]:
    """The names of each tensor that has several."""
    names = defaultdict(list)
    for name, value in tensors.items():
        if value.layout == torch.strided and not value.is_meta and value.numel():
            names[value.data_ptr(), value.dtype, value.shape, value.stride()].append(name)
    return [several for several in names.values() if len(several) > 1]


def _two_values(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], but: Collection[str]) -> list[str]:
    """A phrase for each tensor that differs from another one, where the network has one tensor for both."""
    known = [[name for name in names if name in tensors and name not in but] for names in _tied(wanted)]
    return [
        f"'{name}' differs from '{names[0]}', which is the same tensor in the network"
        for names in known
        for name in names[1:]
        if not torch.equal(tensors[name].double(), tensors[names[0]].double())
    ]


def _rounds_to(own: Tensor, given: Tensor) -> bool:
    """Whether integers of the network are those of a file once they are rounded to its type."""
    plain = given.layout == torch.strided and not (given.is_meta or given.is_quantized or given.is_complex())
    if own.is_floating_point() or not plain or own.shape != given.shape:
        return False
    return torch.equal(own.cpu().to(given.dtype).double(), given.cpu().double())


def _kind(tensor: Tensor) -> str:
    """What of a tensor no conversion of numbers changes: quantised weights, for example, need their scale too."""
    if tensor.is_meta or tensor.layout != torch.strided:
        return "without values" if tensor.is_meta else str(tensor.layout).removeprefix("torch.")
    return "floating-point" if tensor.is_floating_point() else str(tensor.dtype).removeprefix("torch.")


def has_released_names(network: nn.Module, tensors: Mapping[str, Tensor]) -> bool:
    """Whether load_into() recognises the names of the authors' code."""
    return _recognised(network, tensors)[2] is not None


def own_method(network: nn.Module, name: str) -> Callable[..., Any] | None:
    """A method that this project gave a network; None for another of that name, as a user's class may have."""
    method = getattr(network, name, None)
    return method if inspect.ismethod(method) and str(method.__module__).startswith("rssr.") else None


def _released(network: nn.Module) -> Released | None:
    method = own_method(network, "released")
    return method() if method else None


def _recognised(
    network: nn.Module, tensors: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor], Released | None]:
    """The tensors without prefixes, the network's tensors in the same naming, and its translation, if any."""
    own, tensors = without_infixes(network.state_dict()), without_infixes(tensors)
    released = _released(network)
    kinds = [(own, None)] + ([(released.theirs(own), released)] if released else [])
    found = [(without_prefix(tensors, wanted), wanted, names) for wanted, names in kinds]
    return max(found, key=lambda kind: len(kind[0].keys() & kind[1].keys()))
