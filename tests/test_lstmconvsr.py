"""LSTMConvSR against outputs of the authors' code, and the forms of its cell against each other."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from objects import check_exports

from rssr.models.lstmconvsr import LSTMConvSR, mlstm
from rssr.models.lstmconvsr.mlstm import CHUNKS
from rssr.models.lstmconvsr.traversal import TRAVERSALS, order

GOLDEN = ("lstmconvsr_c16_depth2", "lstmconvsr_c32")


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("which", ["paper", "released"])
@pytest.mark.parametrize("form", ["chunkwise", "parallel"])
def test_golden_files(shared, name, which, form):
    golden = torch.load(shared / f"golden/{name}.pt", weights_only=True)
    model = LSTMConvSR.from_released(golden["config"], golden["state_dict"], order=which).double()
    for module in model.modules():
        if hasattr(module, "mlstm_form"):
            module.mlstm_form = form
    assert sum(p.numel() for p in model.parameters()) == golden["num_parameters"]
    with torch.inference_mode():
        out = model(golden["input"].double())
    expected = golden[f"output_{which}"].double()
    assert (out - expected).norm() / expected.norm() < 1e-6


@pytest.mark.parametrize(("channels", "parameters"), [(128, 19_204_675), (64, 5_093_891)])
def test_published_sizes(channels, parameters):
    assert sum(p.numel() for p in LSTMConvSR(channels=channels).parameters()) == parameters


@settings(max_examples=40)
@given(
    tokens=st.integers(1, 150),
    chunk=st.sampled_from([1, 7, 32, 64]),
    heads=st.integers(1, 3),
    spread=st.floats(0.1, 20),
    seed=st.integers(0, 10**6),
)
def test_chunkwise_equals_parallel(tokens, chunk, heads, spread, seed):
    random = torch.Generator().manual_seed(seed)
    q, k, v = torch.randn(3, 2, heads, tokens, 8, generator=random, dtype=torch.float64)
    igate, fgate = (torch.rand(2, 2, heads, tokens, generator=random, dtype=torch.float64) * 2 - 1) * spread
    parallel = mlstm(q, k, v, igate, fgate, "parallel")
    torch.testing.assert_close(mlstm(q, k, v, igate, fgate, "chunkwise", chunk), parallel, rtol=1e-9, atol=1e-9)


def test_cell_is_its_own_recurrence():
    """The recurrent form of the xLSTM paper, equations 19 to 27, token by token, without stabilisation."""
    tokens, width = 20, 4
    q, k, v = torch.randn(3, tokens, width, dtype=torch.float64)
    igate, fgate = torch.randn(2, tokens, dtype=torch.float64)
    memory, norm, expected = torch.zeros(width, width).double(), torch.zeros(width).double(), []
    for t in range(tokens):
        forget, enter = torch.sigmoid(fgate[t]), torch.exp(igate[t])
        key = k[t] / width**0.5
        memory = forget * memory + enter * torch.outer(key, v[t])
        norm = forget * norm + enter * key
        expected.append(q[t] @ memory / max((q[t] @ norm).abs(), 1.0))
    out = mlstm(*(x[None, None] for x in (q, k, v, igate, fgate)))[0, 0]
    torch.testing.assert_close(out, torch.stack(expected), rtol=1e-4, atol=1e-5)  # the stabiliser's eps is 1e-6


def test_cell_sees_the_past_only():
    q, k, v = torch.randn(3, 1, 1, 100, 4)
    gates = torch.randn(2, 1, 1, 100)
    before = mlstm(q, k, v, *gates)
    v[..., 70:, :] += 1
    after = mlstm(q, k, v, *gates)
    assert torch.equal(before[..., :70, :], after[..., :70, :])
    assert not torch.equal(before[..., 70:, :], after[..., 70:, :])


def test_unknown_form_is_refused():
    with pytest.raises(ValueError, match="'quick' is unknown"):
        mlstm(*torch.zeros(3, 1, 1, 4, 4), *torch.zeros(2, 1, 1, 4), form="quick")


def test_hilbert_order():
    assert order("hilbert", 2, 2)[0].tolist() == [0, 2, 3, 1]
    assert order("hilbert", 4, 4)[0].tolist() == [0, 1, 5, 4, 8, 12, 13, 9, 10, 14, 15, 11, 7, 6, 2, 3]
    assert order("hilbert", 8, 8)[0].tolist()[:6] == [0, 8, 9, 1, 2, 3]
    assert order("hilbert", 8, 8)[0].tolist()[-2:] == [15, 7]
    assert order("hilbert", 2, 3)[0].tolist() == [0, 1, 4, 3, 5, 2]


@pytest.mark.parametrize("traversal", TRAVERSALS)
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (50, 50), (8, 32)])
def test_orders_visit_every_position_once(traversal, size):
    there, back = order(traversal, *size)
    assert sorted(there.tolist()) == list(range(size[0] * size[1]))
    assert torch.equal(there[back], torch.arange(len(there)))


def test_hilbert_neighbours_touch_on_squares():
    there, _ = order("hilbert", 16, 16)
    row, col = there // 16, there % 16
    assert ((row.diff().abs() + col.diff().abs()) == 1).all()


def small(**arguments):
    return LSTMConvSR(channels=8, groups=(1,), arrbs=1, mlp_ratio=1, **arguments).eval()


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("tail", ["classical", "light"])
@pytest.mark.parametrize("size", [(8, 8), (9, 13), (10, 25)])
def test_any_size_and_scale(scale, tail, size):
    with torch.inference_mode():
        assert small(scale=scale, tail=tail)(torch.rand(2, 3, *size)).shape == (2, 3, scale * size[0], scale * size[1])


def test_odd_sides_are_the_even_network_on_a_reflected_image():
    model, x = small(), torch.rand(1, 3, 9, 11)
    padded = torch.nn.functional.pad(x, (0, 1, 0, 1), mode="reflect")
    with torch.inference_mode():
        torch.testing.assert_close(model(x), model(padded)[..., :36, :44])


def test_initialisations():
    released = [m for m in small().modules() if hasattr(m, "fgate")]
    vision = [m for m in small(init="vision_lstm").modules() if hasattr(m, "fgate")]
    assert all((layer.fgate.bias == 0).all() and layer.fgate.weight.abs().max() > 0 for layer in released)
    for layer in vision:
        assert torch.equal(layer.fgate.bias, torch.linspace(3, 6, 4))
        assert (layer.fgate.weight == 0).all() and (layer.igate.weight == 0).all()
    with pytest.raises(ValueError, match="order 'first' is unknown"):
        small(order="first")


def test_arguments_without_a_counterpart_are_refused():
    with pytest.raises(ValueError, match="img_range=255.0 has no counterpart"):
        LSTMConvSR.from_released({"embed_dim": 8, "img_range": 255.0}, {})


ABLATIONS = [
    {"reduce": "none"},
    {"reduce": "strided"},
    {"reduce": "average"},
    {"lsa": False},
    {"reduce": "none", "lsa": False},
    *({"traversals": (name,)} for name in TRAVERSALS),
    {"order": "released"},
    {"revisit": "sum"},
    {"revisit": "none"},
    {"arrbs": 3},
    {"vilg": False},
    {"arrg": False},
    {"init": "vision_lstm"},
]


@pytest.mark.parametrize("changes", ABLATIONS, ids=str)
def test_each_ablation_is_another_network_that_learns(changes):
    arguments = {"channels": 8, "groups": (1,), "arrbs": 1, "mlp_ratio": 1, "tail": "light"}
    x = torch.rand(1, 3, 11, 14)
    outputs = []
    for options in (arguments, arguments | changes):
        torch.manual_seed(0)
        model = LSTMConvSR(**options)
        outputs.append(model(x))
    assert outputs[1].shape == (1, 3, 44, 56)
    assert not torch.allclose(*outputs)
    outputs[1].mean().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_wrong_choices_are_named():
    for name, value in {"reduce": "half", "revisit": "mean", "traversals": ["spiral"], "mlstm_form": "fast"}.items():
        with pytest.raises(ValueError, match=f"{name} '.*' is unknown, use one of"):
            small(**{name: value})


def test_features_of_a_block():
    model = LSTMConvSR(channels=8, groups=(1, 2), arrbs=4, mlp_ratio=1, tail="light").eval()
    x = torch.rand(2, 3, 9, 12)
    with torch.inference_mode():
        found = model.features(x, group=1, block=1, arrbs=(0, 3))
        assert list(found) == ["ViLG", "ARRB 0", "ARRB 3", "Revisiting"]
        assert all(map_.shape == (2, 8, 9, 12) for map_ in found.values())
        block = model.body[1].blocks[1]
        even = model.features(x[..., :8, :], group=1, block=1, arrbs=(0, 3))
        torch.testing.assert_close(block.arrg[0](even["ViLG"]), even["ARRB 0"])
        torch.testing.assert_close(block.revisit(torch.cat([even["ARRB 3"], even["ViLG"]], 1)), even["Revisiting"])
    assert not any(module._forward_hooks for module in model.modules())
    with pytest.raises(IndexError):
        model.features(x, arrbs=(4,))


def cell_inputs(tokens, width, spread):
    q, k, v = torch.randn(3, 2, 2, tokens, width, dtype=torch.float64)
    igate, fgate = (torch.rand(2, 2, 2, tokens, dtype=torch.float64) * 2 - 1) * spread
    return [x.requires_grad_() for x in (q, k, v, igate, fgate)]


@pytest.mark.parametrize("form", ["chunkwise", "parallel"])
def test_gradients_by_finite_differences(form):
    inputs = cell_inputs(7, 3, 2)
    assert torch.autograd.gradcheck(lambda *x: mlstm(*x, form=form, chunk=3), inputs)


@pytest.fixture(params=[1, 2, 16])
def chunks_in_a_segment(request, monkeypatch):
    monkeypatch.setitem(CHUNKS, "cpu", request.param)
    return request.param


@pytest.mark.parametrize("spread", [1, 20])
def test_outputs_and_gradients_of_both_forms_agree_over_several_segments(chunks_in_a_segment, spread):
    inputs = cell_inputs(70, 4, spread)  # of 8 tokens, 9 chunks: up to 9 segments, the last one not full
    found = []
    for form in ("parallel", "chunkwise"):
        out = mlstm(*inputs, form=form, chunk=8)
        found.append([out, *torch.autograd.grad(out.sin().sum(), inputs)])
    for parallel, chunkwise in zip(*found, strict=True):
        torch.testing.assert_close(chunkwise, parallel, rtol=1e-7, atol=1e-9)
    with torch.no_grad():
        torch.testing.assert_close(mlstm(*inputs, chunk=8), found[1][0])


@pytest.mark.parametrize("forget", [0, -10, -100])
def test_single_precision_stays_exact_under_strong_forgetting(forget):
    inputs = [x.detach() for x in cell_inputs(1500, 8, 5)]
    inputs[4] += forget
    exact = mlstm(*inputs)
    single = mlstm(*(x.float() for x in inputs))
    assert (single - exact).norm() / exact.norm() < 3e-6


@pytest.mark.parametrize("form", ["chunkwise", "parallel"])
def test_gradients_stay_finite_where_nothing_is_let_in(form):
    inputs = [x.detach().float() for x in cell_inputs(5, 4, 1)]
    inputs[3][..., 0] = -95
    inputs = [x.requires_grad_() for x in inputs]
    for grad in torch.autograd.grad(mlstm(*inputs, form=form).sum(), inputs):
        assert torch.isfinite(grad).all()


def test_backward_inside_autocast_is_the_same():
    inputs = [x.detach().float().requires_grad_() for x in cell_inputs(40, 8, 2)]
    loss = mlstm(*inputs).sin().sum()
    outside = torch.autograd.grad(loss, inputs, retain_graph=True)
    with torch.autocast("cpu", torch.bfloat16):
        inside = torch.autograd.grad(loss, inputs)
    assert all(map(torch.equal, outside, inside))


def test_nothing_in_nothing_out_and_wrong_chunks_are_refused():
    inputs = [x[:, :, :0] for x in cell_inputs(3, 4, 1)]
    assert mlstm(*inputs).shape == (2, 2, 0, 4)
    with pytest.raises(ValueError, match="at least one token"):
        mlstm(*cell_inputs(3, 4, 1), chunk=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_keeps_gates_and_state_in_fp32(dtype):
    q, k, v, igate, fgate = (x.detach().float() for x in cell_inputs(300, 8, 8))
    half = [x.to(dtype) for x in (q, k, v)]
    with torch.autocast("cpu", dtype=dtype if dtype is torch.bfloat16 else torch.bfloat16):
        out = mlstm(*half, igate, fgate)
    assert out.dtype == dtype
    exact = mlstm(*(x.float() for x in half), igate, fgate)
    torch.testing.assert_close(out, exact.to(dtype), rtol=0, atol=0)


def test_export_compile_and_channels_last():
    check_exports(small(tail="light"))


def test_training_after_inference():
    model, x = small(tail="light"), torch.rand(1, 3, 8, 8)
    with torch.inference_mode():
        model(x)
    model(x).mean().backward()
    assert model.conv_first.weight.grad.abs().sum() > 0
