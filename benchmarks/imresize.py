"""MATLAB's imresize: ours against BasicSR 1.4.2's matlab_functions, in one process, turn by turn.

PYTHONPATH=. python benchmarks/imresize.py [--out results/reference/imresize.json]
"""

import argparse
from functools import partial
from pathlib import Path

import torch
from timing import medians

import rssr.models.basicsr_import  # noqa: F401, before basicsr
from rssr.base.files import write_json
from rssr.base.provenance import made_by
from rssr.base.resampling import imresize

# isort: split
from basicsr.utils.matlab_functions import imresize as basicsr_imresize

CASES = [(1 / 2, 1024), (1 / 3, 1023), (1 / 4, 1024), (2, 512), (3, 256), (4, 256)]
REPEATS = 7


def main() -> None:
    """Time both on the same images, print and write the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    rows = []
    for scale, side in CASES:
        image = torch.rand(3, side, side)
        functions = {"ours": imresize, "basicsr": basicsr_imresize}
        difference = (imresize(image, scale) - basicsr_imresize(image, scale)).abs().max().item()
        times = medians({name: partial(function, image, scale) for name, function in functions.items()}, REPEATS)
        ratio = times["basicsr"] / times["ours"]
        row = {"scale": round(scale, 4), "side": side} | {f"{name}_ms": 1000 * value for name, value in times.items()}
        rows.append(row | {"ratio": ratio, "largest_difference": difference})
        print(
            f"x{scale:.4g} of 3x{side}x{side}: {ratio:.1f} times BasicSR's speed, largest difference {difference:.1e}"
        )
    if arguments.out:
        write_json(arguments.out, made_by(rows=rows, repeats=REPEATS, threads=arguments.threads))


if __name__ == "__main__":
    main()
