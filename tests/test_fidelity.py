"""PSNR and SSIM against closed forms, BasicSR and scikit-image."""

import math

import numpy as np
import pyiqa
import pytest
import torch
from basicsr.metrics import calculate_psnr, calculate_ssim
from skimage.metrics import structural_similarity

from rssr.base.errors import UserError
from rssr.base.images import read_tensor
from rssr.base.resampling import imresize
from rssr.datasets.degrade import degrade
from rssr.metrics.fidelity import (
    PARTS,
    LowResolution,
    colour_planes,
    correctness,
    ergas,
    lr_psnr,
    luma,
    psnr,
    psnr_of_planes,
    sam,
    ssim,
    ssim_of_planes,
)

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
    assert psnr(flat(0), flat(0), channel=channel).item() == math.inf
    assert ssim(flat(0), flat(0), channel=channel).item() == pytest.approx(1, abs=1e-12)


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


def test_real_images_equal_basicsr_and_scikit_image(shared):
    hr = read_tensor(next((shared / "rsscn7").glob("*/*.jpg")))
    sr = (imresize(degrade(hr, "bicubic", 4).float(), 4)).clamp(0, 255).round().byte()
    bgr = [image.permute(1, 2, 0).numpy()[..., ::-1] for image in (sr, hr)]
    for channel in ("y", "rgb"):
        options = {"crop_border": 4, "test_y_channel": channel == "y"}
        assert psnr(sr[None], hr[None], 4, channel).item() == pytest.approx(calculate_psnr(*bgr, **options), abs=1e-4)
        assert ssim(sr[None], hr[None], 4, channel).item() == pytest.approx(calculate_ssim(*bgr, **options), abs=1e-6)
    a, b = (luma(image[None])[0, 0].numpy() for image in (sr, hr))
    uniform = structural_similarity(a, b, data_range=255)  # its defaults: window 7, sample covariance
    found = ssim_of_planes(luma(sr[None]), luma(hr[None]), "uniform").item()
    assert found == pytest.approx(uniform, abs=1e-9)


@pytest.mark.parametrize("window", ["gaussian", "uniform"])
def test_the_loops_and_the_convolutions_are_one_function(window, monkeypatch):
    a, b = (image.double() for image in PAIRS[0])
    loops = ssim_of_planes(a, b, window)
    monkeypatch.setattr("rssr.metrics.fidelity.find_spec", lambda _: None)
    assert ssim_of_planes(a, b, window).tolist() == pytest.approx(loops.tolist(), abs=1e-12)


def test_the_smallest_images():
    tiny = [image[..., :11, :11] for image in PAIRS[0]]
    bgr = [image[0].permute(1, 2, 0).numpy()[..., ::-1] for image in tiny]
    assert ssim(*tiny, crop=0, channel="rgb")[0].item() == pytest.approx(calculate_ssim(*bgr, crop_border=0), abs=1e-6)
    assert psnr(NEAR[..., :1, :1], NOISE[0][..., :1, :1], crop=0).shape == (2,)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_gpu_agrees():
    for metric, within in ((psnr, 1e-9), (ssim, 1e-9)):
        found = metric(*(image.cuda() for image in PAIRS[0])).cpu()
        assert found.tolist() == pytest.approx(metric(*PAIRS[0]).tolist(), abs=within)


def test_colour_spaces_by_closed_form():
    shift = 20 * math.log10(255 / 219)  # the luma from 16 to 235 squeezes every error by 219 / 255
    y, full = (psnr_of_planes(*(colour_planes(image, space) for image in PAIRS[0])) for space in ("y", "y_full"))
    assert (y - full).tolist() == pytest.approx([shift] * 2, abs=1e-2)  # the two round their weights differently
    rounded = colour_planes(NEAR, "yiq")
    assert torch.equal(rounded, rounded.round()) and (rounded - colour_planes(NEAR, "y_full")).abs().max() <= 0.5


def test_colour_spaces_are_those_of_pyiqa():
    inside = [image[..., 4:-4, 4:-4] for image in PAIRS[0]]
    for name, ours, space, within in (("psnry", psnr_of_planes, "y_full", 1e-3), ("ssim", ssim_of_planes, "yiq", 1e-5)):
        theirs = pyiqa.create_metric(name, test_y_channel=True, device="cpu")
        expected = theirs(*(image.float() / 255 for image in inside)).flatten()
        found = ours(*(colour_planes(image, space) for image in inside))
        assert found.tolist() == pytest.approx(expected.tolist(), abs=within)


def test_spectral_angle_by_closed_form():
    red, yellow = flat(0), flat(0)
    red[:, 0], yellow[:, :2] = 200, 200
    assert sam(red, yellow, 4).item() == pytest.approx(45, abs=1e-12)
    assert sam(NEAR, NEAR, 4).tolist() == [0, 0]
    assert sam(flat(30), flat(90), 4).item() == pytest.approx(0, abs=1e-12)  # brightness does not turn a spectrum
    assert torch.isnan(sam(flat(0), flat(9), 4)).all()


def test_ergas_by_closed_form():
    low = LowResolution(flat(0), None, 4)
    assert ergas(flat(110), flat(100), 4, low).item() == pytest.approx(100 / 4 * 0.1, abs=1e-12)
    assert ergas(NEAR, NEAR, 4, low).tolist() == [0, 0]
    assert ergas(flat(1), flat(0), 4, low).item() == math.inf and ergas(flat(0), flat(0), 4, low).isnan().all()


def test_consistency_with_the_input():
    steps = ({"reduce": "bicubic"}, {"noise": 5.0})
    for some in (steps[:1], steps):

        def degraded(hr, image, some=some):
            return degrade(hr, some, 4, image)

        lr = torch.stack([degraded(image, "a") for image in NOISE[0]])
        low = LowResolution(lr, degraded, 4, "a")
        assert lr_psnr(NOISE[0], NEAR, 4, low).tolist() == [math.inf] * 2
    other = lr_psnr(NEAR, NOISE[0], 4, low)
    assert other.shape == (2,) and torch.isfinite(other).all()


def test_correctness_tells_right_missing_and_made_up_detail():
    generator = torch.Generator().manual_seed(7)
    hr = torch.randint(40, 216, (1, 3, 64, 64), dtype=torch.uint8, generator=generator)
    lr = degrade(hr[0], "bicubic", 4)[None]
    smooth = torch.nn.functional.interpolate(lr.float(), scale_factor=4, mode="bilinear").round().byte()
    wrong = torch.randint(40, 216, hr.shape, dtype=torch.uint8, generator=generator)
    low = LowResolution(lr, None, 4)
    shares = {
        name: {part: correctness(sr, hr, 4, low, part).item() for part in PARTS}
        for name, sr in {"improvement": hr, "omission": smooth, "hallucination": wrong}.items()
    }
    for found in shares.values():
        assert sum(found.values()) == pytest.approx(1, abs=1e-12)
    assert max(shares["improvement"], key=shares["improvement"].get) == "improvement"
    for part in PARTS:
        assert max(shares, key=lambda name, part=part: shares[name][part]) == part
    # SR equal to HR: d_im = 0 and d_om = 1 everywhere, so the three distances are 0, 1 and 1.
    whole = 1 + 2 * math.exp(-4)
    assert shares["improvement"]["improvement"] == pytest.approx(1 / whole, abs=1e-9)


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(UserError, match="not uint8 of one size"):
        psnr(NEAR, NEAR[..., 1:])
    with pytest.raises(UserError, match="not uint8 of one size"):
        psnr(NEAR.float(), NEAR.float())
    with pytest.raises(UserError, match="SSIM needs at least 11 pixels"):
        ssim(NEAR[..., :18], NEAR[..., :18])
    with pytest.raises(UserError, match="a crop of 4 pixels leaves nothing of an image of 8x40"):
        psnr(NEAR[..., :8], NEAR[..., :8])
