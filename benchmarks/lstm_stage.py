"""MACs of the LSTM stage with and without HWD and LSA: the paper's "80.3 % fewer FLOPs", counted again.

PYTHONPATH=. python benchmarks/lstm_stage.py [--out results/reference]

Counts only, nothing is timed. The parallel form at LR 128x128 would need matrices of 16384 x 16384: everything but its
mLSTM grows in step with the pixels, so that is counted at 32x32 and scaled, and the mLSTM added in closed form.
"""

import argparse
from pathlib import Path

import torch

from rssr.base.files import write_json
from rssr.base.provenance import made_by
from rssr.metrics.complexity import count_macs, mlstm_macs
from rssr.models.lstmconvsr.traversal import TRAVERSALS
from rssr.models.lstmconvsr.vil import HEADS, ViLG

CHANNELS, COUNTED = 128, 32
SIDES = (32, 64, 128)  # of the LR image: training patches, in between, and where the paper counts FLOPs
PUBLISHED = 80.3  # per cent, abstract of Remote Sensing 2025, 17(15), 2745


def main() -> None:
    """Count, print and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for lstm_stage.json")
    arguments = parser.parse_args()
    found = {
        f"{part}_{form}_{side}": stage(form, part, side)
        for form in ("parallel", "chunkwise")
        for part in ("vil_blocks", "vilg")
        for side in SIDES
    }
    for name, row in found.items():
        print(f"{name}: {row['without_g']:.2f} -> {row['with_g']:.2f} GMACs, {row['fewer_percent']:.1f} % fewer")
    if arguments.out:
        facts = made_by(lstm_stage=found, published_percent=PUBLISHED, channels=CHANNELS)
        write_json(arguments.out / "lstm_stage.json", facts)


def stage(form: str, part: str, side: int, channels: int = CHANNELS) -> dict[str, float]:
    """GMACs of one neural block's LSTM stage without HWD and LSA and with both, and how many per cent fewer that is.

    Args:
        form: of the mLSTM, "parallel" as released, or "chunkwise".
        part: "vil_blocks", the three ViL blocks, or "vilg", with the MLP behind them.
        side: of the LR image.
        channels: of the network.
    """
    without, both = (macs(form, part, side, channels, *how) / 1e9 for how in (("none", False), ("haar", True)))
    return {"without_g": without, "with_g": both, "fewer_percent": 100 * (1 - both / without)}


def macs(form: str, part: str, side: int, channels: int, reduce: str, lsa: bool) -> int:
    """MACs of the stage for an LR image of side x side."""
    group = ViLG(channels, 4.0, TRAVERSALS, reduce, lsa, form).eval()
    counted = count_macs(group if part == "vilg" else group.blocks, torch.rand(1, channels, COUNTED, COUNTED))["total"]
    rest = counted - _cells(form, COUNTED, channels, reduce)
    return rest * side**2 // COUNTED**2 + _cells(form, side, channels, reduce)


def _cells(form: str, side: int, channels: int, reduce: str) -> int:
    tokens = side**2 // (1 if reduce == "none" else 4)
    return len(TRAVERSALS) * mlstm_macs(HEADS, tokens, 2 * channels // HEADS, form)


if __name__ == "__main__":
    main()
