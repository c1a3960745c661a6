"""Training's speed on this machine: patches per second, steps per second, and the share of a step that waits for data.

Beside BasicSR: its PairedImageDataset on the same images, as LMDB of BasicSR's own making and as the prepared files,
which are uncompressed, by a DataLoader with workers; and its SRModel with the same network, batch, loss, optimiser and
average. Nothing else should run meanwhile.
  PYTHONPATH=. python benchmarks/training.py --data results/data/rsscn7/train --out results/reference/training.json
"""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from torch.utils.data import DataLoader

import rssr.models.basicsr_import  # noqa: F401, before basicsr
from rssr.base import ROOT
from rssr.base.devices import add_options, prepare
from rssr.base.files import write_json
from rssr.base.process import run
from rssr.base.provenance import made_by
from rssr.config.models import Recipe
from rssr.models.registry import build
from rssr.steps.checkpoints import Checkpoints
from rssr.steps.patches import Patches
from rssr.steps.training import Trainer

VARIANTS = {
    "plain": {},
    "channels_last": {"channels_last": True},
    "compiled": {"compile": "default"},
    "channels_last, compiled": {"channels_last": True, "compile": "default"},
    "bf16": {"precision": "bf16"},
    "bf16, channels_last": {"precision": "bf16", "channels_last": True},
    "bf16, channels_last, compiled": {"precision": "bf16", "channels_last": True, "compile": "default"},
}


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="HR-x4 and LR/x4-bicubic are below it")
    parser.add_argument("--steps", type=int, default=15, help="timed, after 3 that are not, of each of --rounds")
    parser.add_argument("--rounds", type=int, default=3, help="in turn, so that a disturbance meets all alike")
    parser.add_argument("--workers", type=int, default=2, help="of BasicSR's DataLoader")
    parser.add_argument("--out", type=Path, required=True)
    add_options(parser)
    arguments = parser.parse_args()
    device = prepare(arguments)
    config = yaml.safe_load((ROOT / "config/xs.yaml").read_text(encoding="utf-8"))
    plain = {"precision": "fp32", "channels_last": False, "compile": None, "seed": 10}
    recipe = Recipe.model_validate(config["training"]["xs"]).model_dump(mode="json") | plain
    folders = arguments.data / "HR-x4", arguments.data / "LR/x4-bicubic"
    patches = Patches(*folders, 4, recipe)
    batches = patches.on(device)
    found: dict[str, Any] = {"patches_per_s": _patches(patches, folders, recipe, device, arguments.workers)}
    for name in ("edsr_xs", "lstmconvsr_xs"):
        entry = config["models"][name]
        steps = {kind: _ours(entry, recipe | VARIANTS[kind], patches, device) for kind in VARIANTS}
        if entry["arch"].startswith("basicsr"):
            steps["BasicSR's SRModel"] = _basicsr(entry, recipe, patches, device)
        seconds = _in_turn(steps, arguments.rounds, arguments.steps, device)
        waits = _median(lambda: batches(next(_COUNT)), device)
        found[name] = {"seconds_per_step": seconds, "share_waiting": waits / min(seconds.values())}
        for kind, value in seconds.items():
            print(f"{name}, {kind}: {value:.3f} s, {seconds['plain'] / value:.2f} times the plain loop", flush=True)
        print(f"{name}: {100 * found[name]['share_waiting']:.2f} % of the fastest step waits for data")
    facts = {"device": str(device), "threads": arguments.threads, "steps": arguments.steps, "rounds": arguments.rounds}
    write_json(arguments.out, made_by(**found, recipe=recipe, images=len(patches.names), **facts))


_COUNT = itertools.count()


def _patches(patches: Patches, folders: tuple, recipe: Mapping, device: torch.device, workers: int) -> dict[str, float]:
    from basicsr.data.paired_image_dataset import PairedImageDataset

    batches = patches.on(device)
    found = {"ours": recipe["batch"] / _median(lambda: batches(next(_COUNT)), device, 200)}
    options = {"phase": "train", "scale": 4, "gt_size": 4 * recipe["patch"], "use_hflip": True, "use_rot": True}
    with tempfile.TemporaryDirectory() as scratch:
        for kind, given in _given(patches.names, folders, Path(scratch)).items():
            data = PairedImageDataset(options | given)
            loader = DataLoader(data, recipe["batch"], shuffle=True, num_workers=workers, drop_last=True)
            found[f"basicsr, {kind}"] = _rate(loader)
    for kind, theirs in list(found.items())[1:]:
        print(f"patches per second, {kind}: {theirs:.0f}; ours are {found['ours'] / theirs:.1f} times", flush=True)
    return found | {"workers": workers}


def _given(names: Sequence[str], folders: tuple, scratch: Path) -> dict[str, dict[str, Any]]:
    """How BasicSR is given the images -> the options of its data set."""
    from basicsr.utils.lmdb_util import make_lmdb_from_imgs

    listed = scratch / "names.txt"
    listed.write_text("".join(f"{name}.png\n" for name in names))
    files = {"io_backend": {"type": "disk"}, "meta_info_file": str(listed)}
    found = {"files": files | {"dataroot_gt": str(folders[0]), "dataroot_lq": str(folders[1])}}
    made = [scratch / f"{side}.lmdb" for side in ("gt", "lq")]
    for folder, path in zip(folders, made, strict=True):
        make_lmdb_from_imgs(str(folder), str(path), [f"{name}.png" for name in names], list(names))
    lmdb = {"io_backend": {"type": "lmdb"}, "dataroot_gt": str(made[0]), "dataroot_lq": str(made[1])}
    return found | {"lmdb": lmdb}


def _rate(loader: DataLoader) -> float:
    """Patches per second, without the time that the workers take to start."""
    start, count = None, 0
    for _ in range(2):  # the second pass: files are in the system's cache
        for batch in loader:
            if start is None:
                start = time.perf_counter()
            else:
                count += len(batch["lq"])
    return count / (time.perf_counter() - start)


def _ours(entry: Mapping, recipe: Mapping, patches: Patches, device: torch.device) -> Callable[[], None]:
    torch.manual_seed(recipe["seed"])
    built = {"arch": entry["arch"], "args": entry["args"], "scale": 4}
    trainer = Trainer(build(built).train(), recipe, patches, Checkpoints(Path(tempfile.mkdtemp()), []), device)
    return trainer._step


def _basicsr(entry: Mapping, recipe: Mapping, patches: Patches, device: torch.device) -> Callable[[], None]:
    from basicsr.models.sr_model import SRModel

    adam = {"type": "Adam", "lr": recipe["optimiser"]["lr"], "betas": recipe["optimiser"]["betas"]}
    train = {"ema_decay": recipe["ema"], "optim_g": adam, "scheduler": {"type": "MultiStepLR", "milestones": [10**6]}}
    train["pixel_opt"] = {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"}
    options = {"num_gpu": int(device.type == "cuda"), "is_train": True, "dist": False, "path": {}, "train": train}
    model = SRModel(options | {"network_g": {"type": entry["arch"].split(":")[1], **entry["args"]}})

    def step() -> None:
        lr, hr = patches(number := next(_COUNT))  # data at no cost, as from a loader that is never waited for
        model.feed_data({"lq": lr, "gt": hr})
        model.optimize_parameters(number)

    return step


def _in_turn(steps: Mapping[str, Callable], rounds: int, count: int, device: torch.device) -> dict[str, float]:
    """Name -> median seconds of a step."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _, (name, step) in itertools.product(range(rounds), steps.items()):
        times[name] += list(_times(step, device, count))
    return {name: statistics.median(found) for name, found in times.items()}


def _median(call: Callable, device: torch.device, count: int = 50) -> float:
    return statistics.median(_times(call, device, count))


def _times(call: Callable, device: torch.device, count: int) -> Iterator[float]:
    for number in range(-3, count):
        start = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if number >= 0:
            yield time.perf_counter() - start


run(main)
