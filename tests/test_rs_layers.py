"""Layers of HSENet and TTST by their plain forms, and their memory."""

import pytest
import torch

from rssr.metrics.latency import cpu_peak_mib
from rssr.models.hsenet import NonLocal
from rssr.models.layers import from_windows, windows
from rssr.models.ttst.layers import TopKChannelAttention


def test_windows_there_and_back():
    x = torch.arange(2 * 16 * 24 * 3.0).view(2, 16, 24, 3)
    cut = windows(x, 8, 8)
    assert cut.shape == (2, 6, 64, 3)
    assert torch.equal(cut[1, 4].view(8, 8, 3), x[1, 8:16, 8:16])
    assert torch.equal(from_windows(cut, 16, 24), x)
    assert torch.equal(windows(x, 12, 4)[0, 1].view(12, 12, 3), x[0, :12, 4:16])


def plain_non_local(block, x, other):
    q, k, v = (layer(m).flatten(2) for layer, m in ((block.query, other), (block.key, x), (block.value, x)))
    attention = (q.mT @ k).softmax(-1)
    return x + block.out((v @ attention.mT).unflatten(2, x.shape[-2:]))


def random_non_local(channels):
    block = NonLocal(channels)
    torch.nn.init.normal_(block.out.weight)
    return block


@pytest.mark.parametrize("size", [(7, 9), (24, 33)])
def test_non_local_is_its_plain_form(size):
    block = random_non_local(10).double()
    inputs = [torch.randn(2, 10, *size, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    wanted = [*inputs, *block.parameters()]
    expected, out = plain_non_local(block, *inputs), block(*inputs)
    torch.testing.assert_close(out, expected)
    for ours, plain in zip(*(torch.autograd.grad(o.sin().sum(), wanted) for o in (out, expected)), strict=True):
        torch.testing.assert_close(ours, plain)
    torch.testing.assert_close(block(inputs[0]), plain_non_local(block, inputs[0], inputs[0]))


def test_non_local_starts_as_identity():
    x = torch.rand(1, 8, 5, 6)
    assert torch.equal(NonLocal(8)(x), x)


def test_memory_of_training_is_far_below_the_attention_matrix():
    block, x = random_non_local(8), torch.rand(1, 8, 96, 96)
    block(x[..., :8, :8]).sum().backward()
    peak = cpu_peak_mib(lambda: block(x).sum().backward())
    if peak is None:
        pytest.skip("this system does not tell the peak memory")
    assert peak < 96**4 * 4 / 2**20 / 4  # of 324 MiB


def test_top_k_is_four_masked_softmaxes():
    attention = TopKChannelAttention(20, 2).double()
    torch.nn.init.normal_(attention.mix)
    torch.nn.init.normal_(attention.temperature)
    x = torch.randn(2, 6, 5, 20, dtype=torch.float64)
    qkv = attention.depthwise(attention.qkv(x)).movedim(-1, 1).flatten(2)
    q, k, v = (part.unflatten(1, (2, 10)) for part in qkv.chunk(3, 1))
    score = (q / q.norm(dim=-1, keepdim=True)) @ (k / k.norm(dim=-1, keepdim=True)).mT * attention.temperature
    mixed = 0
    for weight, count in zip(attention.mix, (5, 6, 7, 8), strict=True):
        weakest = score.sort(-1, descending=True).values[..., count - 1 : count]
        mixed = mixed + weight * score.masked_fill(score < weakest, -torch.inf).softmax(-1) @ v
    expected = attention.out(mixed.flatten(1, 2).unflatten(2, (6, 5)).movedim(1, -1))
    torch.testing.assert_close(attention(x), expected)
