"""A recipe of few iterations, three images, and a trainer of a small network on them."""

import random

import numpy as np
import torch

from rssr.base.files import write_image
from rssr.config.models import Recipe
from rssr.datasets.folder import data_set
from rssr.datasets.prepare import prepare_hr, prepare_lr
from rssr.models.registry import build
from rssr.steps.checkpoints import Checkpoints
from rssr.steps.patches import Patches
from rssr.steps.training import Trainer

CPU = torch.device("cpu")
ENTRY = {"arch": "lstmconvsr", "args": {"channels": 8, "groups": [1], "arrbs": 1, "tail": "light"}, "scale": 4}


def recipe(**changes):
    content = {"iterations": 8, "batch": 2, "patch": 8, "optimiser": {"lr": 1e-3}, "ema": 0.9, "checkpoint_every": 2}
    seed = {"seed": changes.pop("seed", 10)}  # of the replicate, as the job gives it
    return Recipe.model_validate(content | {"log_every": 3, "clip": 1.0} | changes).model_dump(mode="json") | seed


def three_images(folder):
    """results/data/{dataset}/train of three images of random squares, which a network can learn."""
    for name, width in zip("abc", (8, 8, 9), strict=True):
        squares = np.random.default_rng(ord(name)).integers(0, 256, (6, width, 3), dtype=np.uint8)
        pixels = np.kron(squares, np.ones((8, 8, 1), np.uint8))
        write_image(folder / f"own/{name}.png", pixels)
    own = data_set(str(folder / "own"), {"train": "*"})
    prepare_hr(own, folder, "train", None, folder / "train/HR-x4", 1)
    prepare_lr(folder / "train/HR-x4", folder / "train/LR/x4-bicubic", "bicubic", 4, 1)
    return folder / "train"


def trainer(images, folder, settings, network=None):
    torch.manual_seed(settings["seed"])
    network = network or build(ENTRY).train()
    return Trainer(network, settings, patches_of(images, settings), Checkpoints(folder, settings), CPU)


def patches_of(images, settings):
    return Patches(images / "HR-x4", images / "LR/x4-bicubic", 4, settings)


class Drawing(torch.nn.Module):
    """A network that draws from the generators of NumPy and Python while it trains."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.layers = torch.nn.Sequential(torch.nn.Conv2d(3, 48, 3, padding=1), torch.nn.PixelShuffle(4))

    def forward(self, x):
        return self.layers(x * (random.random() + np.random.rand()))  # noqa: NPY002


class Counting(torch.nn.Module):
    """A network that counts its steps, in an attribute and in a buffer that is no weight."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.layers = torch.nn.Sequential(torch.nn.Conv2d(3, 48, 3, padding=1), torch.nn.PixelShuffle(4))
        self.layers.steps = 0
        self.register_buffer("seen", torch.zeros(()), persistent=False)

    def forward(self, x):
        self.layers.steps += 1
        self.seen = self.seen + 1
        return self.layers(x) * (1 + 1 / self.layers.steps + 1 / self.seen)


class Dropping(torch.nn.Module):
    """A network that draws random numbers while it trains."""

    def __init__(self, share=0.3):
        super().__init__()
        torch.manual_seed(1)
        layers = torch.nn.Conv2d(3, 48, 3, padding=1), torch.nn.Dropout(share), torch.nn.PixelShuffle(4)
        self.layers = torch.nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x)
