"""What wrappers add to the names of a network's tensors, taken off."""

import re
from collections import Counter
from collections.abc import Container, Mapping

from torch import Tensor

from rssr.base.state_dicts import prefixes

# Of torch.compile, of FSDP, and of the layers whose activations are computed twice.
_ANYWHERE = re.compile(r"(?<![^.])(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")


def without_infixes(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors without what PyTorch adds anywhere in their names, such as the "_orig_mod." of torch.compile."""
    return _renamed(tensors, {name: _ANYWHERE.sub("", name) for name in tensors})


def without_prefix(tensors: Mapping[str, Tensor], wanted: Container[str]) -> dict[str, Tensor]:
    """Tensors without the prefix, such as Lightning's "model.", that hides most of the wanted names, if any."""
    ends = prefixes(tensors, wanted)
    prefix = max(ends, key=ends.get, default="")
    return _renamed(tensors, {name: name.removeprefix(prefix) for name in tensors})


def _renamed(tensors: Mapping[str, Tensor], bare: Mapping[str, str]) -> dict[str, Tensor]:
    """Tensors with their bare names. If two have the same, nothing says which is meant: both stay, and one fits not."""
    times = Counter(bare.values())
    return {name if times[bare[name]] > 1 else bare[name]: value for name, value in tensors.items()}


def without_first_part(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors without the first part of their names, such as DataParallel's "module."; empty unless all share it."""
    parts = [name.partition(".") for name in tensors]
    shared = len({first for first, *_ in parts}) == 1 and all(rest for *_, rest in parts)
    return dict(zip((rest for *_, rest in parts), tensors.values(), strict=True)) if shared else {}
