"""What wrappers add to the names of a network's tensors, taken off."""

from collections import Counter
from collections.abc import Iterable, Mapping

from torch import Tensor


def uncompiled(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors without the "_orig_mod." that torch.compile adds anywhere in their names."""
    return {name.replace("_orig_mod.", ""): value for name, value in tensors.items()}


def without_prefix(tensors: Mapping[str, Tensor], wanted: Iterable[str]) -> dict[str, Tensor]:
    """Tensors without the prefix, such as Lightning's "model.", that hides most of the wanted names, if any."""
    ends = Counter(
        name[: len(name) - len(end)]
        for name in tensors
        for end in (name.split(".", depth)[-1] for depth in range(name.count(".") + 1))
        if end in wanted
    )
    prefix = max(ends, key=ends.get, default="")
    bare = {name: name.removeprefix(prefix) for name in tensors}
    # With a name that is there without the prefix too, nothing says which is meant: it keeps the prefix, and fits not.
    return {name if bare[name] in tensors else bare[name]: value for name, value in tensors.items()}


def without_first_part(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors without the first part of their names, such as DataParallel's "module."; empty unless all share it."""
    parts = [name.partition(".") for name in tensors]
    shared = len({first for first, *_ in parts}) == 1 and all(rest for *_, rest in parts)
    return dict(zip((rest for *_, rest in parts), tensors.values(), strict=True)) if shared else {}
