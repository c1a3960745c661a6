"""The training loop: a network, a recipe, prepared images; interrupted runs resume exactly."""

import math
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from rssr.base.devices import autocast, lacks_kernels, products
from rssr.base.errors import UserError, in_words
from rssr.base.files import sha256, write_csv
from rssr.base.process import stop_signals
from rssr.base.shared_state import seed_generators
from rssr.steps.checkpoints import Checkpoints
from rssr.steps.distributed import Team
from rssr.steps.held import check_made_of, copied_buffers, has_batch_norms, held, hold, made_of
from rssr.steps.patches import Patches

_LOSSES = {
    "l1": lambda sr, hr: (sr - hr).abs().mean(),
    "l2": lambda sr, hr: (sr - hr).square().mean(),
    "charbonnier": lambda sr, hr: ((sr - hr).square() + 1e-6).sqrt().mean(),
}
_OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
# The attributes that a checkpoint stores.
_KEPT = ("done", "curve", "threads", "seconds", "peak_memory_mib", "weights", "average", "best", "best_psnr")


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


def iterations(recipe: Mapping[str, Any], images: int) -> int:
    """The optimiser steps of a recipe on that many images; UserError if its warm-up would not end before them."""
    total = recipe["iterations"] or max(1, recipe["epochs"] * images // recipe["batch"])
    if (warmup := recipe["schedule"]["warmup"]) >= total:
        problem = f"`warmup: {warmup}` of the recipe's `schedule`: its `epochs` are only {total} iterations here"
        raise UserError(problem, "lower `warmup`, or raise `epochs`")
    return total


class Trainer:
    """A training run that can be stopped at any moment and resumed.

    Nothing in a step waits for the device: losses are read when they are logged, and when a state is saved.

    Args:
        network: the network to train, freshly initialised.
        recipe: a `training` entry of the configuration, defaults filled in, with the replicate's `seed`.
        patches: where batches come from.
        checkpoints: where states are kept.
        device: where to train.
        validation: measures PSNR-Y on validation images, for a recipe with `validate_every`.
        team: the processes that share the batches; each has its own Trainer, with the same weights at all times.

    Raises:
        UserError: for a network with batch norms in several processes, or without anything to train; see iterations().
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: Mapping[str, Any],
        patches: Patches,
        checkpoints: Checkpoints,
        device: torch.device,
        validation: Callable[[Mapping[str, Tensor]], float] | None = None,
        team: Team = Team(),  # noqa: B008, it is frozen
    ) -> None:
        if team.size > 1 and has_batch_norms(network):
            raise UserError("batch norms see the share of a batch alone", "train this network with `devices: 1`")
        if not any(parameter.requires_grad for parameter in network.parameters()):
            if any(True for _ in network.parameters()):
                raise UserError("no parameter of the network has requires_grad", "give `weights` in place of `train`")
            raise UserError("the network has no parameters to train", "write `weightless: true` for `train`")
        self.validation, self.team = validation, team
        self.recipe, self.patches, self.checkpoints, self.device = recipe, patches, checkpoints, device
        self.order = torch.channels_last if recipe["channels_last"] else torch.contiguous_format
        self.network = network.to(device, memory_format=self.order)
        mode = recipe["compile"]
        self.forward = torch.compile(network, mode=None if mode == "default" else mode) if mode else network
        options = dict(recipe["optimiser"])
        fused = all(parameter.is_floating_point() for parameter in network.parameters())  # none for complex ones
        self.optimiser = _OPTIMISERS[options.pop("name")](network.parameters(), fused=fused, **options)
        self.made_of = made_of(network)
        # A causal mask, for one, is of infinite numbers, which say nothing about the training.
        self.finite = [name for name, value in self.weights.items() if value.isfinite().all()]
        self.average = {name: _wide(value) for name, value in self.weights.items()} if recipe["ema"] else {}
        copied = copied_buffers(network)
        self.moved = [name for name in self.finite if name not in copied and _has_average(self.weights[name])]
        self.best: dict[str, Tensor] = {}
        self.best_psnr = -math.inf
        self.batches = patches.on(device)
        self.total = iterations(recipe, len(patches.names))
        self.done, self.curve, self.seconds = 0, [], 0.0
        self.threads: list[int] = []  # of PyTorch, in the order in which parts of the run had them
        self.losses: list[Tensor] = []  # since the last row of the curve
        self.peak_memory_mib: float | None = None
        self._resume()
        if (threads := torch.get_num_threads()) not in self.threads:
            self.threads.append(threads)

    @property
    def weights(self) -> dict[str, Tensor]:
        """The network's own memory, not a copy; anew, because forward() may put other tensors in their places."""
        return self.network.state_dict()

    def run(self) -> dict[str, Tensor]:
        """Train to the last iteration.

        Returns:
            The weights of the last iteration or of the best validation, as the recipe's `keep` says; their moving
            average if the recipe has `ema`.

        Raises:
            UserError: for a loss or a weight that is not finite; the last checkpoint, which is finite, is kept.
            SystemExit: after SIGTERM or SIGUSR1, once the current state is saved.
        """
        started = time.monotonic() - self.seconds
        precision = products(self.recipe["precision"], self.device)
        if lacks_kernels(self.recipe["precision"], self.device) and not self.team.rank:
            tqdm.write("PyTorch has no bf16 kernels for this CPU: fp32 kernels compute the products of rounded values")
        shown = {"desc": "train", "unit": "it", "mininterval": 2, "disable": self.team.rank > 0}
        progress = tqdm(total=self.total, initial=self.done, **shown)
        with precision, stop_signals() as signals, progress:
            while self.done < self.total:
                self.losses.append(self._step())
                self.done += 1
                last, stopped = self.done == self.total, self.team.as_first(bool(signals))
                if self.done % self.recipe["log_every"] == 0 or last:
                    self._log()
                if self.done % self.recipe["checkpoint_every"] == 0 or last or stopped:
                    self.seconds = time.monotonic() - started
                    self._save()
                if stopped and not last:
                    if self.team.rank:
                        sys.exit()  # the first one tells
                    sys.exit(f"{signals[0]} after iteration {self.done} of {self.total}: run the same again to resume")
                progress.update()
        return self.best or self.average or self.weights

    def _step(self) -> Tensor:
        # Like the patches, the seed depends on the iteration alone, so that dropout is the same after a resume.
        seeds = np.random.SeedSequence([self.recipe["seed"], self.done, self.team.rank])
        seed_generators(seeds.generate_state(1)[0].item())
        lr, hr = (side.contiguous(memory_format=self.order) for side in self.batches(self.done))
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.done, self.total, self.recipe)
        self.optimiser.zero_grad()
        try:
            with autocast(self.recipe["precision"], self.device):
                sr = self.forward(lr)
            loss = _LOSSES[self.recipe["loss"]](sr.float(), hr)
            loss.backward()
        except Exception as error:  # a user's class may fail in any way
            raise self._in_words(error) from error
        self.team.average_gradients(self.network)
        try:
            if self.recipe["clip"] is not None:
                nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe["clip"], foreach=True)
            self.optimiser.step()
        except Exception as error:  # for sparse gradients, for one
            raise self._in_words(error) from error
        if not self.done:
            check_made_of(self.network, self.made_of)
        self._follow()
        return loss.detach()

    def _in_words(self, error: Exception) -> UserError:
        if isinstance(error, UserError):
            where = f"iteration {self.done + 1}, on images {self._images(self.done)}"
            return UserError(f"{where}: {error.problem}", error.remedy)
        if isinstance(error, torch._dynamo.exc.BackendCompilerFailed):
            problem = f"the recipe's `compile: {self.recipe['compile']}`: {str(error).splitlines()[0]}"
            remedy = "install a C++ compiler, such as g++, which torch.compile needs on a CPU, or set `compile: null`"
            return UserError(problem, remedy)
        remedy = "correct its class, or set a smaller `batch` or `patch` if memory is insufficient"
        return UserError(f"the network cannot be trained ({in_words(error)})", remedy)

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the averaged weights towards the weights; what has no average is copied, see held.copied_buffers()."""
        if not self.average:
            return
        weights = self.weights
        if averages := [self.average[name] for name in self.moved]:
            now = [weights[name].to(self.average[name].dtype) for name in self.moved]
            torch._foreach_lerp_(averages, now, 1 - self.recipe["ema"])
        for name in self.average.keys() - self.moved:
            self.average[name].copy_(weights[name])

    def _log(self) -> None:
        losses = self._read_losses()
        rate = learning_rate(self.done - 1, self.total, self.recipe)
        row = {"iteration": self.done, "loss": sum(losses) / len(losses), "learning_rate": rate}
        self.curve.append(row | ({"psnr_y": self._validate()} if self.validation else {}))
        self.losses = []

    def _validate(self) -> float | None:
        """PSNR-Y of the weights that would be kept now; None if no validation is due."""
        if self.done % self.recipe["validate_every"] and self.done < self.total:
            return None
        weights = self.average or self.weights
        found = self.validation(weights)
        if self.recipe["keep"] == "best" and found > self.best_psnr:
            self.best_psnr, self.best = found, {name: value.clone() for name, value in weights.items()}
        return found

    def _read_losses(self) -> list[float]:
        """The losses since the last row of the curve, from the device; UserError for one that is not finite."""
        self.losses = list(self.team.mean(torch.stack(self.losses))) if self.losses else []
        losses = [loss.item() for loss in self.losses]
        for iteration, loss in enumerate(losses, self.done - len(losses)):
            if not math.isfinite(loss):
                self._refuse(f"the loss is {loss}", iteration)
        return losses

    def _images(self, iteration: int) -> str:
        return ", ".join(dict.fromkeys(self.patches.names[draw.image] for draw in self.patches.draws(iteration)))

    def _refuse(self, what: str, iteration: int) -> None:
        raise UserError(
            f"{what} at iteration {iteration + 1}, on images {self._images(iteration)}: lower the recipe's `lr`, or "
            "set `clip`; the last checkpoint is kept"
        )

    def _save(self) -> None:
        losses = self._read_losses()
        moments = [value for state in self.optimiser.state.values() for value in state.values()]
        kept = [side[name] for side in (self.weights, self.average) if side for name in self.finite] + moments
        if not torch.stack([value.isfinite().all().to(self.device) for value in kept]).all():
            self._refuse("weights are not finite", self.done - 1)
        self.peak_memory_mib = _peak_memory_mib(self.device, self.peak_memory_mib)
        kept = {name: getattr(self, name) for name in _KEPT}
        if self.team.rank == 0:
            kept |= {"losses": losses, "optimiser": self.optimiser.state_dict(), "held": held(self.network)}
            self.checkpoints.save(kept)

    def _resume(self) -> None:
        with self.team.first_alone():  # it deletes a damaged state
            state = self.checkpoints.load(self.device)
        if state is None:
            return
        self.network.load_state_dict(state.pop("weights"), strict=False)
        hold(self.network, state.pop("held"))
        self.optimiser.load_state_dict(state.pop("optimiser"))
        self.losses = [torch.tensor(loss, device=self.device) for loss in state.pop("losses")]
        for name, value in state.items():
            setattr(self, name, value)
        if self.team.rank == 0:
            tqdm.write(f"resumed after iteration {self.done} of {self.total}")

    def write_curve(self, path: Path) -> None:
        """Write the loss curve: iteration, mean loss since the last row, learning rate; PSNR-Y if validated."""
        write_csv(path, self.curve)


def _has_average(value: Tensor) -> bool:
    return value.is_floating_point() or value.is_complex()


def _wide(value: Tensor) -> Tensor:
    """A copy in at least 32 bits: bf16 holds no step of an average."""
    return value.to(torch.promote_types(value.dtype, torch.float32) if _has_average(value) else value.dtype, copy=True)


def _peak_memory_mib(device: torch.device, before: float | None) -> float | None:
    """Peak memory in MiB: allocated memory on a GPU, otherwise the resident memory of the process.

    At least `before`, the peak at the last checkpoint. None if the system does not record the peak of a process.
    """
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device) / 2**20
    elif (status := Path("/proc/self/status")).exists():
        peak = int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 1024
    else:
        return None
    return max(peak, before or 0.0)


def manifest_checksums(hr_dir: Path, lr_dir: Path) -> dict[str, str]:
    """The checksums of both manifests, which identify the images of a training run."""
    return {"hr": sha256(hr_dir / "manifest.csv"), "lr": sha256(lr_dir / "manifest.csv")}
