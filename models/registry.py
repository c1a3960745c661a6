"""From a configuration entry to a network: the three kinds of entries, and nothing else for a new baseline."""

import functools
import importlib
import importlib.util
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from rssr.base.block import sentence
from rssr.base.errors import UserError, in_words, is_own, nearest
from rssr.base.files import check_digest, read_json
from rssr.base.shared_state import generators_kept, seed_generators, settings_kept
from rssr.base.targets import parts
from rssr.base.tensors import read_weights
from rssr.models.checkpoint import Described, from_checkpoint
from rssr.models.ensemble import SelfEnsemble
from rssr.models.entry import DESCRIPTIVE, Entry, File
from rssr.models.interpolation import Interpolation
from rssr.models.names import INTERPOLATIONS, NETWORKS, check_arch
from rssr.models.tiling import Tiled
from rssr.models.upscaler import Upscaler
from rssr.models.weights import Misfits, check_scale, load_into, own_method, seed_of


def import_class(arch: str) -> type:
    """The class that an `arch` with a colon names, or one of NETWORKS.

    `basicsr:EDSR` is looked up in basicsr.archs, `spandrel:HAT.HAT` in spandrel.architectures.HAT, anything else is
    an import path.

    Raises:
        UserError: if the module or the class does not exist, or the module fails while it is imported.
    """
    try:
        check_arch(arch)
    except ValueError as error:
        raise UserError(str(error)) from None
    module_name, name = parts(NETWORKS.get(arch, arch))
    if module_name == "basicsr":
        from rssr.models.basicsr_import import arch_classes

        classes = arch_classes()
        found = classes.get(name)
    else:
        if module_name == "spandrel":
            package, _, name = name.rpartition(".")
            module_name = f"spandrel.architectures.{package or name}"
        try:
            if _is_pythons(module_name):  # importing some opens a browser or a window
                raise UserError(f"arch '{arch}' is of Python's own library", "name a class of torch.nn.Module")
            module = importlib.import_module(module_name)
        except UserError:
            raise
        except (Exception, SystemExit) as error:  # the user's own module may fail in any way
            problem = f"arch '{arch}' cannot be imported ({in_words(error)})"
            raise UserError(problem, "install the package, put its folder in PYTHONPATH, or correct it") from error
        classes, found = vars(module), getattr(module, name, None)
    if found is None:
        root = module_name.partition(".")[0]
        own = ((key, value) for key, value in classes.items() if str(getattr(value, "__module__", "")).startswith(root))
        known = [key for key, value in own if _makes_networks(value)]
        close = nearest(name, known) if known else ", nor any other of torch.nn.Module"
        raise UserError(f"arch '{arch}': module {module_name} has no class '{name}'{close}")
    if not _makes_networks(found):
        kind = "function of an installed package" if inspect.isroutine(found) else type(found).__name__
        remedy = "name a class of torch.nn.Module, or a function in a file of your own, which may call it"
        raise UserError(f"arch '{arch}' is a {kind}", remedy)
    return found


def _is_pythons(module: str) -> bool:
    """Whether a module is Python's; a user's own of the same name goes before it."""
    name = module.partition(".")[0]
    found = importlib.util.find_spec(name) if name in sys.stdlib_module_names else None
    return found is not None and not is_own(found.origin or "<")


def _makes_networks(found: Any) -> bool:
    """Whether it may be called with arguments of a configuration: a class of networks, or a function of the user's own.

    No other, which may do anything with them: torch.hub.load runs code from an address. That a function says it returns
    networks, or stands beside classes of them, tells nothing: so does torch.fx.graph_module.reduce_graph_module, which
    runs a text.
    """
    while isinstance(found, functools.partial):
        found = found.func
    found = inspect.unwrap(found)
    own = inspect.isfunction(found) and is_own(found.__code__.co_filename)
    return own or (inspect.isclass(found) and issubclass(found, nn.Module))


def build(entry: Mapping[str, Any], training: bool = False) -> nn.Module:
    """Build a network, load its weights, and then switch it to eval mode, in which a class may change its weights.

    Args:
        entry: a model of the configuration as a dict; only the keys of entry.Entry matter: `arch` with `args` (and
            `weights`, a File with a path), or `checkpoint`; `scale` (4 by default), `range`, `multiple_of`, `strict`,
            `weightless`, `self_ensemble` and `tile`.
        training: whether it is switched to train mode instead, whose weights are those that files have.

    Returns:
        (B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), any h and w from 8. Random weights if the entry names
        none.

    Raises:
        UserError: for an unknown key or class, arguments that the class refuses, or weights that do not fit.
    """
    try:
        valid = Entry.model_validate({key: value for key, value in entry.items() if key not in DESCRIPTIVE})
    except ValidationError as error:
        raise UserError(f"a model's entry: {sentence(error, Entry)}") from None
    model = Upscaler(_network(valid), valid.scale, valid.range, valid.multiple_of)
    if valid.self_ensemble:
        model = SelfEnsemble(model)
    if valid.tile:
        model = Tiled(model, valid.scale, valid.tile.size, valid.tile.overlap)
    _called(network_of(model), model.train, training)
    return model


def _network(entry: Entry) -> nn.Module:
    if entry.checkpoint:
        path = _checked(entry.checkpoint, entry.scale, "the checkpoint is")
        return from_checkpoint(path, entry.scale, entry.checkpoint.key)
    if entry.arch in INTERPOLATIONS:
        return Interpolation(entry.arch, entry.scale)
    path = _checked(entry.weights, entry.scale, f"the weights of '{entry.arch}' are") if entry.weights else None
    try:
        # A user's code may set and seed anything; what it does at import, the second network of a class would not see.
        with settings_kept(), generators_kept():
            made = import_class(entry.arch)
        with settings_kept(), _seeded(entry, path):
            network = made(**entry.args)
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # as may its constructor
        _check_arguments(entry)
        how = "does not take" if isinstance(error, TypeError | ValueError) else "cannot be built with"
        problem = f"arch '{entry.arch}' {how} the arguments {entry.args}: {in_words(error)}"
        raise UserError(problem, "correct its `args`, or the class") from error
    _check_network(entry, network)
    _unfold(network)
    if path:
        misfits = load_into(
            network, read_weights(path, entry.scale, entry.weights.key, network.state_dict()), path, entry.strict
        )
        if misfits:
            warnings.warn(Misfits(path, entry.arch, misfits), stacklevel=3)
    return network


@contextmanager
def _seeded(entry: Entry, weights: Path | None) -> Iterator[None]:
    """What a class draws that no file has, such as a frequency in no buffer, is the same in every process.

    It is what the training of the weights drew. A network without either is random as a whole, as its caller seeds it.
    """
    if not (weights or entry.weightless):
        yield
        return
    with generators_kept():
        seed_generators(seed_of(weights) if weights else 0)
        yield


def _check_network(entry: Entry, network: Any) -> None:
    """UserError for what is no network, for weights other than plain tensors, for any where there are to be none."""
    if not isinstance(network, nn.Module):
        raise UserError(f"arch '{entry.arch}' made a {type(network).__name__}", "name a class of torch.nn.Module")
    for name, value in network.state_dict().items():
        if not isinstance(value, Tensor) or is_lazy(value):
            what = "a tensor whose shape is not known yet" if isinstance(value, Tensor) else f"a {type(value).__name__}"
            raise UserError(f"arch '{entry.arch}' has {what} among its weights, '{name}'", "give it as a plain tensor")
    if entry.weightless and (names := [name for name, _ in network.named_parameters()]):
        problem = f"arch '{entry.arch}' has parameters, such as '{names[0]}'"
        raise UserError(problem, "give `weights` or `train` in place of `weightless`")


def _unfold(network: nn.Module) -> None:
    """Give buffers that repeat a number by expand() memory for each value, without which nothing can be loaded."""
    for layer in network.modules():
        for name, value in layer._buffers.items():
            if value is not None and value.layout == torch.strided and 0 in value.stride() and value.numel() > 1:
                layer._buffers[name] = value.contiguous()


def _check_arguments(entry: Entry) -> None:
    """UserError that names an argument that a class does not have and the nearest that it has, as far as it says so."""
    try:
        known = inspect.signature(import_class(entry.arch)).parameters
    except (TypeError, ValueError):
        return
    if not any(parameter.kind == parameter.VAR_KEYWORD for parameter in known.values()):
        for name in (name for name in entry.args if name not in known):
            raise UserError(f"arch '{entry.arch}' does not take the argument '{name}'{nearest(name, known)}")


def _checked(file: File, scale: int, what_is: str) -> Path:
    """The path of a weights file; UserError if its checksum or scale differs from the entry."""
    if file.path is None:
        raise UserError(f"{what_is} at an address", "download the file and give its `path`")
    path = Path(file.path)
    if file.sha256:
        check_digest(path, file.sha256)
    check_scale(path, scale)
    return path


def with_weights(entry: Mapping[str, Any], weights: Path | None) -> dict[str, Any]:
    """A model's entry with the weights file of an earlier step, and its recorded sha256; unchanged if there is none."""
    if not weights:
        return entry
    record = weights.with_suffix(".json")
    file = {"path": str(weights), "sha256": read_json(record).get("sha256") if record.exists() else None}
    return {**entry, "checkpoint" if "checkpoint" in entry else "weights": file}


def network_of(model: nn.Module) -> nn.Module:
    """The network itself inside what build() makes: the class of the entry, or of what spandrel recognised."""
    while not isinstance(model, Upscaler):
        model = model.network
    return model.network.module if isinstance(model.network, Described) else model.network


def is_the_users(model: nn.Module) -> bool:
    """Whether a class in a model is in a file of the user's own, not this project's or an installed package's."""
    modules = {type(part).__module__ for part in model.modules()}
    files = (getattr(sys.modules.get(name), "__file__", None) for name in modules if not name.startswith("rssr."))
    return any(file and is_own(file) for file in files)


def backends(model: nn.Module, device: torch.device | str) -> list[str]:
    """The kernels of custom operators in a model, from this project's networks with a method `backend`."""
    methods = (own_method(module, "backend") for module in model.modules())
    return sorted({method(device) for method in methods if method})


def seed(model: nn.Module, value: int) -> bool:
    """Seed every network in a model that has a method `seed`, which returns whether the network samples.

    Others may draw from a generator of the process, each of which is seeded too: their output is the same in every run.

    Returns:
        Whether any samples, so that the output depends on the value.
    """
    seed_generators(value)
    networks = [module for module in model.modules() if _takes_a_seed(module)]
    sampling = [_called(network, network.seed, value) for network in networks]  # a list, because all must be seeded
    return any(sampling)


def _takes_a_seed(module: nn.Module) -> bool:
    """Whether a network has a method `seed` of one value; in a user's class that name may mean anything else."""
    if isinstance(inspect.getattr_static(type(module), "seed", None), property):
        return False  # which may do anything when it is asked
    method = getattr(module, "seed", None)
    try:
        return inspect.ismethod(method) and inspect.signature(method).bind(0) is not None
    except TypeError:
        return False


def _called(part: nn.Module, method: Callable[[int], Any], value: int) -> Any:
    """What a method returns; UserError if it fails, as one may that means something else by its name."""
    try:
        return method(value)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        problem = f"{type(part).__name__}.{method.__name__}({value}), which is called for each network, fails"
        raise UserError(f"{problem} ({in_words(error)})", "give a method of another meaning another name") from error
