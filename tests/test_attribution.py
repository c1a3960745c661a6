"""Which LR pixels count: closed forms, known supports, and what is refused."""

import numpy as np
import pytest
import torch
from torch import nn

from rssr.base.errors import UserError
from rssr.base.files import write_image
from rssr.metrics.attribution import (
    blur_path,
    diffusion_index,
    gini,
    gradient_magnitude,
    integrated_gradients,
    local_attribution,
    receptive_field,
)
from rssr.models.registry import build
from rssr.steps.inside import cut_around, dissected, lr_image, read_arrays, shown_arrbs, write_arrays

BICUBIC = build({"arch": "bicubic"})


def test_ginis_closed_forms():
    assert gini(torch.full((5, 7), 3.0)) == pytest.approx(0, abs=1e-12)
    assert diffusion_index(torch.full((5, 7), -3.0)) == pytest.approx(100)
    one = torch.zeros(50)
    one[7] = 2.0
    assert gini(one) == pytest.approx(49 / 50)
    values = torch.rand(40, dtype=torch.float64)
    pairs = (values[:, None] - values).abs().sum() / (2 * 40**2 * values.mean())
    assert gini(values) == pytest.approx(pairs.item(), rel=1e-12)
    assert np.isnan(gini(torch.zeros(4)))


def test_attribution_sums_to_the_difference_of_the_ends():
    path = [torch.rand(3, 4, 5, dtype=torch.float64) for _ in range(6)]
    weights = torch.rand(60, 60, dtype=torch.float64)

    def quadratic(x):
        return x.flatten() @ weights @ x.flatten() + x.sum()

    found = integrated_gradients(quadratic, path)
    assert found.sum().item() == pytest.approx((quadratic(path[-1]) - quadratic(path[0])).item(), rel=1e-12)
    # And the more steps, the nearer for any other function.
    image, network = torch.rand(3, 16, 16), BICUBIC

    def texture(x):
        return gradient_magnitude(network(x[None])[0, :, 24:40, 24:40])

    path = blur_path(image, 25, 1.2)
    gained = (texture(path[-1]) - texture(path[0])).item()
    assert len(path) == 26 and torch.equal(path[-1], image)
    found = local_attribution(network, image, (24, 24, 40, 40), 25)
    assert found.shape == (16, 16) and found.sum().item() == pytest.approx(gained, rel=0.02)


def test_the_length_of_a_gradient():
    ramp = torch.stack([3.0 * torch.arange(5)[:, None] + 4.0 * torch.arange(6)] * 2)
    assert gradient_magnitude(ramp).item() == pytest.approx(2 * 4 * 5 * 5)


def test_bicubic_looks_no_further_than_its_kernel():
    # SR pixels 24 to 39 lie between the LR pixels 5 and 10, the kernel reaches two beyond on each side.
    found = local_attribution(BICUBIC, torch.rand(3, 16, 16), (24, 24, 40, 40), 4)
    reached = found.abs() > 0
    assert reached[4:12, 4:12].any() and reached.any(1).nonzero().flatten().tolist() == list(range(4, 12))
    reached[4:12, 4:12] = False
    assert not reached.any()


def test_the_receptive_field_of_a_convolution():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 48, 5, padding=2, bias=False)

        def forward(self, x):
            return nn.functional.pixel_shuffle(self.conv(x), 4)

    model = Net()
    found = receptive_field(model, [torch.rand(3, 12, 12) for _ in range(2)], 4)
    expected = torch.zeros(12, 12)
    expected[4:9, 4:9] = model.conv.weight.detach().sum(0).abs().sum(0)  # the same for every image: it is linear
    torch.testing.assert_close(found, expected)


def test_the_part_around_a_square():
    lr = torch.arange(3 * 20 * 30).view(3, 20, 30)
    part, box = cut_around("a", lr, None, 8, 4)
    assert part.shape == (3, 8, 8) and box == (8, 8, 24, 24) and torch.equal(part, lr[:, 6:14, 11:19])
    part, box = cut_around("a", lr, (0, 72, 8), 12, 4)
    assert torch.equal(part, lr[:, 8:, :12]) and box == (0, 40, 8, 48)
    part, box = cut_around("a", lr, (112, 0, 8), 99, 4)
    assert torch.equal(part, lr) and box == (112, 0, 120, 8)
    with pytest.raises(
        UserError, match=r"analysis.square: the square \[113, 0, 8\] leaves the image a of 120x80 pixels"
    ):
        cut_around("a", lr, (113, 0, 8), 12, 4)
    with pytest.raises(UserError, match="a square of 60 SR pixels is larger than the part of 8 LR pixels"):
        cut_around("a", lr, (0, 0, 60), 8, 4)


def test_an_unknown_image_is_named(tmp_path):
    write_image(tmp_path / "scene.png", np.full((4, 6, 3), 7, np.uint8))
    name, lr = lr_image(tmp_path, ["scene"], None)
    assert name == "scene" and lr.shape == (3, 4, 6)
    with pytest.raises(UserError, match="analysis.image names 'scine'.*did you mean 'scene'"):
        lr_image(tmp_path, ["scene"], "scine")


@pytest.mark.parametrize(("arrbs", "expected"), [(12, [0, 3, 7, 11]), (6, [0, 1, 3, 5]), (2, [0, 1]), (1, [0])])
def test_which_arrbs_are_shown(arrbs, expected):
    entry = {"arch": "lstmconvsr", "args": {"channels": 8, "groups": [1], "arrbs": arrbs, "tail": "light"}}
    assert shown_arrbs(dissected(build(entry))) == expected
    entry["args"]["arrg"] = False
    assert shown_arrbs(dissected(build(entry))) == []


def test_arrays_keep_their_order_and_bytes(tmp_path):
    arrays = {"z": np.arange(6.0).reshape(2, 3), "a": np.zeros(3, np.uint8)}
    for name in ("one", "two"):
        write_arrays(tmp_path / f"{name}.npz", **arrays)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    found = read_arrays(tmp_path / "one.npz")
    assert list(found) == ["z", "a"] and np.array_equal(found["z"], arrays["z"])
