"""Train one network on the train split of one data set; an interrupted run resumes when it is started again."""

import argparse
from pathlib import Path

from rssr.base import devices
from rssr.base.errors import about
from rssr.base.process import run
from rssr.plan import arguments as from_json
from rssr.plan.artifacts import model_of
from rssr.plan.dependencies import digest, used_files
from rssr.steps.distributed import team
from rssr.steps.weights import train


def main() -> None:
    """Parse the arguments and call the library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=from_json.entry, required=True, help="configuration entry as JSON")
    parser.add_argument("--recipe", type=from_json.entry, required=True, help="configuration entry as JSON")
    parser.add_argument("--checkpoint-every", type=int, required=True, help="as in the recipe")
    parser.add_argument("--log-every", type=int, required=True, help="as in the recipe")
    parser.add_argument("--seed", type=int, required=True, help="of the replicate")
    parser.add_argument("--hr-dir", type=Path, required=True)
    parser.add_argument("--lr-dir", type=Path, required=True)
    parser.add_argument("--val", type=Path, nargs="*", default=[], help="HR and LR manifests, for `validate_every`")
    parser.add_argument("--weights", type=Path, required=True, help="safetensors; .json and .csv are put beside it")
    parser.add_argument("--code", type=Path, nargs="*", help="files whose change restarts training")
    parser.add_argument("--devices", type=int, default=1, help="processes, each on its own GPU, that share the batches")
    devices.add_options(parser)
    arguments = parser.parse_args()
    device = devices.prepare(arguments)
    code = digest(arguments.code or used_files(Path(__file__).resolve()))
    recipe = arguments.recipe | {key: getattr(arguments, key) for key in ("seed", *from_json.NO_WEIGHTS)}
    images, validate_on = (arguments.hr_dir, arguments.lr_dir), [path.parent for path in arguments.val]
    with about(f"models.{model_of(arguments.weights)}"), team(arguments.devices, device) as processes:
        train(arguments.model, recipe, images, arguments.weights, code, device, validate_on, processes)


run(main)
