"""What a network holds besides its weights while it trains, and that its layers stay those of its constructor."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from rssr.base.errors import UserError

Held = Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]]


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
