"""From LR images to SR images: networks that draw random numbers, and the mean over flips and turns."""

import numpy as np
import pytest
import torch
from torch import nn

from rssr.base.errors import UserError
from rssr.base.files import read_csv, read_image, sha256, write_csv, write_image
from rssr.models.registry import build, seed
from rssr.plan.replicate import SINGLE
from rssr.render.scores import tiled
from rssr.steps.scoring import TestImages, score_folder, write_scores
from rssr.steps.upscaling import upscale_folder


class Noisy(nn.Module):
    """Nearest neighbours and noise of a seed."""

    def seed(self, value):
        self.value = value
        return True

    def forward(self, x):
        up = nn.functional.interpolate(x, scale_factor=4)
        return up + 0.1 * torch.rand(up.shape, generator=torch.Generator().manual_seed(self.value))


class Drawing(nn.Module):
    """Nearest neighbours and noise of the process's generator, as a user may write it: nothing says that it samples."""

    def forward(self, x):
        up = nn.functional.interpolate(x, scale_factor=4)
        return up + 0.1 * torch.rand_like(up)


class Hungry(nn.Module):
    """A network that memory has room for up to some pixels a side."""

    def __init__(self, room):
        super().__init__()
        self.room = room

    def forward(self, x):
        if max(x.shape[-2:]) > self.room:
            raise MemoryError
        return nn.functional.interpolate(x, scale_factor=4)


@pytest.fixture
def folders(tmp_path):
    rows = []
    for name in ("a", "b"):
        write_image(tmp_path / f"LR/{name}.png", np.full((9, 8, 3), 100, dtype="uint8"))
        write_image(tmp_path / f"HR/{name}.png", np.full((36, 32, 3), 100, dtype="uint8"))
        rows.append({"image": name, "sha256": sha256(tmp_path / f"LR/{name}.png")})
    write_csv(tmp_path / "LR/manifest.csv", rows)
    return tmp_path


def upscale(model, folders, out, draws=5):
    upscale_folder({SINGLE: model}, draws, folders / "LR", folders / out, "one identity", torch.device("cpu"))
    return {path.relative_to(folders / out): sha256(path) for path in (folders / out).rglob("*.png")}


@pytest.mark.parametrize("kind", [Noisy, Drawing])
def test_draws_are_fixed_by_the_image_and_all_kept(folders, kind):
    first, second = upscale(kind(), folders, "sr"), upscale(kind(), folders, "again")
    assert first == second and len(first) == 10 == len(set(first.values()))
    for name in ("manifest.csv", "0/b.png", "0_draw3/a.png"):  # as if it had been interrupted
        (folders / "sr" / name).unlink()
    assert upscale(kind(), folders, "sr") == first and len(read_csv(folders / "sr/manifest.csv")) == 10
    replicates = ["0", "0_draw1", "0_draw2", "0_draw3", "0_draw4"]
    assert [row["replicate"] for row in read_csv(folders / "sr/manifest.csv")] == 2 * replicates
    write_csv(folders / "HR/manifest.csv", [{"image": name, "source": f"of {name}"} for name in "ab"])
    images = TestImages(folders / "HR", folders / "LR", [], 4, 4)
    rows = score_folder(folders / "sr", images, ["psnr_y"], "", {}, jobs=2)
    assert [(row["image"], row["replicate"]) for row in rows] == [(i, name) for i in "ab" for name in replicates]
    assert {(row["image"], row["source"]) for row in rows} == {("a", "of a"), ("b", "of b")}
    assert len({row["psnr_y"] for row in rows}) == 10


def test_another_draw_leaves_the_first_ones(folders):
    fewer = upscale(Noisy(), folders, "fewer", draws=2)
    assert len(fewer) == 4 and fewer.items() <= upscale(Noisy(), folders, "more").items()


def test_a_network_without_draws_has_one_replicate(folders):
    assert len(upscale(build({"arch": "bicubic"}), folders, "sr")) == 2
    manifest = read_csv(folders / "sr/manifest.csv")
    assert [(row["image"], row["replicate"]) for row in manifest] == [("a", SINGLE), ("b", SINGLE)]
    assert read_image(folders / "sr" / SINGLE / "a.png").shape == (36, 32, 3)


def test_every_set_of_weights_has_a_replicate(folders):
    models = {"seed1": build({"arch": "bicubic"}), "seed2": build({"arch": "nearest"})}
    upscale_folder(models, 1, folders / "LR", folders / "sr", "one identity", torch.device("cpu"))
    names = {str(path.relative_to(folders / "sr")) for path in (folders / "sr").rglob("*.png")}
    assert names == {f"{replicate}/{image}.png" for replicate in models for image in "ab"}


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


def test_where_memory_ends_tiles_are_used_and_the_row_says_so(folders):
    model = build({"arch": "test_upscaling:Hungry", "args": {"room": 40}})
    pixels = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    digest = write_image(folders / "LR/b.png", pixels)
    write_image(folders / "HR/b.png", pixels.repeat(4, 0).repeat(4, 1))
    rows = read_csv(folders / "LR/manifest.csv")
    write_csv(
        folders / "LR/manifest.csv",
        [row | {"sha256": digest if row["image"] == "b" else row["sha256"]} for row in rows],
    )
    write_csv(folders / "HR/manifest.csv", [{"image": row["image"], "source": row["image"]} for row in rows])
    upscale(model, folders, "tiled")
    np.testing.assert_array_equal(read_image(folders / "tiled/0/b.png"), pixels.repeat(4, 0).repeat(4, 1))
    assert [row["tile"] for row in read_csv(folders / "tiled/manifest.csv")] == ["0", "32"]
    (folders / "tiled/0/a.png").unlink()  # an interrupted run
    upscale(model, folders, "tiled")
    assert [row["tile"] for row in read_csv(folders / "tiled/manifest.csv")] == ["0", "32"]
    images = TestImages(folders / "HR", folders / "LR", [{"reduce": "nearest"}], 4, 4)
    scores = score_folder(folders / "tiled", images, ["psnr_y"], "", {}, 1)
    write_scores(folders / "net.csv", scores, folders / "tiled/manifest.csv", images, ["psnr_y"], {})
    assert tiled(folders / "net.json") == ["1 of 2 images in tiles of 32 LR pixels, because memory was insufficient"]
    model = build({"arch": "test_upscaling:Hungry", "args": {"room": 8}})
    with pytest.raises(UserError, match="none, image .*not enough memory for Hungry on an input of .*: set a small"):
        upscale(model, folders, "none")
