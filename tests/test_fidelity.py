"""PSNR and SSIM against closed forms, BasicSR and scikit-image."""

import math

import numpy as np
import pytest
import torch
from basicsr.metrics import calculate_psnr, calculate_ssim
from skimage.metrics import structural_similarity

from rssr.errors import UserError
from rssr.metrics.fidelity import luma, psnr, ssim

NOISE = [
    torch.randint(0, 256, (2, 3, 40, 52), dtype=torch.uint8, generator=torch.Generator().manual_seed(i)) for i in (1, 2)
]
NEAR = (
    (NOISE[0].float() + torch.randn(2, 3, 40, 52, generator=torch.Generator().manual_seed(3)) * 8).clamp(0, 255).byte()
)
PAIRS = [(NEAR, NOISE[0]), (NOISE[1], NOISE[0])]


def flat(level):
    return torch.full((1, 3, 32, 32), level, dtype=torch.uint8)


@pytest.mark.parametrize("offset", [1, 5, 20])
def test_psnr_of_a_constant_offset(offset):
    expected = 20 * math.log10(255 / offset)
    assert psnr(flat(100 + offset), flat(100), channel="rgb").item() == pytest.approx(expected, abs=1e-9)
    on_luma = 20 * math.log10(255 / (offset * 219 / 255))
    assert psnr(flat(100 + offset), flat(100)).item() == pytest.approx(on_luma, abs=1e-9)


@pytest.mark.parametrize("channel", ["y", "rgb"])
def test_equal_images(channel):
    assert psnr(NEAR, NEAR, channel=channel).tolist() == [math.inf, math.inf]
    assert ssim(NEAR, NEAR, channel=channel).tolist() == pytest.approx([1, 1], abs=1e-12)


def test_only_the_inside_counts():
    changed = NOISE[0].clone()
    changed[..., :4, :] = changed[..., -4:, :] = changed[..., :, :4] = changed[..., :, -4:] = 0
    assert psnr(changed, NOISE[0], crop=4).tolist() == [math.inf, math.inf]
    assert psnr(changed, NOISE[0], crop=3).max() < 60


def test_luma_spans_16_to_235():
    assert luma(flat(0)).unique().tolist() == [16]
    assert luma(flat(255)).unique().tolist() == pytest.approx([235])


@pytest.mark.parametrize("pair", PAIRS, ids=["near", "noise"])
@pytest.mark.parametrize("channel", ["y", "rgb"])
@pytest.mark.parametrize("crop", [0, 4])
def test_equal_to_basicsr(pair, channel, crop):
    for i in range(2):
        bgr = [image[i].permute(1, 2, 0).numpy()[..., ::-1] for image in pair]
        options = {"crop_border": crop, "test_y_channel": channel == "y"}
        assert psnr(*pair, crop, channel)[i].item() == pytest.approx(calculate_psnr(*bgr, **options), abs=1e-4)
        assert ssim(*pair, crop, channel)[i].item() == pytest.approx(calculate_ssim(*bgr, **options), abs=1e-6)


def test_ssim_equal_to_scikit_image():
    for i in range(2):
        a, b = (luma(image[i : i + 1])[0, 0].numpy() for image in PAIRS[0])
        _, full = structural_similarity(
            a, b, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
        )
        assert ssim(*PAIRS[0], crop=0)[i].item() == pytest.approx(np.mean(full[5:-5, 5:-5]), abs=1e-6)


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(UserError, match="two uint8 images of one size"):
        psnr(NEAR, NEAR[..., 1:])
    with pytest.raises(UserError, match="two uint8 images of one size"):
        psnr(NEAR.float(), NEAR.float())
    with pytest.raises(UserError, match="SSIM needs at least 11 pixels"):
        ssim(NEAR[..., :18], NEAR[..., :18])
    with pytest.raises(UserError, match="a crop of 4 pixels leaves nothing of an image of 8x40"):
        psnr(NEAR[..., :8], NEAR[..., :8])
