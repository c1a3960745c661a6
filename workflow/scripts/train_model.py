"""Train one network on the train split of one data set; run again after an interruption, it resumes."""

import argparse
import json
from pathlib import Path

import torch

from rssr.base.files import sha256, write_json
from rssr.base.process import run
from rssr.base.provenance import made_by
from rssr.models.registry import build
from rssr.models.weights import write_weights
from rssr.plan.artifacts import artifact_at
from rssr.plan.dependencies import digest, used_files
from rssr.steps.training import Patches, Trainer, manifest_checksums


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=json.loads, required=True, help="configuration entry as JSON")
    parser.add_argument("--recipe", type=json.loads, required=True, help="configuration entry as JSON")
    parser.add_argument("--hr-dir", type=Path, required=True)
    parser.add_argument("--lr-dir", type=Path, required=True)
    parser.add_argument(
        "--weights", type=Path, required=True, help="safetensors file; .json and .csv are put beside it"
    )
    parser.add_argument("--code", type=Path, nargs="*", help="the files that a change of starts training anew")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.manual_seed(arguments.recipe["seed"])
    model, scale = build(arguments.model).train(), arguments.model["scale"]
    checksums = manifest_checksums(arguments.hr_dir, arguments.lr_dir)
    entries = {"model": arguments.model, "recipe": arguments.recipe, "images": checksums}
    code = digest(arguments.code or used_files(Path(__file__).resolve()))
    patches = Patches(arguments.hr_dir, arguments.lr_dir, scale, arguments.recipe)
    folder = arguments.weights.parent / "checkpoints"
    trainer = Trainer(model, arguments.recipe, patches, folder, [entries, code, arguments.threads])
    weights = trainer.run()
    tensors = {name.removeprefix("network."): value for name, value in weights.items()}
    write_weights(arguments.weights, tensors, scale)
    trainer.write_curve(arguments.weights.with_suffix(".csv"))
    trained = artifact_at(arguments.lr_dir / "manifest.csv")
    facts = made_by(
        **entries,
        sha256=sha256(arguments.weights),
        **{key: getattr(trained, key) for key in ("dataset", "scale", "degradation")},
        parameters=sum(p.numel() for p in model.parameters()),
        device=str(trainer.accelerator.device),
        threads=arguments.threads,
        seconds=round(trainer.seconds, 3),
        iterations=trainer.done,
        final_loss=trainer.curve[-1]["loss"],
        peak_memory_mb=trainer.peak_memory_mb,
    )
    write_json(arguments.weights.with_suffix(".json"), facts)


run(main)
