"""Measure what one model costs on the device at hand; nothing else should run on it meanwhile."""

import argparse
import json
from pathlib import Path

import torch

from rssr.base.errors import UserError
from rssr.base.files import write_json
from rssr.base.process import run
from rssr.base.provenance import made_by
from rssr.metrics.complexity import count_macs, count_parameters
from rssr.metrics.latency import measure
from rssr.models.registry import backends, build


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=json.loads, required=True, help="configuration entry as JSON")
    parser.add_argument("--weights", type=Path, help="for a checkpoint: its weights, which tell its architecture")
    parser.add_argument("--profile", type=json.loads, required=True, help="configuration entry as JSON")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    if arguments.device.startswith("cuda") and not torch.cuda.is_available():
        raise UserError("--device cuda: PyTorch sees no GPU here", "leave the option out to measure the CPU")
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    settings = arguments.profile
    entry = {key: value for key, value in arguments.model.items() if key != "weights"}
    if arguments.weights:
        entry["checkpoint"] = {"path": str(arguments.weights)}
    model = build(entry).to(arguments.device)
    inputs = [
        torch.rand(settings["batch"], 3, *size, device=arguments.device)
        for size in (settings["size"], *settings["further_sizes"])
    ]
    x = inputs[0]
    facts = made_by(
        model=arguments.model,
        input_shape=list(x.shape),
        parameters=count_parameters(model),
        macs=count_macs(model, x),
        kernels=backends(model, arguments.device),
        latency=measure(model, x, settings),
        further_latencies=[measure(model, further, settings) for further in inputs[1:]],
    )
    write_json(arguments.out, facts)


run(main)
