"""Images of several threads in one call of a model, where that gives each image the bytes that it has alone."""

import copy
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from rssr.base.errors import UserError
from rssr.base.resampling import to_uint8
from rssr.base.shared_state import generator_states, generators_kept
from rssr.models.interpolation import Interpolation
from rssr.models.registry import is_the_users, network_of, seed
from rssr.models.tiling import within_memory


class Batching:
    """A model that threads call with an image each; images of one size that wait at the same time share a call.

    Batches of a new shape are computed in both ways, together and image by image. If a byte differs, or there is not
    enough memory for the batch, later images in batches of that shape are upscaled one at a time. A model that is
    seeded for each image never shares a call. Threads call an interpolation at the same time. The first image of a
    user's network is computed again by a copy that has seen another one, but not on a GPU, which may add in any order.

    Args:
        model: (B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), in eval mode.
        example: an image, (1, 3, h, w) in [0, 1]; without one, a user's network is not asked whether it draws.

    Attributes:
        seeded: whether the output depends on what the model is seeded with, see samples().
    """

    def __init__(self, model: nn.Module, example: Tensor | None = None) -> None:
        self.model = model
        self.seeded = (
            seed(model, 0) if example is None else samples(model, lambda tried: self._upscaled(example, tried))
        )
        self._trusted = not is_the_users(model)
        self._of_threads = any(isinstance(part, Interpolation) for part in model.modules())
        self._alone = threading.Lock()  # one call of the model at a time
        self._waiting: list[_Image] = []
        self._equal: dict[torch.Size, bool] = {}  # shape of a batch -> whether its images have the bytes of single ones

    def __call__(self, x: Tensor, number: int) -> tuple[Tensor, int]:
        """What the model makes of one image.

        Args:
            x: (1, 3, h, w) in [0, 1].
            number: what a model that samples is seeded with.

        Returns:
            (3, scale * h, scale * w), uint8 on the CPU, and the side of its tiles in LR pixels, see within_memory().

        Raises:
            UserError: for a network whose output depends on what it was called with before.
        """
        if self._of_threads:
            with torch.no_grad():
                return self._upscaled(x, self.model)
        own = _Image(x, number)
        self._waiting.append(own)
        with self._alone, torch.no_grad():  # not inference_mode(), in which no network can differentiate
            try:
                if own.found is None and not self.seeded:
                    self._together([other for other in [*self._waiting] if other.fits(own)])
                if own.found is None:
                    own.found = self._single(own)
            finally:
                self._waiting.remove(own)
        return own.found

    def _single(self, image: "_Image") -> tuple[Tensor, int]:
        checked = not self._trusted and image.x.device.type == "cpu"
        fresh = _copied(self.model) if checked else None
        found = self._computed(image.x, image.number, self.model)
        if checked:
            if fresh is not None:  # it may keep what its first image was
                self._computed(1 - image.x.flip(-1), image.number, fresh)
            again = self._computed(image.x, image.number, self.model if fresh is None else fresh)
            if not torch.equal(found[0], again[0]):
                name = type(network_of(self.model)).__name__
                why = "its forward() keeps a state, or draws from a generator of its own"
                remedy = "let it depend on its input alone, or scores depend on the order of images"
                raise UserError(f"{name} gives another output for the same image: {why}", remedy)
        self._trusted = True
        return found

    def _computed(self, x: Tensor, number: int, model: nn.Module) -> tuple[Tensor, int]:
        seed(model, number)
        return self._upscaled(x, model)

    def _upscaled(self, x: Tensor, model: nn.Module) -> tuple[Tensor, int]:
        found, side = within_memory(model, x, to_uint8)
        return found[0].cpu(), side

    def _together(self, images: "list[_Image]") -> None:
        shape = torch.Size((len(images), *images[0].x.shape[1:]))
        if len(images) == 1 or not self._equal.get(shape, True):
            return
        try:
            together = to_uint8(self.model(torch.cat([image.x for image in images]))).cpu()
            found = [(sr, 0) for sr in together]
            if shape not in self._equal:
                found = [self._single(image) for image in images]
                self._equal[shape] = all(torch.equal(sr, alone) for sr, (alone, _) in zip(together, found, strict=True))
        except Exception:  # the call for each image alone will name the one at fault
            self._equal[shape] = False
            return
        for image, of_image in zip(images, found, strict=True):
            image.found = of_image


def samples(model: nn.Module, upscale: Callable[[nn.Module], Any]) -> bool:
    """Whether a model's output depends on what it is seeded with.

    Args:
        model: in eval mode.
        upscale: a call of a model. One network says whether it samples, by a method `seed`; a user's is tried: whether
            the call draws from a generator of the process.
    """
    if (said := seed(model, 0)) or not is_the_users(model):
        return said
    tried = _copied(model)
    with torch.no_grad(), generators_kept():
        before = generator_states()
        upscale(model if tried is None else tried)
        return generator_states() != before


def _copied(model: nn.Module) -> nn.Module | None:
    """A copy of a model that has seen no image; None for what Python cannot copy, or has no room for."""
    try:
        return copy.deepcopy(model)
    except Exception:  # a user's class may hold anything
        return None


class _Image:
    """An image that waits, and what was made of it."""

    def __init__(self, x: Tensor, number: int) -> None:
        self.x, self.number = x, number
        self.found: tuple[Tensor, int] | None = None

    def fits(self, other: "_Image") -> bool:
        return self.found is None and self.x.shape == other.x.shape
