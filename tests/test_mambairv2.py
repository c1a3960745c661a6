"""MambaIRv2 against outputs of the authors' code, and what it does beyond it."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from rssr.metrics.complexity import count_macs
from rssr.models.mambairv2 import MambaIRv2
from rssr.models.mambairv2.layers import WindowAttention, route_tokens
from rssr.models.mambairv2.selective_scan import backend
from rssr.models.registry import build

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


def test_logits_stay_in_bf16_and_train_the_bias_as_fp32_does():
    """Their bias is rounded to bf16 too, or the sum over all windows that is its gradient would read fp32."""
    torch.manual_seed(0)
    attention, x, grads = WindowAttention(12, 2, 8, 4), torch.randn(2, 16, 16, 12), []
    for enabled in (False, True):
        attention.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled), _Added() as added:
            out = attention(x).float()
        assert added.dtypes == {torch.bfloat16 if enabled else torch.float32}
        out.square().sum().backward()
        grads.append(attention.bias_table.grad.clone())
    assert (grads[0] - grads[1]).norm() < 0.03 * grads[0].norm()


class _Added(TorchDispatchMode):
    """The types of sums of the size of the logits."""

    def __init__(self) -> None:
        super().__init__()
        self.dtypes = set()

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        out = function(*arguments, **keywords or {})
        if function is torch.ops.aten.add.Tensor and out.dim() == 6:
            self.dtypes.add(out.dtype)
        return out
