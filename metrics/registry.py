"""The metrics by name, with what tables say of them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MetricCard:
    """How a metric is shown.

    Attributes:
        label: column title, with the unit.
        better: "higher" or "lower".
        digits: decimals in tables.
        protocol: what exactly is computed, for captions.
    """

    label: str
    better: str
    digits: int
    protocol: str


METRICS = {
    "psnr_y": MetricCard("PSNR-Y (dB)", "higher", 2, "PSNR on the BT.601 luma (16 to 235), peak 255"),
    "ssim_y": MetricCard("SSIM-Y", "higher", 4, "SSIM on the BT.601 luma (16 to 235), Gaussian window 11, sigma 1.5"),
    "psnr_rgb": MetricCard("PSNR-RGB (dB)", "higher", 2, "PSNR over the three RGB channels, peak 255"),
    "lpips": MetricCard("LPIPS", "lower", 4, "LPIPS (AlexNet, version 0.1) through pyiqa, RGB"),
}
