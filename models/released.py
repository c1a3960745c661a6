"""From the argument and weight names of authors' released code to ours, and back."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

Keys = Iterable[tuple[str, str | Callable[[re.Match], str]]]
Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Released:
    """How the authors' code names and stores the weights of a network: what the network's method `released` returns.

    Args:
        keys: patterns of our names and what they are in theirs, applied one after the other to every name.
        join: from our tensors, renamed, to what their code has.
        split: the inverse; it leaves what it does not know as it is.
        constants: what their files carry besides weights, and the values that each may have. A file may lack them; the
            first values are written, because their code loads strictly.
        constant: what those values are, for errors.
        note: how the function that their code computes from these weights may differ from the network's.
    """

    keys: Keys
    join: Callable[[Tensors], dict[str, Tensor]] = dict
    split: Callable[[Tensors], dict[str, Tensor]] = dict
    constants: Mapping[str, Sequence[Tensor]] = field(default_factory=dict)
    constant: str = ""
    note: str = ""

    def theirs(self, tensors: Tensors) -> dict[str, Tensor]:
        """Weights under our names as their code has them, without constants."""
        return self.join({self._name(name): value for name, value in tensors.items()})

    def ours(self, tensors: Tensors, names: Iterable[str]) -> dict[str, Tensor]:
        """Their weights under ours of these names, without constants; what is unknown keeps its name."""
        known = {self._name(name): name for name in names}
        apart = self.split(tensors)
        return {known.get(name, name): value for name, value in apart.items() if name not in self.constants}

    def odd(self, tensors: Tensors) -> list[str]:
        """The constants that have another value, in any shape; repeated ones count as one."""
        return [name for name in self.constants if name in tensors and not self._allowed(name, tensors[name])]

    def _allowed(self, name: str, value: Tensor) -> bool:
        # Rounded as the file is: codes that store in half precision also convert what is constant.
        choices = [choice.flatten().to(value.dtype).double() for choice in self.constants[name]]
        if value.numel() == 0 or value.numel() % len(choices[0]):
            return False
        rows = value.cpu().double().reshape(-1, len(choices[0]))
        return any((rows - choice).abs().max() < 1e-3 for choice in choices)

    def _name(self, name: str) -> str:
        for pattern, replacement in self.keys:
            name = re.sub(pattern, replacement, name)
        return name


def counted(template: str, offset: int) -> Callable[[re.Match], str]:
    """A replacement: the groups of a match in a template, the last one a number to which `offset` is added."""
    return lambda match: template.format(*match.groups()[:-1], int(match.groups()[-1]) + offset)


def translate_arguments(
    network: str,
    config: Mapping[str, Any],
    names: Mapping[str, str],
    fixed: Mapping[str, Any],
    unused: Collection[str] = (),
) -> dict[str, Any]:
    """The authors' keyword arguments as those of this project.

    Args:
        network: its name, for the error.
        config: the authors' arguments.
        names: their arguments that have a counterpart, with its name; a scale may be a list of one.
        fixed: their arguments that have one value here, because the released networks have no other.
        unused: their arguments that change nothing.

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


def load_released(model: nn.Module, state_dict: Tensors) -> nn.Module:
    """Load the authors' weights, all of them and in their dtype.

    Args:
        model: the network, which is changed; its method `released` knows the names.
        state_dict: weights under the authors' keys.

    Returns:
        The model, in eval mode.

    Raises:
        ValueError: for a constant of another value, by name.
        RuntimeError: for keys or shapes that do not fit, by name.
    """
    released = model.released()
    if odd := released.odd(state_dict):
        raise ValueError(f"{type(model).__name__}: {', '.join(odd)} is not {released.constant}")
    tensors = released.ours(state_dict, model.state_dict())
    dtypes = {value.dtype for value in tensors.values()}
    model.load_state_dict(tensors)
    return (model.to(dtypes.pop()) if len(dtypes) == 1 else model).eval()
