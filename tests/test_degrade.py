"""MATLAB's imresize against closed forms and BasicSR's, and the reduction of 8-bit images."""

import numpy as np
import pytest
import torch
from basicsr.utils.matlab_functions import imresize as basicsr_imresize

from rssr.base.errors import UserError
from rssr.base.images import read_tensor
from rssr.base.resampling import KERNELS, gaussian_blur
from rssr.config import validate
from rssr.datasets.degradations import DEGRADATIONS, describe
from rssr.datasets.degrade import degrade, imresize

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


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_kernel_keeps_a_constant_and_interpolates_between_pixels(kernel, scale):
    constant = torch.full((9, 12), 0.25, dtype=torch.float64)
    assert (imresize(constant, scale, kernel) - 0.25).abs().max() < 1e-6
    image = torch.rand(9, 12, dtype=torch.float64)
    if scale == 3:  # the middle one of three output pixels lies on an input pixel
        torch.testing.assert_close(imresize(image, 3, kernel)[1::3, 1::3], image, rtol=0, atol=2e-6)


def test_nearest_and_bilinear_are_pytorchs():
    image = torch.rand(1, 2, 9, 12)
    for kernel, options in (("nearest", {}), ("bilinear", {"align_corners": False})):
        expected = torch.nn.functional.interpolate(image, scale_factor=4, mode=kernel, **options)
        torch.testing.assert_close(imresize(image, 4, kernel), expected)


def test_without_antialiasing_it_is_pytorchs_bicubic_but_for_the_kernel():
    image = torch.rand(1, 1, 32, 40, dtype=torch.float64)
    weights = torch.tensor([-0.0625, 0.5625, 0.5625, -0.0625], dtype=torch.float64)  # Keys' kernel at +-0.5 and +-1.5
    expected = torch.nn.functional.conv2d(image, torch.outer(weights, weights)[None, None], stride=4)
    torch.testing.assert_close(imresize(image, 1 / 4, antialias=False), expected[..., : 32 // 4, : 40 // 4])


def test_reducing_to_the_nearest_keeps_pixels():
    image = torch.rand(16, 12)
    assert torch.equal(imresize(image, 1 / 4, "nearest", antialias=False), image[2::4, 2::4])


def test_lanczos_is_pillows():
    from PIL import Image

    image = torch.rand(20, 24)
    expected = Image.fromarray(image.numpy()).resize((96, 80), Image.Resampling.LANCZOS)
    inside = (slice(16, -16), slice(16, -16))  # Pillow cuts the kernel off at the border
    np.testing.assert_allclose(imresize(image, 4, "lanczos").numpy()[inside], np.array(expected)[inside], atol=2e-6)


def test_wrong_scale_and_type_are_refused():
    with pytest.raises(ValueError, match="neither an integer nor one over an integer"):
        imresize(torch.rand(3, 8, 8), 0.4)
    with pytest.raises(ValueError, match="floating-point"):
        imresize(torch.zeros(3, 8, 8, dtype=torch.uint8), 2)
    with pytest.raises(ValueError, match="kernel 'cubic' is unknown"):
        imresize(torch.rand(3, 8, 8), 2, "cubic")


def test_lr_is_basicsr_rounded():
    hr = torch.randint(0, 256, (3, 128, 96), dtype=torch.uint8)
    expected = (basicsr_imresize(hr.float() / 255, 1 / 4).clamp(0, 1) * 255).round()
    assert ((degrade(hr, "bicubic", 4).float() - expected).abs() > 0).float().mean() < 1e-4


@pytest.mark.parametrize("folder", ["aGrass", "cIndustry", "gParking"])
def test_lr_of_real_images_is_basicsr_rounded(shared, folder):
    """At most one level apart, on under 0.01 % of the pixels."""
    apart, total = 0, 0
    for path in sorted((shared / "rsscn7" / folder).glob("*.jpg"))[:20]:
        hr = read_tensor(path)
        expected = (basicsr_imresize(hr.float() / 255, 1 / 4).clamp(0, 1) * 255).round()
        difference = (degrade(hr, "bicubic", 4).float() - expected).abs()
        assert difference.max() <= 1
        apart, total = apart + int((difference > 0).sum()), total + difference.numel()
    assert apart / total < 1e-4


def smooth_image():
    y, x = torch.meshgrid(torch.arange(96) / 96, torch.arange(96) / 96, indexing="ij")
    image = torch.stack([0.5 + 0.3 * torch.sin(9 * x), 0.5 + 0.3 * torch.cos(9 * y), (x + y) / 2])
    return (image * 255).round().to(torch.uint8)


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_named_degradations_keep_size_and_differ(name):
    hr = smooth_image()
    lr = degrade(hr, name, 4, "an image")
    assert lr.shape == (3, 24, 24) and lr.dtype == torch.uint8
    assert torch.equal(lr, degrade(hr, DEGRADATIONS[name], 4, "an image"))
    if name != "bicubic":
        assert not torch.equal(lr, degrade(hr, "bicubic", 4))
        assert (lr.float() - degrade(hr, "bicubic", 4).float()).abs().mean() < 12


def test_noise_has_its_sigma_and_a_seed_an_image():
    hr = torch.full((3, 512, 512), 128, dtype=torch.uint8)
    steps = [{"reduce": "bicubic"}, {"noise": 5.0}]
    one, other = (degrade(hr, steps, 4, image).float() for image in ("one", "other"))
    assert torch.equal(one, degrade(hr, steps, 4, "one").float())
    assert not torch.equal(one, other)
    assert (one - 128).std().item() == pytest.approx((5**2 + 1 / 12) ** 0.5, rel=0.02)  # and the rounding's
    twice = degrade(hr, [*steps, {"noise": 5.0}], 4, "one").float()
    assert (twice - 128).std().item() == pytest.approx((2 * 5**2 + 1 / 12) ** 0.5, rel=0.02)  # not the same noise


def test_blur_is_scipys():
    from scipy.ndimage import gaussian_filter

    image = torch.rand(2, 20, 31, dtype=torch.float64)
    expected = gaussian_filter(image.numpy(), (0, 1.2, 1.2), mode="nearest", radius=(0, 3, 3))
    np.testing.assert_allclose(gaussian_blur(image, 1.2, 7), expected, atol=1e-12)
    assert gaussian_blur(image, 3.0).shape == image.shape


def test_aliased_reduction_samples_every_fourth_place():
    hr = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
    expected = (imresize(hr.double() / 255, 1 / 4, antialias=False) * 255).clamp(0, 255).round()
    assert (degrade(hr, "bicubic_aliased", 4) - expected).abs().max() <= 1


def test_steps_compose_in_their_order():
    hr = smooth_image()
    jpeg_last = degrade(hr, [{"reduce": "bicubic"}, {"jpeg": 10}], 4)
    assert not torch.equal(jpeg_last, degrade(hr, [{"jpeg": 10}, {"reduce": "bicubic"}], 4))


def configured(degradations):
    models = {"b": {"label": "B", "arch": "bicubic"}}
    content = {"datasets": {"s": {"label": "S", "module": "synthetic"}}, "models": models}
    return validate(content | {"degradations": degradations}, "test").degradations


def test_configured_degradations():
    named = configured(["bicubic", "blur_bicubic"])
    own = configured({"bicubic": None, "hard": [{"blur": 1.2, "size": 7}, {"reduce": "bicubic"}, {"jpeg": 40}]})
    assert list(named) == ["bicubic", "blur_bicubic"] and list(own) == ["bicubic", "hard"]
    assert named["blur_bicubic"][0].blur == 1.2 and own["hard"][2].jpeg == 40
    assert describe(DEGRADATIONS["bicubic"]) == "bicubic reduction (MATLAB)"
    steps = [step.model_dump(exclude_defaults=True) for step in own["hard"]]
    assert describe(steps) == "Gaussian blur of sigma 1.2 (side 7), bicubic reduction (MATLAB), JPEG of quality 40"


@pytest.mark.parametrize(
    ("degradations", "message"),
    [
        (["cubic"], "'degradations': 'cubic' is unknown, did you mean 'bicubic'"),
        ("bicubic", "a list of names or a mapping"),
        ({"mine": [{"blur": 1}]}, "'mine' has to `reduce` once"),
        ({"mine": [{"reduce": "bicubic"}, {"reduce": "bicubic"}]}, "'mine' has to `reduce` once"),
        (
            {"mine": [{"reduce": "bicubic", "jpeg": 5}]},
            "jpeg, not reduce and jpeg: write each as an item of the list",
        ),
        ({"mine": [{}]}, "a step has one of blur, reduce, noise, jpeg$"),
        ({"mine": [{"blurr": 1}]}, "unknown key 'degradations.mine.0.blurr', did you mean 'blur'"),
        ({"mine": [{"reduce": "cubic"}]}, "'cubic' is unknown, did you mean 'bicubic'"),
        ({"mine": [{"blur": 1, "size": 4}, {"reduce": "bicubic"}]}, "`size` is odd"),
        ({"Mine": None}, "'Mine' is unknown"),
        ([], "an entry is expected"),
    ],
)
def test_wrong_degradations_are_named(degradations, message):
    with pytest.raises(UserError, match=message):
        configured(degradations)


def test_indivisible_and_unknown_are_refused():
    with pytest.raises(UserError, match="an HR image of 10x12 pixels cannot be reduced by 4"):
        degrade(torch.zeros(3, 12, 10, dtype=torch.uint8), "bicubic", 4)
    with pytest.raises(UserError, match="'cubic' is unknown"):
        degrade(torch.zeros(3, 12, 12, dtype=torch.uint8), "cubic", 4)


def test_bicubic_is_torchvisions_antialiased_one_but_at_the_border():
    image = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(0))
    theirs = torch.nn.functional.interpolate(image, scale_factor=1 / 4, mode="bicubic", antialias=True)
    apart = (imresize(image, 1 / 4) - theirs).abs()
    assert apart[..., 2:-2, 2:-2].max() < 1e-6 < 1e-3 < apart.max()
