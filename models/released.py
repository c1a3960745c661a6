"""Translates argument and weight names between authors' released code and this project."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

Keys = Iterable[tuple[str, str | Callable[[re.Match], str]]]
Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Released:
    """How the authors' code names and stores the weights of a network. A network's method `released` returns it.

    Args:
        keys: (pattern, replacement) pairs, applied in order to every name of this project, giving the authors' name.
        join: converts tensors of this project, already renamed, to the authors' tensors.
        split: the inverse; it keeps unknown tensors unchanged.
        constants: tensors in the authors' files besides weights, each with its permitted values. A file may lack
            them; the first values are written on export, because the authors' code loads strictly.
        constant: description of these values, for errors.
        note: how the output of the authors' code with these weights may differ from that of this project's network.
    """

    keys: Keys
    join: Callable[[Tensors], dict[str, Tensor]] = dict
    split: Callable[[Tensors], dict[str, Tensor]] = dict
    constants: Mapping[str, Sequence[Tensor]] = field(default_factory=dict)
    constant: str = ""
    note: str = ""

    def theirs(self, tensors: Tensors) -> dict[str, Tensor]:
        """The weights of this project in the authors' names and layout, without constants."""
        return self.join({self._name(name): value for name, value in tensors.items()})

    def ours(self, tensors: Tensors, names: Iterable[str]) -> dict[str, Tensor]:
        """The authors' weights in this project's names and layout, without constants.

        Args:
            tensors: weights under the authors' names.
            names: names of this project to translate to; a tensor that matches none keeps its name.
        """
        known = {self._name(name): name for name in names}
        apart = self.split(tensors)
        return {known.get(name, name): value for name, value in apart.items() if name not in self.constants}

    def odd(self, tensors: Tensors) -> list[str]:
        """The names of constants with a value that is not permitted. Shapes do not matter, nor do repeated values."""
        return [name for name in self.constants if name in tensors and not self._allowed(name, tensors[name])]

    def _allowed(self, name: str, value: Tensor) -> bool:
        # Compared in the dtype of the file: code that stores half precision also converts the constants.
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
    """A replacement that fills a template with the groups of a match; `offset` is added to the last, a number."""
    return lambda match: template.format(*match.groups()[:-1], int(match.groups()[-1]) + offset)


def translate_arguments(
    network: str,
    config: Mapping[str, Any],
    names: Mapping[str, str],
    fixed: Mapping[str, Any],
    unused: Collection[str] = (),
) -> dict[str, Any]:
    """Translate the authors' keyword arguments to those of this project.

    Args:
        network: name of the network, for the error.
        config: the authors' arguments.
        names: the authors' name of an argument -> its name in this project; a scale may be a list of one.
        fixed: the authors' arguments that are supported with one value only, the value in all released networks.
        unused: the authors' arguments that have no effect.

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
    """Load the authors' weights strictly, and convert the network to their dtype.

    Args:
        model: the network, changed in place; its method `released` returns the translation.
        state_dict: weights under the authors' names.

    Returns:
        The model, in eval mode.

    Raises:
        ValueError: for a constant whose value is not permitted; names it.
        RuntimeError: for names or shapes that do not fit; lists them.
    """
    released = model.released()
    if odd := released.odd(state_dict):
        raise ValueError(f"{type(model).__name__}: {', '.join(odd)} is not {released.constant}")
    tensors = released.ours(state_dict, model.state_dict())
    dtypes = {value.dtype for value in tensors.values()}
    model.load_state_dict(tensors)
    return (model.to(dtypes.pop()) if len(dtypes) == 1 else model).eval()
