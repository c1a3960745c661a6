"""The selective scan: its backends agree, with gradients, in every layout, compiled and in Triton's interpreter."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rssr.models.mambairv2 import selective_scan
from rssr.models.mambairv2.selective_scan import CHUNK, _scan, _scan_backward, backend


def relative(out, expected):
    return (out - expected).norm() / expected.norm()


TESTS = Path(__file__).resolve().parent
NAMES = ("u", "delta", "A", "B", "C", "D", "delta_bias")


def runnable() -> list[str]:
    return ["sequential"] if backend("cpu") == "sequential" else ["sequential", backend("cpu")]


@pytest.mark.parametrize("name", runnable())
def test_scan_golden_file(shared, name):
    golden = torch.load(shared / "golden/selective_scan.pt", weights_only=True)
    out = selective_scan(*(golden[key] for key in NAMES), backend=name)
    assert relative(out, golden["y"]) < 1e-5


def scan_inputs(batch, channels, groups, states, tokens, spread=1.0, dtype=torch.float64, seed=0):
    random = torch.Generator().manual_seed(seed)
    shapes = {
        "u": (batch, channels, tokens),
        "delta": (batch, channels, tokens),
        "A": (channels, states),
        "B": (batch, groups, states, tokens),
        "C": (batch, groups, states, tokens),
        "D": (channels,),
        "delta_bias": (channels,),
    }
    inputs = {key: torch.randn(shape, generator=random, dtype=torch.float64) for key, shape in shapes.items()}
    inputs["A"] = -torch.exp(inputs["A"] * spread)
    inputs["delta"] = inputs["delta"] * 4 * spread
    return [tensor.to(dtype).requires_grad_() for tensor in inputs.values()]


def outcome(inputs, name):
    out = selective_scan(*inputs, backend=name)
    return out, *torch.autograd.grad(out.sin().sum(), inputs)


@settings(max_examples=30)
@given(
    batch=st.integers(1, 3),
    per_group=st.one_of(st.integers(1, 19), st.sampled_from([32, 33, 69])),  # Numba's tasks are 32 channels
    groups=st.integers(1, 2),
    states=st.integers(1, 17),
    tokens=st.one_of(st.integers(1, 20), st.integers(CHUNK - 1, 2 * CHUNK + 2)),
    spread=st.floats(0.1, 3),
    dtype=st.sampled_from([torch.float64, torch.float32]),
    seed=st.integers(0, 10**6),
)
def test_backends_agree(batch, per_group, groups, states, tokens, spread, dtype, seed):
    inputs = scan_inputs(batch, per_group * groups, groups, states, tokens, spread, torch.float64, seed)
    expected = outcome(inputs, "sequential")
    narrowed = [tensor.detach().to(dtype).requires_grad_() for tensor in inputs]
    limit = 1e-10 if dtype is torch.float64 else 2e-4
    for name in runnable()[1:]:
        for found, wanted in zip(outcome(narrowed, name), expected, strict=True):
            assert found.dtype == dtype and found.shape == wanted.shape
            # Sums of terms of order one, which may cancel: a small result is no more exact than they are.
            assert (found - wanted).norm() <= limit * max(wanted.norm(), 1)


@pytest.mark.parametrize("name", runnable())
def test_scan_gradients_by_finite_differences(name):
    inputs = scan_inputs(2, 4, 2, 3, 5)
    assert torch.autograd.gradcheck(lambda *x: selective_scan(*x, backend=name), inputs)


def test_scan_is_a_well_formed_operator():
    if backend("cpu") == "sequential":
        pytest.skip("the operator needs numba, which is not installed")
    inputs = scan_inputs(1, 4, 1, 2, 5, dtype=torch.float32)
    torch.library.opcheck(_scan, (*inputs, backend("cpu"), True))
    out, states = _scan(*(tensor.detach() for tensor in inputs), backend("cpu"), True)
    torch.library.opcheck(_scan_backward, (out, *(tensor.detach() for tensor in inputs), states, backend("cpu")))


@pytest.mark.parametrize(
    ("name", "threads"), [(name, count) for name in runnable() for count in ((1, 3) if name == "numba" else (1,))]
)
def test_what_is_not_finite_stays_where_it_is(name, threads, monkeypatch):
    """A gradient of one channel at one token reaches C of that token and B of those up to it, and no other."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    inputs = scan_inputs(2, 40, 1, 3, 70, dtype=torch.float32)
    grad = torch.ones(2, 40, 70)
    grad[0, 20, 30] = torch.nan
    *_, dB, dC, _, _ = torch.autograd.grad(selective_scan(*inputs, backend=name), inputs, grad)
    for found, tokens in ((dB, 31), (dC, 1)):
        assert found[0, 0, :, 31 - tokens : 31].isnan().all() and found.isnan().sum() == 3 * tokens


@pytest.mark.parametrize("name", runnable())
def test_a_scan_of_nothing_is_nothing(name):
    for images, tokens in ((0, 5), (2, 0)):
        inputs = [tensor.detach() for tensor in scan_inputs(images, 4, 1, 3, tokens)]
        assert selective_scan(*inputs, backend=name).shape == (images, 4, tokens)


@pytest.mark.parametrize("name", runnable())
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_keeps_the_state_in_fp32(name, dtype):
    inputs = scan_inputs(1, 6, 1, 4, 3 * CHUNK, dtype=torch.float32)
    half = [t.detach().to(dtype) if i in (0, 1, 3, 4) else t.detach() for i, t in enumerate(inputs)]
    half = [tensor.requires_grad_() for tensor in half]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = outcome(half, name)
    exact = outcome([t.detach().float().requires_grad_() for t in half], "sequential")
    assert found[0].dtype == dtype
    torch.testing.assert_close(found[0], exact[0].to(dtype))
    assert [grad.dtype for grad in found[1:]] == [tensor.dtype for tensor in half]


@pytest.mark.parametrize("name", runnable())
def test_scan_layouts_and_modes(name):
    inputs = [tensor.detach() for tensor in scan_inputs(2, 10, 1, 4, 70, dtype=torch.float32)]
    expected = selective_scan(*inputs, backend=name)
    by_token = [tensor.mT.contiguous().mT if tensor.dim() == 3 else tensor for tensor in inputs]
    with torch.inference_mode():
        torch.testing.assert_close(selective_scan(*by_token, backend=name), expected)
        u, delta, A, B, C, D, bias = inputs
        torch.testing.assert_close(selective_scan(u, delta, A, B[:, 0], C[:, 0], D, bias, backend=name), expected)
        assert selective_scan(u[..., :0], delta[..., :0], A, B[..., :0], C[..., :0], D, bias).shape == (2, 10, 0)
    u = inputs[0].clone()
    u[..., 30] = torch.nan
    broken = selective_scan(u, *inputs[1:], backend=name)
    assert broken[..., :30].isfinite().all() and broken[..., 30:].isnan().all()


def test_wrong_scan_inputs_are_named():
    inputs = scan_inputs(1, 4, 1, 2, 5)
    with pytest.raises(ValueError, match="backend 'fast' is unknown, use one of sequential, numba"):
        selective_scan(*inputs, backend="fast")
    with pytest.raises(ValueError, match=r"C is \(1, 1, 2, 4\), not \(1, 1, 2, 5\)"):
        selective_scan(*inputs[:4], inputs[4][..., :4], *inputs[5:])
    assert backend(torch.device("cpu")) in ("numba", "sequential")


TRITON = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[1:]
import torch
from test_selective_scan import outcome, scan_inputs

inputs = scan_inputs(2, 4, 2, 3, 70, dtype=torch.float32)
for found, wanted in zip(outcome(inputs, "triton"), outcome(inputs, "sequential"), strict=True):
    assert (found - wanted).norm() <= 1e-5 * wanted.norm()
"""


def test_triton_kernels_in_the_interpreter():
    pytest.importorskip("triton", reason="triton is not installed")
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    command = [sys.executable, "-c", TRITON, str(TESTS.parent), str(TESTS)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]


@pytest.mark.parametrize("precision", ["fp32", "fp64"])
def test_triton_kernels_compile_without_a_gpu(precision):
    pytest.importorskip("triton", reason="triton is not installed")
    import triton.language as tl
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    from rssr.models.mambairv2 import scan_triton

    work = {"fp32": tl.float32, "fp64": tl.float64}[precision]
    for kernel, constants in ((scan_triton._forward, {"KEEP": True}), (scan_triton._backward, {})):
        constants = constants | {"T": CHUNK, "N": 16, "WORK": work}
        kinds = {name: f"*{precision}" if name.endswith("_ptr") else "i32" for name in kernel.arg_names}
        source = ASTSource(kernel, kinds | dict.fromkeys(constants, "constexpr"), constexprs=constants)
        assert "cubin" in compile(source, target=GPUTarget("cuda", 90, 32)).asm


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("name", ["triton", "mamba-ssm"])
def test_cuda_backends(name):
    pytest.importorskip(name.replace("-", "_"))
    inputs = [t.detach().cuda().requires_grad_() for t in scan_inputs(2, 24, 1, 16, 300, dtype=torch.float32)]
    for found, wanted in zip(outcome(inputs, name), outcome(inputs, "sequential"), strict=True):
        assert relative(found, wanted) < 1e-4


def test_compiled_code_needs_no_place_on_the_disk(monkeypatch):
    """As in a container whose checkout and home are read-only, where Numba finds none."""
    from rssr.models.mambairv2 import scan_numba

    asked = []

    def njit(**options):
        asked.append(options.get("cache", False))
        monkeypatch.undo()  # Numba asks itself too, while it compiles
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(scan_numba.numba, "njit", njit)
    assert scan_numba._jit(lambda x: x + 1)(1) == 2 and asked == [True]
