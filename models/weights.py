"""Weights: written as safetensors, loaded into a network."""

import inspect
import io
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from rssr.base.errors import UserError, in_words
from rssr.base.files import replacing
from rssr.base.state_dicts import prefixes
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
        problem = f"{path} has weights for x{found}, but its entry's scale is x{scale}"
        raise UserError(problem, f"take x{found}, or name another file")


def seed_of(weights: Path) -> int:
    """The seed of the training that the record beside a file of weights tells of; 0 if there is none."""
    record = record_at(weights.with_suffix(".json")) or {}
    told = record.get("training", record)  # of weights that were loaded from those of a training
    recipe = told.get("recipe") if isinstance(told, dict) else None
    seed = recipe.get("seed") if isinstance(recipe, dict) else None
    return seed if type(seed) is int and 0 <= seed < 2**32 else 0


def record_at(path: Path) -> dict[str, Any] | None:
    """The record of weights that lies beside their file; None for anything else of its name."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        json.dumps(found, allow_nan=False)  # refuses what is no JSON, though Python reads it
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and "sha256" in found else None


class Misfits(UserWarning):
    """What of a file and a network does not fit, and is left out by `strict: false`; `phrases` are load_into()'s."""

    def __init__(self, path: Path, arch: str, phrases: Sequence[str]) -> None:
        super().__init__(f"{path} does not fit {arch}, and `strict: false` allows it: {'; '.join(phrases)}")
        self.phrases = phrases


def load_into(network: nn.Module, tensors: Mapping[str, Tensor], path: Path, strict: bool = True) -> list[str]:
    """Load tensors into a network, in its precision.

    Names are the network's own or, if it is this project's with a method `released`, those of its authors' code,
    whichever match more of the tensors. Additions by wrappers are removed: torch.compile's "_orig_mod." anywhere, and
    a prefix such as Lightning's "net_g.". One tensor under several names may have one of them in the file, as
    safetensors writes it. Names that hooks of the network translate, as PyTorch's do with those of older layers, fit.

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
    names = [*tensors]
    given, wanted, released = _recognised(network, tensors)
    constants = released.constants if released else {}
    tensors = _completed(given, wanted, constants)
    problems = [f"'{name}' is missing" for name in wanted if name not in tensors]
    problems += [f"'{name}' is unknown to the network" for name in tensors if name not in {**wanted, **constants}]
    if problems and not released and _translates(network, tensors):
        return []
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
        remedy = "name another file, or correct the `args` of the network"
        if parts := _parts(names, wanted):
            remedy = f"choose one of its networks with `key`: {' or '.join(parts)}"
        raise UserError(f"{path} does not fit {type(network).__name__}: {listed(problems)}", remedy)
    if released:
        known = {name: tensors[name] for name in constants if name in tensors and name not in odd}
        fitting = released.ours(fitting | known, network.state_dict())
    own = network.state_dict()
    bare = dict(zip(without_infixes(own), own, strict=True))
    try:
        # What the class leaves out of its own state_dict(), such as a part that is never trained, is in no file.
        network.load_state_dict({bare.get(name, name): value for name, value in fitting.items()}, strict=False)
    except Exception as error:  # as may a class with a method of its own, or with tensors that nothing can be put into
        problem = f"{path} cannot be loaded by {type(network).__name__}.load_state_dict ({in_words(error)})"
        raise UserError(problem, "correct that class") from error
    return problems


def _translates(network: nn.Module, tensors: Mapping[str, Tensor]) -> bool:
    """Load tensors whose names the network's own hooks translate, as PyTorch's do with those of older layers.

    Returns:
        Whether everything fits.
    """
    known = network.state_dict()
    others = [value for name, value in tensors.items() if name not in known]
    if of_another_kind(tensors, known) or any(_kind(value) != "floating-point" for value in others):
        return False
    try:
        nn.Module.load_state_dict(network, tensors)  # an own method of the class might accept anything
    except Exception:  # a hook may fail in any way on the names of something else
        return False
    return True


def _parts(names: Sequence[str], wanted: Collection[str]) -> list[str]:
    """What names of a whole network begin with in a file that holds others too, such as a discriminator."""
    whole = [prefix for prefix, fitting in prefixes(names, wanted).items() if fitting == len(wanted)]
    alone = any(all(name.startswith(prefix) for name in names) for prefix in whole)
    return [] if alone or "" in whole else [prefix.removesuffix(".") for prefix in whole]


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
        if name in wanted or name in constants or value.numel() > 1 or value.is_floating_point()
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
    if not inspect.isfunction(inspect.getattr_static(type(network), name, None)):
        return None  # a property is not asked, since it may do anything
    method = getattr(network, name)
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
