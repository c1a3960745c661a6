"""The cost of one model on one device."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from rssr.base.provenance import made_by
from rssr.metrics.complexity import count_macs, count_parameters
from rssr.metrics.latency import measure
from rssr.models.registry import backends, build


def profile(
    entry: Mapping[str, Any], weights: Path | None, settings: Mapping[str, Any], device: torch.device
) -> dict[str, Any]:
    """Parameters, MACs, latency and memory of a model, and under which conditions they were measured.

    Args:
        entry: the model's entry in the configuration.
        weights: the weights of a checkpoint, whose architecture is read from them; None: random weights.
        settings: the block `profile` of the configuration.
        device: what is measured; nothing else should run on it meanwhile.
    """
    torch.manual_seed(0)
    built = {key: value for key, value in entry.items() if key != "weights"}
    if weights:
        built["checkpoint"] = {"path": str(weights)}
    model = build(built).to(device)
    sizes = (settings["size"], *settings["further_sizes"])
    x, *further = (torch.rand(settings["batch"], 3, *size, device=device) for size in sizes)
    return made_by(
        model=entry,
        input_shape=list(x.shape),
        parameters=count_parameters(model),
        macs=count_macs(model, x),
        kernels=backends(model, device),
        latency=measure(model, x, settings),
        further_latencies=[measure(model, other, settings) for other in further],
    )
