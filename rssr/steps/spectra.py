"""From folders of SR and HR images to their mean power spectra."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from rssr.base.files import read_csv
from rssr.base.images import read_tensor
from rssr.metrics.fidelity import luma
from rssr.metrics.spectra import frequencies, radial_power


def mean_spectra(sr_dir: Path, hr_dir: Path) -> list[dict[str, float]]:
    """Radial power spectra of the luma, means over the images of the first replicate.

    Args:
        sr_dir: results/sr/{dataset}/x{scale}-{degradation}/{model}.
        hr_dir: results/data/{dataset}/test/HR-x{scale}.

    Returns:
        One row per frequency: `frequency` in cycles per pixel, `hr` and `sr` in squared levels of the luma, 16 to 235.
        Frequencies that no image is large enough for are left out.
    """
    rows = read_csv(sr_dir / "manifest.csv")
    first = [row for row in rows if row["replicate"] == rows[0]["replicate"]]
    spectra = np.array(
        [
            [radial_power(_luma(folder / f"{row['image']}.png")) for folder in (hr_dir, sr_dir / row["replicate"])]
            for row in tqdm(first, desc=f"spectra {sr_dir.name}", unit="image")
        ]
    )
    known = ~np.isnan(spectra).all(axis=(0, 1))
    means = np.nanmean(spectra[..., known], axis=0)
    columns = (frequencies()[known].tolist(), *means.tolist())
    return [dict(zip(("frequency", "hr", "sr"), row, strict=True)) for row in zip(*columns, strict=True)]


def _luma(path: Path) -> np.ndarray:
    return luma(read_tensor(path)[None])[0, 0].numpy()
