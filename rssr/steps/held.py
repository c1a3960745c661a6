"""What a network holds besides its weights while it trains, and that it keeps its layers and can keep its weights."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from rssr.base.errors import UserError, in_words
from rssr.base.shared_state import generators_kept
from rssr.models.registry import build, network_of
from rssr.models.weights import write_weights

Held = Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]]


def check_kept(entry: Mapping[str, Any]) -> None:
    """UserError for an entry whose network, once trained, could not be averaged, written, or read again.

    A class with a `state_dict` or tensors of its own kind would otherwise fail after its training.
    """
    with generators_kept(), TemporaryDirectory(prefix="rssr-") as folder:
        network, path = network_of(model := build(entry, training=True)), Path(folder) / "weights.safetensors"
        try:
            for value in model.state_dict().values():
                if value.isfinite().all() and (value.is_floating_point() or value.is_complex()):
                    value.lerp(value, 0.5)
            write_weights(path, network.state_dict(), entry["scale"])
            again = build({**entry, "weights": {"path": str(path)}}, training=True)
            again.load_state_dict(model.state_dict(), strict=False)
        except Exception as error:
            why = error.problem if isinstance(error, UserError) else in_words(error)
            raise UserError(
                f"the weights of {type(network).__name__} cannot be averaged, written and read again ({why})",
                "leave state_dict and load_state_dict as torch.nn.Module has them, and give buffers plain tensors",
            ) from error


def held(network: nn.Module) -> Held:
    """What an interrupted training needs besides weights, by layer: buffers with `persistent=False`, and numbers.

    Numbers are the attributes of a layer that are an int, a float or a bool, such as a counter of iterations.
    """
    return {
        path: (
            {name: layer._buffers[name] for name in layer._non_persistent_buffers_set},
            {name: value for name, value in vars(layer).items() if type(value) in (int, float, bool)},
        )
        for path, layer in network.named_modules()
    }


def hold(network: nn.Module, before: Held) -> None:
    """Give a network back what held() found."""
    for path, layer in network.named_modules():
        buffers, numbers = before.get(path, ({}, {}))
        for name, value in buffers.items():
            layer.register_buffer(name, value, persistent=False)
        vars(layer).update(numbers)


def has_batch_norms(network: nn.Module) -> bool:
    """Whether a network computes statistics of a batch while it trains."""
    return any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in network.modules())


def copied_buffers(network: nn.Module) -> set[str]:
    """The buffers that stand beside averaged weights as they are: all but the running statistics of batch norms.

    Others need not have a mean, as the unit vectors of a spectral norm. torch.optim.swa_utils.AveragedModel copies
    buffers too.
    """
    norms = [path for path, layer in network.named_modules() if isinstance(layer, _NormBase)]
    statistics = {f"{path}.{name}" for path in norms for name in ("running_mean", "running_var")}
    return {name for name, _ in network.named_buffers()} - statistics


def made_of(network: nn.Module) -> dict[str, int | None]:
    """The names of a network's weights; of a parameter also which object it is, because an optimiser holds that."""
    parameters = network.named_parameters(remove_duplicate=False)
    return dict.fromkeys(network.state_dict()) | {name: id(value) for name, value in parameters}


def check_made_of(network: nn.Module, before: Mapping[str, int | None]) -> None:
    """UserError for a weight that a network has made, replaced or removed since made_of() looked at it."""
    now = made_of(network)
    for name in (name for name in now | before if name not in before or now.get(name, "") != before[name]):
        raise UserError(
            f"the network makes, replaces or removes '{name.removeprefix('network.')}' while it runs",
            "make every layer and parameter in the constructor of its class, and change only their values",
        )
