"""From LR images to SR images: networks that draw random numbers, and the mean over flips and turns."""

import numpy as np
import pytest
import torch
from torch import nn

from rssr.base.files import read_csv, read_image, sha256, write_csv, write_image
from rssr.models.registry import build, seed
from rssr.steps.scoring import draws, score_folder
from rssr.steps.upscaling import SEEDS, upscale_folder


class Noisy(nn.Module):
    """Nearest neighbours and noise of a seed."""

    def seed(self, value):
        self.value = value
        return True

    def forward(self, x):
        up = nn.functional.interpolate(x, scale_factor=4)
        return up + 0.1 * torch.rand(up.shape, generator=torch.Generator().manual_seed(self.value))


@pytest.fixture
def folders(tmp_path):
    rows = []
    for name in ("a", "b"):
        write_image(tmp_path / f"LR/{name}.png", np.full((9, 8, 3), 100, dtype="uint8"))
        write_image(tmp_path / f"HR/{name}.png", np.full((36, 32, 3), 100, dtype="uint8"))
        rows.append({"image": name, "sha256": sha256(tmp_path / f"LR/{name}.png")})
    write_csv(tmp_path / "LR/manifest.csv", rows)
    return tmp_path


def upscale(model, folders, out):
    upscale_folder(model, folders / "LR", folders / out, "one identity", torch.device("cpu"))
    return {path.relative_to(folders / out): sha256(path) for path in (folders / out).rglob("*.png")}


def test_draws_are_fixed_by_the_image_and_all_kept(folders):
    first, second = upscale(Noisy(), folders, "sr"), upscale(Noisy(), folders, "again")
    assert first == second and len(first) == 2 * SEEDS == len(set(first.values()))
    assert draws(folders / "sr") == [1, 2, 3, 4]
    scores = [
        score_folder(folders / "sr", folders / "HR", ["psnr_y"], 4, "", {}, folders / "LR", [], 4, draw)[0]["psnr_y"]
        for draw in range(SEEDS)
    ]
    assert len(set(scores)) == SEEDS


def test_a_network_without_draws_has_one_image_each(folders):
    assert len(upscale(build({"arch": "bicubic"}), folders, "sr")) == 2
    assert draws(folders / "sr") == []
    assert [row["image"] for row in read_csv(folders / "sr/manifest.csv")] == ["a", "b"]
    assert read_image(folders / "sr/a.png").shape == (36, 32, 3)


def test_seed_reaches_a_network_inside_wrappers():
    model = build({"arch": "torch.nn:Upsample", "args": {"scale_factor": 4}, "tile": {"size": 16, "overlap": 4}})
    assert seed(model, 3) is False
    model.network.network = Noisy()
    assert seed(model, 3) is True and model.network.network.value == 3


def test_self_ensemble_changes_nothing_for_a_symmetric_network():
    x = torch.rand(2, 3, 9, 14, dtype=torch.float64)
    plain, ensemble = (build({"arch": "bicubic", "self_ensemble": value}) for value in (False, True))
    torch.testing.assert_close(ensemble(x), plain(x))


def test_self_ensemble_makes_any_network_symmetric():
    entry = {"arch": "lstmconvsr", "args": {"channels": 8, "groups": [1], "arrbs": 1}, "self_ensemble": True}
    model, x = build(entry).double(), torch.rand(1, 3, 10, 12, dtype=torch.float64)
    with torch.inference_mode():
        out = model(x)
        torch.testing.assert_close(model(x.flip(-1)), out.flip(-1))
        torch.testing.assert_close(model(x.mT), out.mT)
        assert (model.network(x.flip(-1)) - model.network(x).flip(-1)).abs().max() > 1e-9
