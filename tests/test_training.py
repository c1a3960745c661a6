"""The training loop: schedules by closed form, and a broken run that ends with the same bytes as an unbroken one."""

import math

import pytest
import torch
from pydantic import ValidationError
from small_training import CPU, ENTRY, Dropping, patches_of, recipe, trainer

from rssr.base.errors import UserError
from rssr.base.images import read_tensor
from rssr.base.resampling import to_uint8
from rssr.metrics.fidelity import psnr
from rssr.models.registry import build
from rssr.models.upscaler import Upscaler
from rssr.steps.checkpoints import Checkpoints
from rssr.steps.patches import Ahead, DevicePatches, Patches
from rssr.steps.training import Trainer, learning_rate
from rssr.steps.validation import Validation


class Overwriting(torch.nn.Conv2d):
    """A network that changes in place what its gradient needs; ReLU(inplace=True) in the wrong place does."""

    def forward(self, x):
        out = super().forward(x).exp()
        return torch.nn.functional.interpolate(out.mul_(2), scale_factor=4)


def test_what_cannot_be_trained_is_one_sentence(images, tmp_path):
    frozen = torch.nn.Conv2d(3, 3, 1).requires_grad_(False)
    with pytest.raises(UserError, match="no parameter of the network has requires_grad: give `weights` in place of"):
        trainer(images, tmp_path / "w", recipe(), frozen)
    with pytest.raises(UserError, match="the network has no parameters to train: write `weightless: true` for `train`"):
        trainer(images, tmp_path / "w", recipe(), torch.nn.Upsample(scale_factor=4))
    network = Overwriting(3, 3, 1)
    with pytest.raises(
        UserError, match=r"the network cannot be trained \(RuntimeError: .*inplace operation.*: correct"
    ):
        trainer(images, tmp_path / "w", recipe(), network).run()


def test_schedules():
    cosine = recipe(schedule={"name": "cosine", "warmup": 4})
    rates = [learning_rate(i, 12, cosine) for i in range(12)]
    assert rates[:4] == pytest.approx([0.25e-3, 0.5e-3, 0.75e-3, 1e-3])
    assert rates[8] == pytest.approx(0.5e-3 * (1 + math.cos(math.pi / 2)))
    assert learning_rate(12, 12, cosine) == pytest.approx(0)
    steps = recipe(schedule={"name": "multistep", "milestones": [0.5, 0.75], "gamma": 0.5})
    assert [learning_rate(i, 8, steps) for i in (0, 3, 4, 5, 6, 7)] == pytest.approx(
        [1e-3] * 2 + [5e-4] * 2 + [2.5e-4] * 2
    )
    assert learning_rate(7, 8, recipe()) == 1e-3


def test_patches_match_and_depend_on_the_iteration_alone(images):
    patches = patches_of(images, recipe())
    lr, hr = patches(3)
    assert lr.shape == (2, 3, 8, 8) and hr.shape == (2, 3, 32, 32)
    assert torch.equal(patches(3)[1], hr) and not torch.equal(patches(4)[1], hr)
    reduced = torch.nn.functional.avg_pool2d(hr, 4)  # the same place, turned the same way
    aligned = (lr - reduced).abs().mean()
    assert all((lr.flip(axis) - reduced).abs().mean() > 2 * aligned for axis in (2, 3))


@pytest.mark.parametrize("way", [DevicePatches, Ahead])
def test_patches_are_the_same_whichever_way_they_are_cut(images, way):
    """On the device, in a thread, in any order of iterations: the bytes of those that the CPU cuts."""
    patches = patches_of(images, recipe(batch=40))  # all turns, flips and images
    batches = way(patches, CPU)
    for iteration in (0, 1, 2, 7):
        assert all(torch.equal(*pair) for pair in zip(batches(iteration), patches(iteration), strict=True))
    assert patches.on(CPU) is patches


def test_two_seeds_never_share_weights_patches_or_checkpoints(images, tmp_path):
    runs = [trainer(images, tmp_path, recipe(seed=seed, iterations=2)) for seed in (10, 11)]
    weights = [run.run() for run in runs]
    assert not any(torch.equal(one, weights[1][name]) for name, one in weights[0].items() if one.count_nonzero())
    assert list(runs[0].patches.draws(0)) != list(runs[1].patches.draws(0))
    assert runs[0].checkpoints.newest != runs[1].checkpoints.newest
    with pytest.raises(ValidationError, match="names one twice"):
        recipe(seeds=[10, 11, 10])


@pytest.mark.parametrize("change", [{"channels_last": True}, {"precision": "bf16"}, {"compile": "default"}], ids=str)
def test_options_of_speed_train_the_same_network(images, tmp_path, change):
    """Nearly: other orders of summation, and in bf16 products of 8 bits."""
    network = (lambda: Dropping(0)) if "compile" in change else (lambda: None)  # one that is compiled soon
    plain = trainer(images, tmp_path, recipe(ema=0), network())
    start = {name: value.clone() for name, value in plain.weights.items()}
    fast = trainer(images, tmp_path, recipe(ema=0, **change), network())
    assert (fast.forward is fast.network) == ("compile" not in change)
    plain.run()
    moved = sum((plain.weights[name] - start[name]).square().sum() for name in start)
    fast.run()
    apart = sum((plain.weights[name] - fast.weights[name]).square().sum() for name in start)
    assert fast.weights.keys() == start.keys()
    assert moved > 0 and apart < (0.3 if "precision" in change else 1e-3) * moved
    assert fast.losses == [] and all(value.dtype == torch.float32 for value in fast.weights.values())


def test_without_a_compiler_a_recipe_that_compiles_says_so(images, tmp_path):
    torch._dynamo.reset()
    run = trainer(images, tmp_path, recipe(compile="default"), Dropping(0))
    with (
        torch._inductor.config.patch({"cpp.cxx": (None, "/none"), "force_disable_caches": True}),
        pytest.raises(UserError, match=r"`compile: default`: .*No working C\+\+ compiler.*g\+\+.*`compile: null`"),
    ):
        run.run()


def test_epochs_are_passes_over_the_images(images, tmp_path):
    epochs = {"iterations": None, "epochs": 10}  # of 3 images, in batches of 2
    assert trainer(images, tmp_path, recipe(**epochs)).total == 15
    assert trainer(images, tmp_path, recipe(**epochs, schedule={"warmup": 14})).total == 15
    with pytest.raises(UserError, match="`warmup: 15` of the recipe's `schedule`: its `epochs` are only 15 iterations"):
        trainer(images, tmp_path, recipe(**epochs, schedule={"warmup": 15}))


@pytest.mark.parametrize("way", [lambda patches: patches, lambda patches: DevicePatches(patches, CPU)])
def test_shares_make_up_the_batch(images, way):
    settings = recipe(batch=6)
    folders = images / "HR-x4", images / "LR/x4-bicubic"
    shares = [way(Patches(*folders, 4, settings, (rank, 3)))(4) for rank in range(3)]
    for whole, *parts in zip(patches_of(images, settings)(4), *shares, strict=True):
        assert torch.equal(torch.stack(parts, 1).flatten(0, 1), whole)


def test_average_follows_the_weights(images, tmp_path):
    averaged = trainer(images, tmp_path, recipe(iterations=1, ema=0.9))
    start = {name: value.clone() for name, value in averaged.weights.items()}
    average, last = averaged.run(), averaged.weights
    for name in start:
        torch.testing.assert_close(average[name], 0.9 * start[name] + 0.1 * last[name])
    plain = trainer(images, tmp_path / "plain", recipe(iterations=1, ema=0))
    assert all(torch.equal(plain.run()[name], last[name]) for name in last)


@pytest.mark.parametrize("keep", ["last", "best"])
def test_validation_is_a_column_and_may_choose_the_weights(images, tmp_path, keep):
    """By a measure whose best is in the middle; then the real one, of a network with weights that are not its own."""
    settings = recipe(validate_every=3, keep=keep)
    measured, seen = iter([20.0, 22.0, 21.0]), []

    def measure(weights):
        seen.append({name: value.clone() for name, value in weights.items()})
        return next(measured)

    torch.manual_seed(10)
    parts = patches_of(images, settings), Checkpoints(tmp_path, settings), CPU
    run = Trainer(build(ENTRY).train(), settings, *parts, measure)
    kept = run.run()
    assert [row["psnr_y"] for row in run.curve] == [20.0, 22.0, 21.0]
    assert all(torch.equal(kept[name], value) for name, value in seen[1 if keep == "best" else 2].items())
    again = Trainer(build(ENTRY).train(), settings, *parts, measure).run()  # from the checkpoint
    assert all(torch.equal(again[name], kept[name]) for name in kept)

    found = Validation(images / "HR-x4", images / "LR/x4-bicubic", 4, CPU, lambda: build(ENTRY))(kept)
    network = build(ENTRY)
    network.load_state_dict(kept)
    pairs = [
        [read_tensor(images / side / f"{name}.png")[None] for side in ("LR/x4-bicubic", "HR-x4")] for name in "abc"
    ]
    with torch.no_grad():
        expected = [psnr(to_uint8(network.eval()(lr / 255)), hr, 4).item() for lr, hr in pairs]
    assert found == pytest.approx(sum(expected) / 3)


def test_validation_needs_a_measure_and_rows():
    for changes, message in (({"keep": "best"}, "needs `validate_every`"), ({"validate_every": 4}, "a multiple of")):
        with pytest.raises(ValidationError, match=message):
            recipe(**changes)


def test_training_lowers_the_loss(images, tmp_path):
    run = trainer(images, tmp_path, recipe(iterations=60, log_every=20, optimiser={"lr": 5e-3}))
    run.run()
    assert run.curve[-1]["loss"] < 0.8 * run.curve[0]["loss"]


def test_a_loss_that_explodes_is_named(images, tmp_path):
    network = build(ENTRY).train()
    next(network.parameters()).data.fill_(float("nan"))
    run = trainer(images, tmp_path, recipe(), network)
    images_of_it = "on images [abc](, [abc])*"
    with pytest.raises(UserError, match=f"the loss is nan at iteration 1, {images_of_it}: lower the recipe's `lr`"):
        run.run()


def test_patches_larger_than_an_image_are_refused(images):
    with pytest.raises(UserError, match="a.png has a side below the recipe's patch of 16 pixels: lower"):
        patches_of(images, recipe(patch=16))


def test_an_output_of_another_kind_names_the_images(images, tmp_path):
    class Pair(torch.nn.Module):
        def forward(self, x):
            return x, x

    network = Upscaler(torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1), Pair()))
    with pytest.raises(UserError, match=r"iteration 1, on images [abc](, [abc])?: Sequential returned a tuple"):
        trainer(images, tmp_path / "checkpoints", recipe(), network).run()
