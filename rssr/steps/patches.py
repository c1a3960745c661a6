"""Batches of random patches: cut on the CPU, ahead of time in a thread, or on the device that holds the images."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from rssr.base.errors import UserError
from rssr.base.files import read_csv, read_image

Batches = Callable[[int], tuple[Tensor, Tensor]]


class Draw(NamedTuple):
    """A patch: the image's number, the corner in LR pixels, quarter turns counterclockwise after a flip of columns."""

    image: int
    top: int
    left: int
    turns: int
    flip: int


class Patches:
    """Random patches of prepared images, which are read once and kept in memory.

    The patches of iteration i depend on the seed and on i alone, so that a resumed run sees what an unbroken one sees.

    Args:
        hr_dir: results/data/{dataset}/train/HR-x{scale}.
        lr_dir: results/data/{dataset}/train/LR/x{scale}-{degradation}.
        scale: upscaling factor.
        recipe: the recipe's batch and patch are used, and the replicate's seed.
        share: (i, n) for every n-th patch of each batch, from the i-th on.

    Attributes:
        names: names of the images.
        lr, hr: the images, (3, h, w) uint8 each.
    """

    def __init__(
        self, hr_dir: Path, lr_dir: Path, scale: int, recipe: Mapping[str, Any], share: tuple[int, int] = (0, 1)
    ) -> None:
        self.share = share
        self.scale, self.patch, self.batch = scale, recipe["patch"], recipe["batch"]
        self.seed = recipe["seed"]
        manifests = [read_csv(side / "manifest.csv") for side in (lr_dir, hr_dir)]
        digests = [{row["image"]: row.get("sha256") for row in rows} for rows in manifests]
        self.names = list(digests[1])
        self.lr, self.hr = [], []
        for name in tqdm(self.names, desc="read images", unit="image"):
            lr, hr = (digest.get(name) for digest in digests)
            self.lr.append(_channels_first(read_image(lr_dir / f"{name}.png", lr)))
            self.hr.append(_channels_first(read_image(hr_dir / f"{name}.png", hr)))
            if min(self.lr[-1].shape[1:]) < self.patch:
                problem = f"{lr_dir / name}.png has a side below the recipe's patch of {self.patch} pixels"
                raise UserError(problem, "lower the recipe's `patch`, or use larger images")

    def draws(self, iteration: int) -> Iterator[Draw]:
        """The patches of an iteration, those of other shares included."""
        random = np.random.default_rng([self.seed, iteration])
        for _ in range(self.batch):
            image = random.integers(len(self.lr))
            top, left = (random.integers(side - self.patch + 1) for side in self.lr[image].shape[1:])
            yield Draw(image, top, left, random.integers(4), random.integers(2))

    def own_draws(self, iteration: int) -> Iterator[Draw]:
        """The patches of this share."""
        return islice(self.draws(iteration), self.share[0], None, self.share[1])

    def __call__(self, iteration: int) -> tuple[Tensor, Tensor]:
        """The batch of an iteration: LR (B, 3, p, p) and HR (B, 3, s * p, s * p), both in [0, 1]."""
        draws = list(self.own_draws(iteration))
        return _cut(self.lr, draws, self.patch, 1), _cut(self.hr, draws, self.patch, self.scale)

    def on(self, device: torch.device) -> Batches:
        """The same batches on a device; cut there if all images fit into half of a GPU's free memory."""
        if device.type != "cuda":
            return self
        size = sum(image.nbytes for image in (*self.lr, *self.hr))
        return DevicePatches(self, device) if size < torch.cuda.mem_get_info(device)[0] / 2 else Ahead(self, device)


class DevicePatches:
    """The batches of Patches, gathered on the device from the images there, without a copy from the CPU.

    Args:
        patches: what to draw from.
        device: the device that holds the images.
    """

    def __init__(self, patches: Patches, device: torch.device) -> None:
        self.patches = patches
        self.sides = [
            _Side(images, scale, patches.patch, device)
            for images, scale in ((patches.lr, 1), (patches.hr, patches.scale))
        ]

    def __call__(self, iteration: int) -> tuple[Tensor, Tensor]:
        """See Patches."""
        draws = list(self.patches.own_draws(iteration))
        return tuple(side.gathered(draws) for side in self.sides)


class _Side:
    """LR or HR images as one row of pixels on a device."""

    def __init__(self, images: list[np.ndarray], scale: int, patch: int, device: torch.device) -> None:
        self.scale, self.size = scale, patch * scale
        self.widths = [image.shape[2] for image in images]
        ends = np.cumsum([image.shape[1] * image.shape[2] for image in images])
        self.starts = [0, *ends.tolist()]
        self.pixels = torch.empty(3, self.starts[-1], dtype=torch.uint8, device=device)
        for image, start, end in zip(images, self.starts, ends, strict=False):
            self.pixels[:, start:end] = torch.from_numpy(image.reshape(3, -1)).to(device)
        self.steps = torch.arange(self.size, device=device)

    def gathered(self, draws: list[Draw]) -> Tensor:
        places = torch.tensor([self._place(draw) for draw in draws]).T.to(self.pixels.device, non_blocking=True)
        start, down, right = places[:, :, None, None]
        return self.pixels[:, start + down * self.steps[:, None] + right * self.steps].transpose(0, 1).float() / 255

    def _place(self, draw: Draw) -> tuple[int, int, int]:
        """Where a patch starts among the pixels, and how far a step down and a step to the right lead."""
        down, right, last = self.widths[draw.image], 1, self.size - 1
        start = self.starts[draw.image] + draw.top * self.scale * down + draw.left * self.scale
        if draw.flip:
            start, right = start + last * right, -right
        for _ in range(draw.turns):
            start, down, right = start + last * right, -right, down
        return start, down, right


class Ahead:
    """The batches of Patches, which a thread cuts, pins and sends to the device while the step before them runs.

    Args:
        patches: what to draw from.
        device: the device that batches are sent to.
    """

    def __init__(self, patches: Patches, device: torch.device) -> None:
        self.patches = patches
        # A thread starts at GPU 0, whichever is current in this one.
        self.device = torch.device("cuda", torch.cuda.current_device()) if device.type == "cuda" else device
        self.thread, self.next = ThreadPoolExecutor(1), (-1, None)

    def __call__(self, iteration: int) -> tuple[Tensor, Tensor]:
        """See Patches."""
        number, future = self.next
        batch = future.result() if number == iteration else self._sent(iteration)
        self.next = iteration + 1, self.thread.submit(self._sent, iteration + 1)
        return batch

    def _sent(self, iteration: int) -> tuple[Tensor, Tensor]:
        batch = self.patches(iteration)
        if self.device.type == "cuda":
            batch = (side.pin_memory() for side in batch)
        return tuple(side.to(self.device, non_blocking=True) for side in batch)


def _cut(images: list[np.ndarray], draws: list[Draw], patch: int, scale: int) -> Tensor:
    size = patch * scale
    patches = np.empty((len(draws), 3, size, size), np.uint8)
    for out, draw in zip(patches, draws, strict=True):
        top, left = draw.top * scale, draw.left * scale
        part = images[draw.image][:, top : top + size, left : left + size]
        out[:] = np.rot90(part[..., :: -1 if draw.flip else 1], draw.turns, (1, 2))
    return torch.from_numpy(patches).float().div_(255)


def _channels_first(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image.transpose(2, 0, 1))
