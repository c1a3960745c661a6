"""SSIM and PSNR against BasicSR's on one pair of 512x512 images, in the same process on the same threads.

PYTHONPATH=. python benchmarks/fidelity.py [--out results/reference]
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from timing import medians

import rssr.models.basicsr_import  # noqa: F401, mends basicsr, so before it
from rssr.base.files import write_json
from rssr.base.provenance import made_by
from rssr.metrics.fidelity import psnr, ssim

from basicsr.metrics import calculate_psnr, calculate_ssim  # isort: skip, after it was mended

REPEATS, SIDE, CROP = 25, 512, 4


def main() -> None:
    """Time both turn by turn, print and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for fidelity.json")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(arguments.threads)
    rng = np.random.default_rng(0)
    hr = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    sr = np.clip(hr + rng.normal(0, 8, hr.shape), 0, 255).astype(np.uint8)
    tensors = [torch.from_numpy(image).permute(2, 0, 1)[None].contiguous() for image in (sr, hr)]
    bgr = [np.ascontiguousarray(image[..., ::-1]) for image in (sr, hr)]
    found = {}
    for channel in ("y", "rgb"):
        options = {"crop_border": CROP, "test_y_channel": channel == "y"}
        for name, ours, theirs in (("psnr", psnr, calculate_psnr), ("ssim", ssim, calculate_ssim)):
            calls = {
                "ours": lambda ours=ours, channel=channel: ours(*tensors, CROP, channel).item(),
                "basicsr": lambda theirs=theirs, options=options: theirs(*bgr, **options),
            }
            times = {who: 1000 * seconds for who, seconds in medians(calls, REPEATS).items()}
            key = f"{name}_{channel}"
            found |= {f"{key}_{who}_ms": value for who, value in times.items()}
            found[f"{key}_ratio"] = times["basicsr"] / times["ours"]
            found[f"{key}_difference"] = abs(calls["ours"]() - calls["basicsr"]())
            print(
                f"{key}: ours {times['ours']:.2f} ms, BasicSR {times['basicsr']:.2f} ms, "
                f"{found[f'{key}_ratio']:.1f} times faster, difference {found[f'{key}_difference']:.1e}"
            )
    if arguments.out:
        facts = made_by(fidelity=found, side=SIDE, crop=CROP, repeats=REPEATS, threads=arguments.threads)
        write_json(arguments.out / "fidelity.json", facts)


if __name__ == "__main__":
    main()
