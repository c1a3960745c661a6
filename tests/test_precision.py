"""One place sets the backends' precision, and every step computes in the one that it says."""

import json
import re
import runpy
import sys
from argparse import Namespace

import numpy as np
import pytest
import torch
from torch.utils.checkpoint import checkpoint

from rssr.base import ROOT, devices
from rssr.base.errors import UserError
from rssr.base.files import write_image
from rssr.config.measuring import Analysis, Profile
from rssr.config.models import Recipe
from rssr.datasets.folder import data_set
from rssr.datasets.prepare import prepare_hr, prepare_lr

ENTRY = {"arch": "lstmconvsr", "args": {"channels": 4, "groups": [1], "arrbs": 1, "tail": "light"}, "scale": 4}
CPU = torch.device("cpu")
BACKENDS = torch.backends.cuda.matmul, torch.backends.cudnn


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """HR and LR folders of one image."""
    folder = tmp_path_factory.mktemp("images")
    write_image(folder / "own/a.png", np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    prepare_hr(data_set(str(folder / "own"), {"test": "*"}), folder, "test", None, folder / "hr", 1)
    prepare_lr(folder / "hr", folder / "lr", "bicubic", 4, 1)
    return folder


@pytest.fixture
def seen(monkeypatch):
    """What is allowed while convolutions are computed, from a process in which TF32 was on."""
    found, convolve = set(), torch.nn.Conv2d.forward

    def forward(self, x):
        found.add((*(backend.allow_tf32 for backend in BACKENDS), torch.is_autocast_enabled("cpu")))
        return convolve(self, x)

    monkeypatch.setattr(torch.nn.Conv2d, "forward", forward)
    for backend in BACKENDS:
        backend.allow_tf32 = True
    yield found
    for backend in BACKENDS:
        backend.allow_tf32 = False
    torch.use_deterministic_algorithms(False)


def options(step, images, out, precision):
    lr = ["--lr-dir", images / "lr"]
    analysis = Analysis(dataset="d", models=("m",), side=8, steps=2, images=1, channels=(0,)).model_dump_json()
    recipe = {"iterations": 1, "batch": 1, "patch": 8, "optimiser": {"lr": 1e-3}, "precision": precision}
    profile = Profile(size=(8, 8), warmup=0, samples=3, precision=precision).model_dump_json()
    train = ["--hr-dir", images / "hr", "--recipe", Recipe.model_validate(recipe).model_dump_json(), "--seed", "1"]
    train += ["--checkpoint-every", "1", "--log-every", "1"]
    return {
        "train_model": [*lr, *train, "--weights", out / "w.safetensors"],
        "upscale_images": [*lr, "--draws", "1", "--out", out / "sr"],
        "profile_model": ["--profile", profile, "--out", out / "p.json"],
        "audit_protocol": ["--hr-dir", images / "hr", "--scale", "4", "--images", "1", "--out", out / "a.csv"],
        "measure_attribution": [*lr, "--scale", "4", "--analysis", analysis, "--out", out / "a.npz"],
        "measure_features": [*lr, "--analysis", analysis, "--out", out / "f.npz"],
    }[step]


def run(step, images, out, precision="fp32"):
    script = str(ROOT / f"workflow/scripts/{step}.py")
    arguments = [*options(step, images, out, precision), "--model", json.dumps(ENTRY), "--device", "cpu"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [script, *map(str, arguments)])
        runpy.run_path(script, run_name="__main__")


STEPS = ["train_model", "upscale_images", "profile_model", "audit_protocol", "measure_attribution", "measure_features"]


@pytest.mark.parametrize("step", STEPS)
def test_every_step_computes_in_full_fp32(step, images, tmp_path, seen):
    run(step, images, tmp_path)
    assert seen == {(False, False, False)}
    for record in tmp_path.rglob("*.json"):
        assert '"precision": "fp32"' in record.read_text()


@pytest.mark.parametrize("step", ["train_model", "profile_model"])
def test_bf16_is_autocast_and_tf32_is_refused_on_a_cpu(step, images, tmp_path, seen):
    run(step, images, tmp_path, "bf16")
    assert (False, False, True) in seen
    assert '"precision": "bf16"' in next(tmp_path.rglob("*.json")).read_text()
    with pytest.raises(SystemExit, match="tf32 is a precision of NVIDIA's GPUs"):
        run(step, images, tmp_path / "tf32", "tf32")


def test_what_code_of_others_has_set_is_no_obstacle_and_stays():
    conv = torch.backends.cudnn.conv
    before = conv.fp32_precision
    try:
        conv.fp32_precision = "tf32"
        with devices.products("fp32", torch.device("cpu")):
            assert devices.precision_in_use() == "fp32"
        assert conv.fp32_precision == "tf32"
    finally:
        conv.fp32_precision = before


def test_tf32_is_allowed_where_it_is_asked_for_and_nowhere_after(monkeypatch):
    assert devices.prepare(Namespace(device="cpu", threads=torch.get_num_threads())) == torch.device("cpu")
    assert devices.precision_in_use() == "fp32"
    with devices.products("tf32", torch.device("cuda")):
        assert devices.precision_in_use() == "tf32" and all(backend.allow_tf32 for backend in BACKENDS)
        with pytest.raises(UserError, match="set fp32"), devices.products("tf32", torch.device("cpu")):
            raise AssertionError
    assert devices.precision_in_use() == "fp32"


def test_nothing_else_sets_the_backends():
    setting = re.compile(r"torch\.backends\.[\w.]+ = |allow_tf32 = |fp32_precision = |set_float32_matmul_precision")
    files = [
        path for room in ("rssr", "models", "metrics", "datasets", "workflow") for path in (ROOT / room).rglob("*.py")
    ]
    assert {path.name for path in files if setting.search(path.read_text(encoding="utf-8"))} == {"devices.py"}


_KERNELS = {
    "conv1d": (torch.conv1d, (2, 3, 9), (4, 3, 3)),
    "conv2d": (torch.conv2d, (2, 3, 9, 8), (4, 3, 3, 3)),
    "conv_transpose2d": (torch.conv_transpose2d, (2, 3, 9, 8), (3, 4, 3, 3)),
    "linear": (torch.nn.functional.linear, (5, 7), (4, 7)),
    "matmul": (torch.matmul, (2, 5, 7), (2, 7, 4)),
    "@": (lambda x, y: x @ y, (5, 7), (7, 4)),
    "einsum": (lambda x, y: torch.einsum("bij,bjk->bik", x, y), (2, 5, 7), (2, 7, 4)),
    "padded conv2d": (lambda x, y: torch.conv2d(x, y, padding="same"), (2, 3, 9, 8), (4, 3, 3, 3)),
}


@pytest.mark.parametrize(("function", "x", "y"), _KERNELS.values(), ids=_KERNELS.keys())
def test_bf16_without_kernels_is_that_of_pytorch_up_to_the_last_digit(monkeypatch, function, x, y):
    found = []
    for lacking in (True, False):
        monkeypatch.setattr(devices, "lacks_kernels", lambda *_, lacking=lacking: lacking)
        torch.manual_seed(0)
        values = [torch.randn(shape, requires_grad=True) for shape in (x, y)]
        with devices.products("bf16", CPU), devices.autocast("bf16", CPU):
            out = function(*values)
        assert out.dtype == torch.bfloat16
        out.float().square().sum().backward()
        found.append([out.float(), *(value.grad for value in values)])
    for ours, pytorch in zip(*found, strict=True):
        step = 2.0**-7  # from one bf16 number to the next; gradients follow an output that may differ by one
        torch.testing.assert_close(ours, pytorch, rtol=2 * step, atol=step * pytorch.abs().max().item())


def test_bf16_without_kernels_leaves_alone_what_autocast_does(monkeypatch):
    monkeypatch.setattr(devices, "lacks_kernels", lambda *_: True)
    x = torch.full((1, 1), 1 + 2.0**-20)
    with devices.products("bf16", CPU), devices.autocast("bf16", CPU):
        assert (x @ x).item() == 1
        assert (x.double() @ x.double()).item() > 1
        assert (x * x).dtype == torch.float32
        with torch.autocast("cpu", enabled=False):
            assert (x @ x).item() > 1
    assert (x @ x).item() > 1


def test_bf16_without_kernels_is_computed_alike_once_more_in_a_backward_pass(monkeypatch):
    monkeypatch.setattr(devices, "lacks_kernels", lambda *_: True)
    layer, x = torch.nn.Conv2d(3, 3, 3), torch.randn(1, 3, 8, 8)
    found = []
    for again in (False, True):
        layer.zero_grad()
        with devices.products("bf16", CPU):
            with devices.autocast("bf16", CPU):
                out = checkpoint(layer, x, use_reentrant=False) if again else layer(x)
            out.float().square().sum().backward()
        found.append(layer.weight.grad.clone())
    assert torch.equal(*found)
