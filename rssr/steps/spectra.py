"""From folders of SR and HR images to their mean power spectra."""

from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from rssr.base.files import read_csv, read_image
from rssr.metrics.fidelity import luma
from rssr.metrics.spectra import frequencies, radial_power


def mean_spectra(sr_dir: Path, hr_dir: Path) -> list[dict[str, float]]:
    """Radial power spectra of the luma, means over the images.

    Args:
        sr_dir: results/sr/{dataset}/{degradation}/{model}.
        hr_dir: results/data/{dataset}/test/HR.

    Returns:
        A row a frequency: `frequency` in cycles per pixel, `hr` and `sr` in squared levels of the luma, 16 to 235.
        Frequencies that no image is large enough for are left out.
    """
    names = [f"{row['image']}.png" for row in read_csv(sr_dir / "manifest.csv")]
    spectra = np.array(
        [
            [radial_power(_luma(folder / name)) for folder in (hr_dir, sr_dir)]
            for name in tqdm(names, desc=f"spectra {sr_dir.name}", unit="image")
        ]
    )
    known = ~np.isnan(spectra).all(axis=(0, 1))
    means = np.nanmean(spectra[..., known], axis=0)
    columns = (frequencies()[known].tolist(), *means.tolist())
    return [dict(zip(("frequency", "hr", "sr"), row, strict=True)) for row in zip(*columns, strict=True)]


def _luma(path: Path) -> np.ndarray:
    return luma(torch.from_numpy(read_image(path).copy()).permute(2, 0, 1)[None])[0, 0].numpy()
