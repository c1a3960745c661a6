"""Radial power spectra: flat for an impulse and for noise, a peak for a wave, and means over folders of images."""

import numpy as np
import pytest

from rssr.base.files import write_csv, write_image
from rssr.metrics.spectra import BINS, frequencies, radial_power
from rssr.steps.spectra import mean_spectra


def rings(height, width):
    """How many frequencies each ring has."""
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)).ravel()
    return np.histogram(radius - 1e-9, np.linspace(0, 0.5, BINS + 1))[0]  # a border belongs to the ring below


def test_white_noise_has_its_variance_at_every_frequency():
    plane = np.random.default_rng(0).normal(50, 3, (400, 360))
    power = radial_power(plane)
    assert power[3:] == pytest.approx(9, rel=0.2)
    assert power[3:].mean() == pytest.approx(9, rel=0.02)


def test_an_impulse_has_all_frequencies_alike():
    plane = np.zeros((201, 301))
    plane[100, 150] = 7
    window = np.outer(np.hanning(203)[1:-1], np.hanning(303)[1:-1])
    assert radial_power(plane)[3:] == pytest.approx(49 / np.square(window).sum(), rel=1e-3)


@pytest.mark.parametrize("direction", [(1, 0), (0, 1), (0.6, 0.8)])
def test_a_wave_has_one_frequency_and_half_its_squared_amplitude(direction):
    y, x = np.mgrid[:256, :320]
    wave = 100 + 4 * np.cos(2 * np.pi * 0.205 * (direction[0] * x + direction[1] * y))
    power = radial_power(wave)
    assert frequencies()[np.argmax(power)] == pytest.approx(0.205)
    # Parseval: the sum over all frequencies is H W times the mean square.
    assert (power * rings(256, 320)).sum() == pytest.approx(256 * 320 * 4**2 / 2, rel=0.01)


def test_a_constant_has_no_power_and_a_small_image_few_frequencies():
    assert radial_power(np.full((128, 128), 200.0)) == pytest.approx(np.zeros(BINS))
    small = radial_power(np.random.default_rng(0).normal(size=(16, 16)))
    assert np.isnan(small).any() and np.isfinite(small).any()
    assert (np.isnan(small) == (rings(16, 16) == 0)).all()


def test_means_over_the_images_of_a_folder(tmp_path):
    random = np.random.default_rng(0)
    images = 2 * random.integers(0, 128, (2, 48, 48, 1), dtype="uint8").repeat(3, axis=3)
    for name, image in zip("ab", images, strict=True):
        write_image(tmp_path / f"hr/{name}.png", image)
        write_image(tmp_path / f"sr/0/{name}.png", image // 2)
        write_image(tmp_path / f"sr/0_draw1/{name}.png", image)  # a further replicate, which is left out
    write_csv(
        tmp_path / "sr/manifest.csv", [{"image": i, "replicate": name} for i in "ab" for name in ("0", "0_draw1")]
    )
    rows = mean_spectra(tmp_path / "sr", tmp_path / "hr")
    luma = images[..., 0] * (219 / 255) + 16
    expected = np.mean([radial_power(plane) for plane in luma], axis=0)
    known = ~np.isnan(expected)
    assert [row["frequency"] for row in rows] == frequencies()[known].tolist()
    assert [row["hr"] for row in rows] == pytest.approx(expected[known], rel=1e-9)
    assert [row["sr"] for row in rows] == pytest.approx([row["hr"] / 4 for row in rows], rel=1e-9)
