"""From a folder of LR images to a folder of SR images."""

import shutil
import zlib
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from rssr.base.files import read_csv, read_image, sha256, write_csv, write_image
from rssr.datasets.degrade import to_uint8
from rssr.models.registry import seed

SEEDS = 5  # draws of a network that draws random numbers; the tables show how far they are apart


def upscale_folder(model: nn.Module, lr_dir: Path, out_dir: Path, identity: str, device: torch.device) -> None:
    """Upscale the images of a prepared LR folder, in its manifest's order, and write out_dir/manifest.csv last.

    Images that an interrupted call of the same identity has left are kept; the others are deleted first. A network that
    draws random numbers is seeded by the name of each image; further draws go to out_dir/seeds/{1, 2, ...}.

    Args:
        model: (B, 3, h, w) in [0, 1] -> (B, 3, scale * h, scale * w), in eval mode.
        lr_dir: results/data/{dataset}/{split}/LR/x{scale}-{degradation}.
        out_dir: results/sr/{dataset}/{degradation}/{model}.
        identity: checksum over everything that decides the pixels.
        device: where the model runs.
    """
    rows = read_csv(lr_dir / "manifest.csv")
    _keep_only(out_dir, identity, {f"{row['image']}.png" for row in rows})
    model = model.to(device)
    draws = SEEDS if seed(model, 0) else 1
    done = []
    for row in tqdm(rows, desc=out_dir.name, unit="image"):
        name = f"{row['image']}.png"
        lr = torch.from_numpy(read_image(lr_dir / name).copy()).permute(2, 0, 1)[None]
        for draw in range(draws):
            path = out_dir / name if draw == 0 else out_dir / "seeds" / str(draw) / name
            if not path.exists():
                seed(model, zlib.crc32(row["image"].encode()) + draw)
                with torch.inference_mode():
                    sr = to_uint8(model(lr.to(device).float() / 255))
                write_image(path, sr[0].permute(1, 2, 0).cpu().numpy())
        done.append({"image": row["image"], "lr_sha256": row["sha256"], "sha256": sha256(out_dir / name)})
    write_csv(out_dir / "manifest.csv", done)


def _keep_only(out_dir: Path, identity: str, names: set[str]) -> None:
    out_dir.mkdir(parents=True, exist_ok=True)
    mark = out_dir / ".identity"
    same = mark.exists() and mark.read_text() == identity
    if not same:
        shutil.rmtree(out_dir / "seeds", ignore_errors=True)
    for path in out_dir.rglob("*.png"):
        if not same or path.name not in names:
            path.unlink()
    mark.write_text(identity)
