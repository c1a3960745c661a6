"""MATLAB's imresize against closed forms and BasicSR's, and the reduction of 8-bit images."""

import numpy as np
import pytest
import torch
from basicsr.utils.matlab_functions import imresize as basicsr_imresize

from rssr.datasets.degrade import degrade, imresize
from rssr.errors import UserError

SCALES = [1 / 2, 1 / 3, 1 / 4, 2, 3, 4]
SIZES = [(8, 9), (13, 101), (37, 64), (41, 53), (127, 255), (400, 400), (513, 40)]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("size", SIZES)
def test_equals_basicsr_everywhere(scale, size):
    image = torch.rand(3, *size)
    torch.testing.assert_close(imresize(image, scale), basicsr_imresize(image, scale), rtol=0, atol=1e-5)


@pytest.mark.parametrize("scale", SCALES)
def test_constant_stays_constant_and_size_is_rounded_up(scale):
    out = imresize(torch.full((2, 3, 21, 10), 0.25, dtype=torch.float64), scale)
    assert out.shape == (2, 3, int(np.ceil(21 * scale)), int(np.ceil(10 * scale)))
    torch.testing.assert_close(out, torch.full_like(out, 0.25), rtol=0, atol=1e-7)


def test_axes_and_leading_dimensions_are_independent():
    image = torch.rand(2, 3, 24, 16)
    torch.testing.assert_close(imresize(image, 1 / 4)[1, 2], imresize(image[1, 2], 1 / 4), rtol=0, atol=1e-6)
    torch.testing.assert_close(imresize(image.mT, 2), imresize(image, 2).mT, rtol=0, atol=1e-6)


def test_a_ramp_is_reduced_to_a_ramp():
    ramp = torch.arange(64, dtype=torch.float64).expand(8, 64)
    inside = imresize(ramp, 1 / 4)[0, 3:-3]
    torch.testing.assert_close(inside, torch.arange(12, 64 - 12, 4, dtype=torch.float64) + 1.5, rtol=0, atol=1e-9)


def test_wrong_scale_and_type_are_refused():
    with pytest.raises(ValueError, match="neither an integer nor one over an integer"):
        imresize(torch.rand(3, 8, 8), 0.4)
    with pytest.raises(ValueError, match="floating-point"):
        imresize(torch.zeros(3, 8, 8, dtype=torch.uint8), 2)


def test_lr_is_basicsr_rounded():
    hr = torch.randint(0, 256, (3, 128, 96), dtype=torch.uint8)
    expected = (basicsr_imresize(hr.float() / 255, 1 / 4).clamp(0, 1) * 255).round()
    assert ((degrade(hr, "bicubic", 4).float() - expected).abs() > 0).float().mean() < 1e-4


def test_indivisible_and_unknown_are_refused():
    with pytest.raises(UserError, match="an HR image of 10x12 pixels cannot be reduced by 4"):
        degrade(torch.zeros(3, 12, 10, dtype=torch.uint8), "bicubic", 4)
    with pytest.raises(UserError, match="'cubic' is unknown"):
        degrade(torch.zeros(3, 12, 12, dtype=torch.uint8), "cubic", 4)
