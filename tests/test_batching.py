"""Images that share a call of a network have the bytes that they have alone, or no call is shared."""

import time
import types
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from rssr.base.errors import UserError
from rssr.base.resampling import to_uint8
from rssr.models.batching import Batching
from rssr.models.upscaler import OutOfMemory, Upscaler

IMAGES = [torch.rand(1, 3, 4, 6, generator=torch.Generator().manual_seed(number)) for number in range(5)]


class Counting(nn.Module):
    """Nearest neighbours; notes the batches. The first call waits until all images are there."""

    def __init__(self, all_wait=None, off_in_a_batch=0.0, most=99, seeds=False):
        super().__init__()
        self.batches, self.all_wait, self.off, self.most = [], all_wait, off_in_a_batch, most
        if seeds:
            self.seed = types.MethodType(lambda _, value: True, self)

    def forward(self, x):
        if not self.batches:
            self.batches.append(len(x))
            self.all_wait()
        else:
            self.batches.append(len(x))
        if len(x) > self.most:
            raise OutOfMemory("no room")
        if len(x) > 1:
            x = x + self.off
        return x.repeat_interleave(2, -1).repeat_interleave(2, -2)


def waiting_for(count, called):
    """Returns when so many images wait, or after ten seconds."""

    def wait():
        end = time.monotonic() + 10
        while len(called._waiting) < count and time.monotonic() < end:
            time.sleep(0.01)

    return wait


def upscaled(**of_network):
    """What five threads get, and the sizes of the batches."""
    network = Counting(**of_network)
    called = Batching(Upscaler(network, 2))
    network.all_wait = waiting_for(5, called)
    with ThreadPoolExecutor(5) as threads:
        found = list(threads.map(called, IMAGES, range(5)))
    assert called._waiting == []
    return [sr for sr, side in found if side == 0], network.batches


@pytest.mark.parametrize("off", [0, 0.1], ids=["equal", "different"])
def test_every_image_has_the_bytes_that_it_has_alone(off):
    """Images of the first batch are computed once more alone; the very first image also by a copy."""
    found, sizes = upscaled(off_in_a_batch=off)
    for sr, image in zip(found, IMAGES, strict=True):
        assert torch.equal(sr, to_uint8(image.repeat_interleave(2, -1).repeat_interleave(2, -2))[0])
    assert sizes == [1, 4, 1, 1, 1, 1]


@pytest.mark.parametrize(("off", "second"), [(0, [4]), (0.1, [1, 3, 1, 1, 1])], ids=["equal", "different"])
def test_a_second_batch_of_a_shape_is_shared_if_the_first_was_equal(off, second):
    """After a batch of four was different, one of them goes alone, and the other three are tried as a new shape."""
    network = Counting(off_in_a_batch=off)
    called = Batching(Upscaler(network, 2))
    network.all_wait = waiting_for(5, called)
    for _ in range(2):
        del network.batches[:]
        with ThreadPoolExecutor(5) as threads:
            list(threads.map(called, IMAGES, range(5)))
    assert network.batches == [1, *second]


def test_a_batch_that_memory_has_no_room_for_is_upscaled_image_by_image():
    found, sizes = upscaled(most=1)
    assert len(found) == 5 and sizes.count(1) == 5


def test_a_network_that_is_seeded_for_each_image_shares_no_call():
    found, sizes = upscaled(seeds=True)
    assert len(found) == 5 and sizes == [1] * 5


def test_images_of_other_sizes_share_no_call():
    network = Counting()
    called = Batching(Upscaler(network, 2))
    network.all_wait = waiting_for(2, called)
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(called, [IMAGES[0], IMAGES[1][..., :3]], range(2)))
    assert network.batches == [1, 1] and found[1][0].shape == (3, 8, 6)


def test_the_image_at_fault_is_named_by_its_own_call():
    network = Counting()
    called = Batching(Upscaler(network, 2))
    network.all_wait = waiting_for(3, called)
    broken = IMAGES[2] * torch.nan
    with ThreadPoolExecutor(3) as threads:
        sound, other, bad = (threads.submit(called, image, 0) for image in (*IMAGES[:2], broken))
        assert sound.result() and other.result()
        with pytest.raises(UserError, match="finite"):
            bad.result()
