"""From the argument and weight names of authors' released code to ours."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from torch import Tensor, nn

Keys = Iterable[tuple[str, str | Callable[[re.Match], str]]]


def translate_arguments(
    network: str,
    config: Mapping[str, Any],
    names: Mapping[str, str],
    fixed: Mapping[str, Any],
    unused: Collection[str] = (),
) -> dict[str, Any]:
    """The authors' keyword arguments in ours.

    Args:
        network: its name, for the error.
        config: the authors' arguments.
        names: theirs that have a counterpart, with its name; a scale may be a list of one.
        fixed: theirs that have one value here, because the published network has no other.
        unused: theirs that change nothing.

    Raises:
        ValueError: for an argument that has no counterpart.
    """
    arguments = {}
    for name, value in config.items():
        if name == "scale" and isinstance(value, list) and len(value) == 1:
            value = value[0]
        if name in names:
            arguments[names[name]] = value
        elif name not in unused and (name not in fixed or fixed[name] != value):
            raise ValueError(f"{network}: the released argument {name}={value!r} has no counterpart here")
    return arguments


def load_released(model: nn.Module, state_dict: Mapping[str, Tensor], keys: Keys) -> nn.Module:
    """Load the authors' weights, all of them and in their dtype.

    Args:
        model: the network, which is changed.
        state_dict: weights under the authors' keys.
        keys: patterns and replacements, one applied after the other to every key.

    Returns:
        The model, in eval mode.

    Raises:
        RuntimeError: for keys or shapes that do not fit, by name.
    """
    renamed = {}
    for key, value in state_dict.items():
        for pattern, replacement in keys:
            key = re.sub(pattern, replacement, key)
        renamed[key] = value
    dtypes = {value.dtype for value in renamed.values()}
    model.load_state_dict(renamed)
    return (model.to(dtypes.pop()) if len(dtypes) == 1 else model).eval()
