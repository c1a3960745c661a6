"""Finds the state dicts in what a training code saved, and puts the averaged ones before the raw ones."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

Place = tuple[str, ...]  # the keys that lead to something in a file

# Where training codes put the weights inside their files, in the order in which they are looked for.
_WRAPPERS = (
    *("params", "state_dict", "model_state_dict", "model", "generator", "net_g", "netg", "g", "net", "network"),
    *("weights", "module"),
)
_WORDS = (
    "(?:model)?ema|ewma|swa|lawa|averag(?:e|es|ed|er|ing)|polyak|shadow|smoothed|lookahead|mean[ _-]?teacher|"
    "slow[ _-]?weights|g[ _-]running"
)
_AVERAGED = re.compile(rf"(?<![a-z])(?:{_WORDS}|m?avg(?:model)?|model[ _-]ma|gs)(?![a-z])", re.IGNORECASE)
# Before a name, the others are rather layers: "avg" is one that averages pixels.
_AVERAGED_PREFIX = re.compile(rf"(?<![a-z])(?:{_WORDS})(?![a-z])", re.IGNORECASE)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # between the words of netGEma
# Below these are averages of gradients and of rates.
_NO_NETWORK = re.compile("optim(?!al|um|i[sz]ed)|sched|exp_avg", re.IGNORECASE)
_SCALE = re.compile(r"(?:params_|scale_)?x?([2-9])", re.IGNORECASE)
# Not averaged: torch_ema keeps the raw weights here while the averaged ones are in use.
_RAW_LIST = "collected_params"
# Floats that no optimiser changes, and that are not averaged.
_BUFFERS = ("running_mean", "running_var", "attn_mask")
_COUNTERS = ("total_ops", "total_params", "n_averaged")  # of thop, and of torch.optim.swa_utils: no weights
_EXTRA = "_extra_state"  # what a module saves besides its tensors


@dataclass(frozen=True)
class StateDict:
    """Names with tensors, where they are in a file, whether they are averages, and their rank: the lowest is taken."""

    place: Place
    tensors: dict[str, Tensor]
    averaged: bool
    rank: tuple


def state_dicts(content: Any, scale: int | None) -> tuple[list[StateDict], str]:
    """The state dicts inside of a file, the best first; and where lists of averaged weights are that cannot be named.

    Args:
        content: what the file holds.
        scale: which of several scales to take, under keys such as 4, "x4" or "params_x4".
    """
    found = dict(_walk(content, scale, ())) or dict(_walk(content, scale, (), numbers=True))
    averaged = {place for place, value in found.items() if _is_averaged(place, value)}
    for place in tuple(averaged):
        if usual := _swapped(place, found):
            averaged = averaged - {place} | {usual}
    ranks = {place: _rank(place, place in averaged) for place in found}
    ranks = dict(sorted(ranks.items(), key=lambda item: item[1]))
    dicts, unnamed = _named({place: found[place] for place in ranks}, averaged)
    return [StateDict(place, dicts[place], place in averaged, ranks[place]) for place in ranks if place in dicts], (
        ", ".join(unnamed)
    )


def _walk(content: Any, scale: int | None, place: Place, numbers: bool = False) -> Iterator[tuple[Place, Any]]:
    """The state dicts and lists inside of a file, each with the keys that lead to it, without those of other scales.

    Numbers alone are taken for weights only on demand, which is for a file without any others.
    """
    if isinstance(content, list | tuple) and content:
        if all(map(_is_tensor, content)) and _is_averaged(place, content) and place[-1] != _RAW_LIST:
            yield place, list(content)
        pairs = (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str) for pair in content)
        content = dict(content) if all(pairs) else None
    if not isinstance(content, Mapping):
        return
    if scale is not None and _has_scales(content):
        content = {key: value for key, value in content.items() if _scale_of_key(key) == scale}
    inner = [
        found
        for key, value in content.items()
        # An optimiser numbers its states; at the top, numbers are of folds or epochs.
        if key == scale or (str(key).rpartition(".")[2] != _EXTRA and (isinstance(key, str) or not place))
        for found in _walk(value, scale, (*place, str(key)), numbers)
    ]
    tensors = {name: value for name, value in content.items() if isinstance(name, str) and _is_tensor(value)}
    yield from inner
    # What stands beside weights is none unless its names are those of layers.
    beside = any(isinstance(value, dict) for _, value in inner)
    whole = bool(tensors) if numbers else any(value.ndim for value in tensors.values())
    if whole and (not beside or any("." in name for name in tensors)):
        yield place, tensors


def _named(found: Mapping[Place, Any], averaged: set[Place]) -> tuple[dict[Place, dict[str, Tensor]], list[str]]:
    """What _walk() found in order of rank, as dicts with all tensors; and where lists are that cannot be named.

    Averaged weights in a list get the names of the raw ones: equal shapes in order are taken as the same order.
    Buffers, which are not averaged, are the raw ones.
    """
    dicts = {place: value for place, value in found.items() if isinstance(value, dict)}
    averages = {place: value for place, value in found.items() if place in averaged}
    raws = [without_counters(value) for place, value in dicts.items() if place not in averages]
    unnamed = []
    for place, values in averages.items():
        if isinstance(values, dict):
            names = without_counters(values).keys()
            whole = (raw for raw in raws if _trained(raw).keys() <= names < raw.keys())
            dicts[place] = next(whole, {}) | values
            continue
        raw, shapes = raws[0] if raws else {}, [value.shape for value in values]
        fitting = [each for each in (raw, _trained(raw)) if [value.shape for value in each.values()] == shapes]
        if fitting:
            dicts[place] = raw | dict(zip(fitting[0], values, strict=True))
        else:
            unnamed.append(".".join(place))
    return dicts, unnamed


def _trained(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without buffers, as far as type and name tell."""
    floating = {name: value for name, value in tensors.items() if value.is_floating_point()}
    return {name: value for name, value in floating.items() if name.rpartition(".")[2] not in _BUFFERS}


def _has_scales(content: Mapping) -> bool:
    """Whether keys tell scales apart: not if some are numbers that are none, such as 0, 1, 2 of folds."""
    keys = [key for key, value in content.items() if isinstance(value, Mapping)]
    return any(map(_scale_of_key, keys)) and all(_scale_of_key(key) for key in keys if str(key).isdecimal())


def _scale_of_key(key: Any) -> int | None:
    found = _SCALE.fullmatch(str(key))
    return int(found[1]) if found else None


def _is_tensor(value: Any) -> bool:
    from torch import Tensor

    return isinstance(value, Tensor)


def _words(part: str) -> str:
    """A key with the humps of its capitals as underscores."""
    return _HUMP.sub("_", part)


def _is_averaged(place: Place, tensors: Any) -> bool:
    """Whether keys call tensors averaged weights; a network has matrices, other averages are single numbers."""
    keys = [_words(part) for part in place]
    tensors = tensors.values() if isinstance(tensors, Mapping) else tensors
    named = any(map(_AVERAGED.search, keys)) and not any(map(_NO_NETWORK.search, keys))
    return named and any(value.ndim > 1 for value in tensors)


def _swapped(place: Place, found: Mapping[Place, Any]) -> Place | None:
    """Where the averaged weights are if these, which are called so, are the raw ones, as MMEngine saves them.

    Its mmengine/hooks/ema_hook.py exchanges both, so that the averaged ones are where a reader expects weights.
    """
    usual = (*place[:-1], "state_dict")
    called, expected = found[place], found.get(usual)
    if place[-1] != "ema_state_dict" or not isinstance(called, dict) or not isinstance(expected, dict):
        return None
    return usual if called.keys() == {"steps"} | {f"module.{name}" for name in expected} else None


def _rank(place: Place, averaged: bool) -> tuple:
    """The order in which state dicts are taken: averaged ones first, then by the names of their wrappers."""
    keys = [_words(part) for part in place]
    bare = [(_AVERAGED.sub("", key) if averaged else key).strip("_-. ").lower() for key in keys]
    # "x4" tells scales apart, a number of averages rates: they make none better. Other numbers are equal.
    bare = [key for key in bare if key and not (averaged if key.isdecimal() else _SCALE.fullmatch(key))]
    return not averaged, [_WRAPPERS.index(key) if key in _WRAPPERS else len(_WRAPPERS) for key in bare]


def take_averaged(tensors: Mapping[str, Tensor], names: Container[str]) -> tuple[dict[str, Tensor], Place]:
    """The averaged ones of tensors that are told apart by a prefix of their names, such as "generator_ema.".

    A network may have a layer that is called so: averages that have fewer of its names than all tensors are none.
    """
    parts = (name.split(".")[:-1] for name in tensors)
    heads = dict.fromkeys(tuple(p[:depth]) for p in parts for depth in (1, 2) if len(p) >= depth)
    for prefix in (head for head in heads if _AVERAGED_PREFIX.search(_words(head[-1]))):
        start = ".".join((*prefix, ""))
        mean = {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
        others = {name: value for name, value in tensors.items() if not name.startswith(start)}
        groups: dict[Place, dict[str, Tensor]] = {(): others}
        for name, value in others.items():
            head = name.split(".")
            groups.setdefault(tuple(head[: len(prefix)]), {})[".".join(head[len(prefix) :])] = value
        for raw in sorted(groups.values(), key=len, reverse=True):
            # torch.optim.swa_utils puts "module." before the names.
            bare = {name.removeprefix("module."): value for name, value in mean.items()}
            for given in (mean, bare, _dotted(mean, raw)):
                if "" not in raw and (trained := _trained(raw)) and trained.keys() <= given.keys():
                    averages = {name: given.get(name, value) for name, value in raw.items()}
                    if _fitting(averages, names) >= _fitting(tensors, names):
                        return averages, prefix
    return dict(tensors), ()


def prefixes(tensors: Iterable[str], wanted: Container[str]) -> Counter[str]:
    """Prefixes of names, each with how many wanted ones are behind it."""
    return Counter(
        name[: len(name) - len(end)]
        for name in tensors
        for end in (name.split(".", depth)[-1] for depth in range(name.count(".") + 1))
        if end in wanted
    )


def _fitting(tensors: Iterable[str], names: Container[str]) -> int:
    return max(prefixes(tensors, names).values(), default=0)


def _dotted(tensors: Mapping[str, Tensor], names: Mapping[str, Any]) -> dict[str, Tensor]:
    """Tensors whose names lack their dots, as some codes write averaged ones, by those names that fit to them alone."""
    bare = {name: name.replace(".", "") for name in names}
    times = Counter(bare.values())
    return {name: tensors[key] for name, key in bare.items() if key in tensors and times[key] == 1}


def without_counters(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors without the counters that other tools put between them."""
    return {name: value for name, value in tensors.items() if name.rpartition(".")[2] not in _COUNTERS}
