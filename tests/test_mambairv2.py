"""MambaIRv2 against outputs of the authors' code, and the backends of its scan against each other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rssr.metrics.complexity import count_macs
from rssr.models.mambairv2 import MambaIRv2, selective_scan
from rssr.models.mambairv2.layers import route_tokens
from rssr.models.mambairv2.selective_scan import CHUNK, _scan, backend
from rssr.models.registry import build

TESTS = Path(__file__).resolve().parent
TINY = {"channels": 12, "groups": (2,), "heads": 2, "window": 8, "states": 4, "inner_rank": 4, "tokens": 8}
SMALL = {"channels": 132, "groups": (4,) * 6, "heads": 4}
LIGHT = {
    "channels": 48,
    "groups": (5,) * 4,
    "heads": 4,
    "states": 8,
    "inner_rank": 32,
    "tokens": 64,
    "mlp_ratio": 1,
    "feed_forward": "gated",
    "tail": "light",
}
NAMES = ("u", "delta", "A", "B", "C", "D", "delta_bias")


def runnable() -> list[str]:
    return ["sequential"] if backend("cpu") == "sequential" else ["sequential", backend("cpu")]


def tiny(**arguments) -> MambaIRv2:
    """Scales at one, so that a layer's choices show in the output."""
    model = MambaIRv2(**TINY | arguments).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=0.3)
    return model


@pytest.fixture(scope="module", params=["mambairv2_c24", "mambairv2light_c24"])
def golden(request, shared):
    return torch.load(shared / f"golden/{request.param}.pt", weights_only=True)


def relative(out, expected):
    return (out - expected).norm() / expected.norm()


def test_golden_files(golden):
    model = MambaIRv2.from_released(golden["arch"], golden["config"], golden["state_dict"], routing="argmax")
    assert sum(p.numel() for p in model.parameters()) == golden["num_parameters"]
    with torch.inference_mode():
        assert relative(model(golden["input"]), golden["output_argmax_routing"]) < 1e-5


def test_sampling_is_the_default_and_another_function(golden):
    model = MambaIRv2.from_released(golden["arch"], golden["config"], golden["state_dict"])
    with torch.inference_mode():
        assert relative(model(golden["input"]), golden["output_argmax_routing"]) > 1e-4


def test_released_names_are_strict(golden):
    config, weights = golden["config"], golden["state_dict"]
    with pytest.raises(ValueError, match="img_range=255.0 has no counterpart"):
        MambaIRv2.from_released(golden["arch"], config | {"img_range": 255.0}, weights)
    with pytest.raises(ValueError, match="ape=True has no counterpart"):
        MambaIRv2.from_released(golden["arch"], config | {"ape": True}, weights)
    with pytest.raises(ValueError, match=r"num_heads=\[4, 2\] has no counterpart"):
        MambaIRv2.from_released(golden["arch"], config | {"num_heads": [4, 2]}, weights)
    with pytest.raises(ValueError, match="upsampler='nearest' has no counterpart"):
        MambaIRv2.from_released(golden["arch"], config | {"upsampler": "nearest"}, weights)
    with pytest.raises(ValueError, match="arch 'MambaIR' is unknown"):
        MambaIRv2.from_released("MambaIR", config, weights)
    with pytest.raises(RuntimeError, match=r"norm\.gain"):
        MambaIRv2.from_released(golden["arch"], config, weights | {"norm.gain": torch.ones(1)})
    with pytest.raises(RuntimeError, match=r"conv_first\.bias"):
        less = {key: value for key, value in weights.items() if key != "conv_first.bias"}
        MambaIRv2.from_released(golden["arch"], config, less)
    with pytest.raises(ValueError, match="relative_position_index_SA is not that of windows of 8x8"):
        index = weights["relative_position_index_SA"]
        MambaIRv2.from_released(golden["arch"], config, weights | {"relative_position_index_SA": index.mT})


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [({}, 23_050_713), (SMALL, 9_769_647), (LIGHT, 789_680)],
    ids=["base", "small", "light"],
)
def test_published_sizes(arguments, parameters):
    with torch.device("meta"):
        model = MambaIRv2(**arguments)
    assert sum(p.numel() for p in model.parameters()) == parameters


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("options", [{}, {"tail": "light", "feed_forward": "gated", "mlp_ratio": 1, "window": 16}])
@pytest.mark.parametrize("size", [(8, 8), (9, 14), (17, 33)])
def test_any_size_and_scale(scale, options, size):
    with torch.inference_mode():
        out = tiny(scale=scale, **options)(torch.rand(2, 3, *size))
    assert out.shape == (2, 3, scale * size[0], scale * size[1])
    assert out.isfinite().all()


def test_other_sides_are_mirrored_with_the_edge_repeated():
    model, x = tiny(routing="argmax"), torch.rand(1, 3, 11, 16)
    with torch.inference_mode():
        mirrored = torch.cat([x, x.flip(2)[:, :, :5]], 2)
        torch.testing.assert_close(model(x), model(mirrored)[:, :, :44])


def test_seeds_decide_what_is_sampled():
    model, x = tiny(), torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        default = model(x)
        torch.manual_seed(5)  # the global generator has no say
        assert torch.equal(model(x), default)
        model.seed(1)
        first = model(x)
        model.seed(2)
        second = model(x)
        model.seed(1)
        assert torch.equal(model(x), first)
    assert not torch.equal(first, second)
    assert not torch.equal(first, default)


@pytest.mark.parametrize("routing", ["sampled", "argmax"])
def test_an_image_is_upscaled_alike_in_any_batch(routing):
    model, x = tiny(routing=routing), torch.rand(3, 3, 16, 9)
    with torch.inference_mode():
        alone = torch.cat([model(image) for image in x.split(1)])
        torch.testing.assert_close(model(x), alone)


def test_argmax_needs_no_seed():
    model, x = tiny(routing="argmax"), torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        out = model(x)
        model.seed(3)
        assert torch.equal(model(x), out)


def test_sampled_routes_follow_the_softmax():
    logits = torch.tensor([0.0, 1.0, 3.0, -2.0]).expand(1, 20_000, 4)
    choice, weights = route_tokens(logits, "sampled", torch.rand(20_000), training=False)
    assert weights is None
    share = choice.flatten().bincount(minlength=4) / 20_000
    torch.testing.assert_close(share, torch.softmax(logits[0, 0], -1), rtol=0, atol=0.015)


def test_training_routes_are_hard_and_have_the_gradient_of_the_softmax():
    logits = torch.randn(2, 5, 4, requires_grad=True)
    for routing in ("sampled", "argmax"):
        choice, weights = route_tokens(logits, routing, torch.empty(0), training=True)
        hard = torch.nn.functional.one_hot(choice, 4).float()
        torch.testing.assert_close(weights, hard)
        (grad,) = torch.autograd.grad((weights * torch.arange(4.0)).sum(), logits)
        assert (grad.abs().sum(-1) > 0).all()
    assert torch.equal(choice, logits.argmax(-1))


@pytest.mark.parametrize("options", [{}, {"routing": "argmax", "feed_forward": "gated", "tail": "light"}], ids=str)
def test_training_step(options):
    model, x = tiny(**options), torch.rand(2, 3, 16, 8)
    with torch.inference_mode():
        before = model(x)
    model.train()
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    model(x).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert all(layer.route[2].weight.grad.abs().sum() > 0 for layer in model.modules() if hasattr(layer, "route"))
    optimiser.step()
    with torch.inference_mode():
        assert not torch.equal(model.eval()(x), before)


def test_fvcore_sees_the_scan_by_name():
    found = count_macs(tiny(), torch.rand(1, 3, 16, 16))
    assert {"conv", "linear", "matmul"} <= set(found["by_operator"])
    assert found["by_operator"].get("selective_scan", 0) > 0 or backend("cpu") == "sequential", found
    assert "rssr::selective_scan" not in found["not_counted"]


def test_registry_and_wrong_choices():
    model = build({"arch": "mambairv2", "args": TINY | {"scale": 2}, "scale": 2})
    with torch.inference_mode():
        assert model(torch.rand(1, 3, 8, 10)).shape == (1, 3, 16, 20)
    for name, value in {"routing": "random", "tail": "nearest", "feed_forward": "mlp", "scale": 8}.items():
        with pytest.raises(ValueError, match=f"{name} .* is unknown, use one of"):
            tiny(**{name: value})
    with pytest.raises(ValueError, match="no multiple of 5 heads"):
        tiny(heads=5)


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
    per_group=st.integers(1, 19),
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
    torch.library.opcheck(_scan, (*scan_inputs(1, 4, 1, 2, 5, dtype=torch.float32), backend("cpu"), True))


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
from test_mambairv2 import outcome, scan_inputs

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
