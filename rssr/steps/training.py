"""The training loop: a network, a recipe, prepared images; interrupted runs resume exactly."""

import hashlib
import io
import json
import math
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from tqdm import tqdm

from rssr.base.errors import UserError
from rssr.base.files import read_csv, read_image, replacing, sha256, write_csv

_LOSSES = {
    "l1": lambda sr, hr: (sr - hr).abs().mean(),
    "l2": lambda sr, hr: (sr - hr).square().mean(),
    "charbonnier": lambda sr, hr: ((sr - hr).square() + 1e-6).sqrt().mean(),
}
_OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


class Patches:
    """Random patches of prepared images, which are read once and kept in memory.

    The patches of iteration i depend on the seed and on i alone, so that a resumed run sees what an unbroken one sees.

    Args:
        hr_dir: results/data/{dataset}/train/HR-x{scale}.
        lr_dir: results/data/{dataset}/train/LR/x{scale}-{degradation}.
        scale: upscaling factor.
        recipe: the recipe's batch, patch and seed are used.
    """

    def __init__(self, hr_dir: Path, lr_dir: Path, scale: int, recipe: Mapping[str, Any]) -> None:
        self.scale, self.patch, self.batch = scale, recipe["patch"], recipe["batch"]
        self.seed = recipe["seed"]
        self.lr, self.hr = [], []
        for row in tqdm(read_csv(hr_dir / "manifest.csv"), desc="read images", unit="image"):
            name = f"{row['image']}.png"
            self.lr.append(_channels_first(read_image(lr_dir / name)))
            self.hr.append(_channels_first(read_image(hr_dir / name)))
            if min(self.lr[-1].shape[1:]) < self.patch:
                raise UserError(f"{lr_dir / name} has a side below the recipe's patch of {self.patch} pixels")

    def __call__(self, iteration: int) -> tuple[Tensor, Tensor]:
        """The batch of an iteration: LR (B, 3, p, p) and HR (B, 3, s * p, s * p), both in [0, 1]."""
        random = np.random.default_rng([self.seed, iteration])
        pairs = [self._patch(random) for _ in range(self.batch)]
        return tuple(torch.from_numpy(np.stack(side)).float() / 255 for side in zip(*pairs, strict=True))

    def _patch(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        index = random.integers(len(self.lr))
        lr, hr, size, scale = self.lr[index], self.hr[index], self.patch, self.scale
        top, left = (random.integers(side - size + 1) for side in lr.shape[1:])
        turns, flip = random.integers(4), random.integers(2)
        lr = lr[:, top : top + size, left : left + size]
        hr = hr[:, top * scale : (top + size) * scale, left * scale : (left + size) * scale]
        return tuple(np.rot90(side[..., :: -1 if flip else 1], turns, (1, 2)) for side in (lr, hr))


def learning_rate(iteration: int, total: int, recipe: Mapping[str, Any]) -> float:
    """The learning rate of an iteration, counted from zero, of a run of `total` iterations."""
    schedule, peak = recipe["schedule"], recipe["optimiser"]["lr"]
    if iteration < schedule["warmup"]:
        return peak * (iteration + 1) / schedule["warmup"]
    if schedule["name"] == "multistep":
        return peak * schedule["gamma"] ** sum(iteration >= milestone * total for milestone in schedule["milestones"])
    if schedule["name"] == "cosine":
        done = (iteration - schedule["warmup"]) / max(1, total - schedule["warmup"])
        return peak * 0.5 * (1 + math.cos(math.pi * done))
    return peak


class Trainer:
    """A training run that can be stopped at any moment and resumed.

    Args:
        network: the network to train, on the CPU, freshly initialised.
        recipe: a `training` entry of the configuration, with its defaults filled in.
        patches: where batches come from.
        folder: where checkpoints are kept, also of finished runs, so that reverting an edit needs no new training.
        identity: what the run depends on; each identity has a checkpoint of its own.
    """

    def __init__(
        self, network: nn.Module, recipe: Mapping[str, Any], patches: Patches, folder: Path, identity: Any
    ) -> None:
        self.recipe, self.patches = recipe, patches
        key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
        self.checkpoint = folder / f"{key}.checkpoint"
        try:
            self.accelerator = Accelerator(mixed_precision=recipe["precision"])
        except ValueError as error:
            raise UserError(f"precision '{recipe['precision']}': {error}", "choose another in the recipe") from None
        options = dict(recipe["optimiser"])
        optimiser = _OPTIMISERS[options.pop("name")](network.parameters(), **options)
        self.network, self.optimiser = self.accelerator.prepare(network, optimiser)
        self.average = {k: v.detach().clone() for k, v in self._weights().items()} if recipe["ema"] else {}
        self.total = recipe["iterations"] or max(1, recipe["epochs"] * len(patches.hr) // recipe["batch"])
        self.done, self.window, self.curve, self.seconds = 0, 0.0, [], 0.0
        self.peak_memory_mib: float | None = None
        self._resume()

    def run(self) -> dict[str, Tensor]:
        """Train to the last iteration; the averaged weights, or the last ones where the recipe keeps no average."""
        loss_function = _LOSSES[self.recipe["loss"]]
        started = time.monotonic() - self.seconds
        with tqdm(total=self.total, initial=self.done, desc="train", unit="it", mininterval=2) as progress:
            while self.done < self.total:
                loss = self._step(loss_function)
                self.done += 1
                progress.update()
                self._log(loss)
                if self.done % self.recipe["checkpoint_every"] == 0 or self.done == self.total:
                    self.seconds = time.monotonic() - started
                    self.peak_memory_mib = _peak_memory_mib(self.accelerator.device, self.peak_memory_mib)
                    self._save()
        return self.average or self._weights()

    def _step(self, loss_function) -> float:
        # Of the iteration alone, as the patches are: what a network draws (dropout) is the same after a resume.
        torch.manual_seed(np.random.SeedSequence([self.recipe["seed"], self.done]).generate_state(1)[0].item())
        lr, hr = (side.to(self.accelerator.device) for side in self.patches(self.done))
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.done, self.total, self.recipe)
        self.optimiser.zero_grad()
        loss = loss_function(self.network(lr), hr)
        self.accelerator.backward(loss)
        if self.recipe["clip"] is not None:
            self.accelerator.clip_grad_norm_(self.network.parameters(), self.recipe["clip"])
        self.optimiser.step()
        with torch.no_grad():
            weights = self._weights()
            for name, average in self.average.items():
                if average.is_floating_point():
                    average.lerp_(weights[name], 1 - self.recipe["ema"])
                else:  # counters, such as a batch norm's
                    average.copy_(weights[name])
        value = loss.item()
        if not math.isfinite(value):
            raise UserError(f"the loss is {value} at iteration {self.done + 1}: lower the recipe's `lr`, or set `clip`")
        return value

    def _log(self, loss: float) -> None:
        self.window += loss
        last = self.curve[-1]["iteration"] if self.curve else 0
        if self.done - last == self.recipe["log_every"] or self.done == self.total:
            mean = self.window / (self.done - last)
            rate = learning_rate(self.done - 1, self.total, self.recipe)
            self.curve.append({"iteration": self.done, "loss": mean, "learning_rate": rate})
            self.window = 0.0

    def _weights(self) -> dict[str, Tensor]:
        return self.accelerator.unwrap_model(self.network).state_dict()

    def _save(self) -> None:
        state = {
            "done": self.done,
            "window": self.window,
            "curve": self.curve,
            "seconds": self.seconds,
            "peak_memory_mib": self.peak_memory_mib,
            "network": self._weights(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.accelerator.scaler.state_dict() if self.accelerator.scaler else {},
            "average": self.average,
        }
        content = io.BytesIO()
        torch.save(state, content)
        with replacing(self.checkpoint) as temporary:
            temporary.write_bytes(content.getbuffer())

    def _resume(self) -> None:
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, map_location=self.accelerator.device, weights_only=True)
        self.accelerator.unwrap_model(self.network).load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.accelerator.scaler:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.average = state["average"]
        self.done, self.window = state["done"], state["window"]
        self.curve, self.seconds = state["curve"], state["seconds"]
        self.peak_memory_mib = state["peak_memory_mib"]
        tqdm.write(f"resumed after iteration {self.done} of {self.total}")

    def write_curve(self, path: Path) -> None:
        """Write the loss curve: iteration, mean loss since the last row, learning rate."""
        write_csv(path, self.curve)


def _peak_memory_mib(device: torch.device, before: float | None) -> float | None:
    """Peak memory until now in MiB, at least that of the runs before: allocated on a GPU, else the process's resident.

    None where the system does not keep the peak of a process.
    """
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device) / 2**20
    elif (status := Path("/proc/self/status")).exists():
        peak = int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 1024
    else:
        return None
    return max(peak, before or 0.0)


def _channels_first(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image.transpose(2, 0, 1))


def manifest_checksums(hr_dir: Path, lr_dir: Path) -> dict[str, str]:
    """What a training run depends on in its images: the checksums of both manifests."""
    return {"hr": sha256(hr_dir / "manifest.csv"), "lr": sha256(lr_dir / "manifest.csv")}
