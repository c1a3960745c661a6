"""HSENet, TransENet and TTST against outputs of the authors' code, and what they do beyond it."""

import re
import zlib

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from objects import check_exports

from rssr.base.errors import UserError
from rssr.metrics.complexity import count_macs, count_parameters
from rssr.metrics.latency import cpu_peak_mib
from rssr.models.hsenet import HSENet
from rssr.models.layers import upsampling
from rssr.models.registry import build
from rssr.models.transenet import TransENet
from rssr.models.ttst import TTST
from rssr.models.ttst.layers import relative_positions

NETWORKS = {"hsenet": HSENet, "transenet": TransENet, "ttst": TTST}
SMALL = {
    "hsenet": {"channels": 8, "blocks": 1},
    "transenet": {"channels": 8, "encoder_depth": 1, "dim": 16, "heads": 2, "head_dim": 8, "mlp_dim": 24},
    "ttst": {"channels": 12, "depths": (2, 1), "heads": (2, 3), "channel_scale": 0.3},
}
MULTIPLE_OF = {"hsenet": 1, "transenet": 8, "ttst": 8}
SCALE = {"hsenet": "scale", "transenet": "scale", "ttst": "upscale"}  # in the authors' arguments
LAST_UPSAMPLING = {"hsenet": "tail.0.2.", "transenet": "upsampler.2.", "ttst": "upsample.2."}
FIRST_UPSAMPLING = {"hsenet": "tail.0.0.", "transenet": "upsampler.0.", "ttst": "upsample.0."}

# From the small network of a golden file to the full one: sizes of the arrays, and how often an index occurs.
FULL_SIZES = {
    "hsenet": {16: 32, 32: 64, 128: 256},
    "transenet": {4: 16, 16: 64, 48: 192, 64: 512, 96: 512, 144: 576, 256: 1024},
    "ttst": {2: 6, 40: 180, 80: 360, 120: 540},
}
FULL_COUNTS = {
    "hsenet": {r"^body_modulist\.(\d+)\.": 10},
    "transenet": {r"^encoder_\w+\.layers\.(\d+)\.": 8, r"^decoder\d\.layers\.(\d+)\.": 1},
    "ttst": {r"^layers\.(\d+)\.": 6, r"\.blocks\.(\d+)\.": 6},
}


@pytest.fixture(params=NETWORKS)
def name(request):
    return request.param


@pytest.fixture
def golden(shared, name):
    return torch.load(shared / f"golden/{name}.pt", weights_only=True)


def config(golden, **changes):
    return golden["config"] | golden.get("patched_constants", {}) | changes


def small(name, **arguments):
    return NETWORKS[name](**SMALL[name] | arguments).eval()


def relative_error(model, x, expected):
    with torch.inference_mode():
        return ((model(x) - expected).norm() / expected.norm()).item()


def random_weight(key, shape, gain):
    """The golden files' weight rule."""
    z = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(tuple(shape)).astype(np.float32)  # noqa: NPY002
    if re.search(r"norm\d?\.weight$|temperature$|attn\d$", key):
        z = 1 + 0.1 * z
    elif z.ndim >= 2:
        z = gain * z / np.prod(z.shape[1:]) ** 0.5
    else:
        z = 0.1 * z
    return torch.from_numpy(z.astype(np.float32))


def full_state_dict(name, small_state_dict, gain):
    """The full network's weights: the small one's keys for every index, at the full sizes."""
    shapes = {}
    for key, value in small_state_dict.items():
        sizes = {16: 64, 64: 256} if key.startswith("upsampler") else FULL_SIZES[name]
        shapes[key] = [size if size == 3 else sizes.get(size, size) for size in value.shape]
    for pattern, count in FULL_COUNTS[name].items():
        found = {key: re.search(pattern, key) for key in shapes}
        shapes = {
            key[: match.start(1)] + str(index) + key[match.end(1) :] if match else key: shapes[key]
            for key, match in found.items()
            if not match or match[1] == "0"
            for index in range(count if match else 1)
        }
    kept = {key for key in small_state_dict if "_mean." in key or key.startswith("relative_position_index")}
    return {
        key: small_state_dict[key] if key in kept else random_weight(key, shape, gain) for key, shape in shapes.items()
    }


def test_golden_files(name, golden):
    model = NETWORKS[name].from_released(config(golden), golden["state_dict"])
    assert not model.training
    assert count_parameters(model) == golden["num_parameters"]
    assert relative_error(model, golden["input"], golden["output"]) < 1e-5
    assert relative_error(model, golden["input2"], golden["output2"]) < 1e-5
    assert relative_error(model.double(), golden["input"].double(), golden["output"].double()) < 1e-5


@pytest.mark.parametrize("scale", [2, 3])
def test_golden_files_of_other_scales(name, golden, scale):
    state = {key: value for key, value in golden["state_dict"].items() if not key.startswith(LAST_UPSAMPLING[name])}
    for key in [f"{FIRST_UPSAMPLING[name]}{kind}" for kind in ("weight", "bias")]:
        shape = state[key].shape
        gain = 2**0.5 if name == "hsenet" else 1
        state[key] = random_weight(key, (shape[0] // 4 * scale**2, *shape[1:]), gain)
    factor = scale if name == "ttst" else [scale]
    model = NETWORKS[name].from_released(config(golden, **{SCALE[name]: factor}), state)
    assert relative_error(model, golden["input"], golden[f"output_x{scale}"]) < 1e-5


def test_golden_files_of_the_published_sizes(name, golden):
    full = golden["full"]
    state = full_state_dict(name, golden["state_dict"], full.get("gain", 1))
    released = {} if name == "ttst" else full["config"] | full.get("constants", {})
    model = NETWORKS[name].from_released(released, state)
    assert count_parameters(model) == golden["num_parameters_full"]
    assert relative_error(model, full["input"], full["output"]) < 1e-5


@pytest.mark.parametrize("name", ["hsenet", "transenet"], indirect=True)
def test_mean_shifts_are_weights(name, golden):
    model = NETWORKS[name].from_released(config(golden), golden["state_dict"] | golden["shift_random_state"])
    assert relative_error(model, golden["input"], golden["output_shift_random"]) < 1e-5


@pytest.mark.parametrize("name", ["transenet"], indirect=True)
def test_parallel_stages(name, golden):
    model = TransENet.from_released(config(golden), golden["state_dict"], stages="parallel")
    assert relative_error(model, golden["input"], golden["output_parallel_stages"]) < 1e-5
    assert relative_error(model, golden["input2"], golden["output2_parallel_stages"]) < 1e-5


@pytest.mark.parametrize("name", ["ttst"], indirect=True)
def test_relative_positions(name, golden):
    state = golden["state_dict"]
    assert torch.equal(relative_positions(8), state["relative_position_index_SA"] % 225)
    assert torch.equal(relative_positions(8, 12), state["relative_position_index_OCA"] % 361)


@pytest.mark.parametrize(
    ("name", "scale", "parameters"),
    [
        ("hsenet", 2, 5_285_659),
        ("hsenet", 3, 5_470_299),
        ("hsenet", 4, 5_433_371),
        ("transenet", 2, 37_311_195),
        ("transenet", 3, 37_495_835),
        ("transenet", 4, 37_458_907),
        ("ttst", 2, 18_218_843),
        ("ttst", 3, 18_403_483),
        ("ttst", 4, 18_366_555),
    ],
)
def test_published_sizes(name, scale, parameters):
    with torch.device("meta"):
        model = NETWORKS[name](scale=scale)
    assert count_parameters(model) == parameters


def test_names_and_keys_without_a_counterpart_are_refused(name):
    network = NETWORKS[name]
    with pytest.raises(ValueError, match="n_feat=8 has no counterpart"):
        network.from_released({"n_feat": 8}, {})
    with pytest.raises(ValueError, match=r"(n_colors|in_chans)=1 has no counterpart"):
        network.from_released({"in_chans" if name == "ttst" else "n_colors": 1}, {})


def test_weights_that_do_not_fit_are_refused(name, golden):
    state = golden["state_dict"]
    with pytest.raises(RuntimeError, match=r"extra\.weight"):
        NETWORKS[name].from_released(config(golden), state | {"extra.weight": torch.zeros(1)})
    last = [key for key in state if key.endswith("weight")][-1]
    with pytest.raises(RuntimeError, match="Missing key"):
        NETWORKS[name].from_released(config(golden), {key: state[key] for key in state if key != last})
    with pytest.raises(RuntimeError, match="size mismatch"):
        NETWORKS[name].from_released(config(golden), state | {last: torch.zeros(1)})


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="stages 'both' is unknown, use one of series, parallel"):
        small("transenet", stages="both")
    with pytest.raises(ValueError, match="do not fit 12 channels"):
        small("ttst", heads=(2, 5))
    with pytest.raises(ValueError, match="do not fit 12 channels in 2 groups"):
        small("ttst", heads=(2,))
    with pytest.raises(ValueError, match="do not fit 12 channels"):  # a head of one channel keeps no score
        small("ttst", heads=(2, 12))
    with pytest.raises(ValueError, match="overlap 0.4 of window 8 is not the same on both sides"):
        small("ttst", overlap=0.4)
    for scale in (0, 1, 5, 6):
        with pytest.raises(ValueError, match=f"scale {scale} is neither 3 nor a power of two"):
            upsampling(8, scale)
    with pytest.raises(UserError, match="do not fit 12 channels"):
        build({"arch": "ttst", "args": SMALL["ttst"] | {"heads": (5, 5)}})


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("size", [(8, 8), (9, 21), (15, 10)])
def test_any_size_and_scale(name, scale, size):
    model = build({"arch": name, "args": SMALL[name] | {"scale": scale}, "scale": scale})
    x = torch.rand(2, 3, *size)
    with torch.inference_mode():
        out = model(x)
        assert out.shape == (2, 3, scale * size[0], scale * size[1])
        torch.testing.assert_close(out[1:], model(x[1:]))


def test_other_sides_are_the_network_on_a_reflected_image(name):
    model, x = small(name), torch.rand(1, 3, 9, 20)
    missing = (-20 % MULTIPLE_OF[name], -9 % MULTIPLE_OF[name])
    padded = F.pad(x, (0, missing[0], 0, missing[1]), mode="reflect")
    with torch.inference_mode():
        torch.testing.assert_close(model(x), model(padded)[..., :36, :80])


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_memory_of_hsenet_is_far_below_its_attention_matrix(memory_format):
    model = small("hsenet", scale=2, channels=16).to(memory_format=memory_format)
    x = torch.rand(1, 3, 128, 128).contiguous(memory_format=memory_format)
    with torch.inference_mode():
        model(x[..., :16, :16])
        peak = cpu_peak_mib(lambda: model(x))
    if peak is None:
        pytest.skip("this system does not tell the peak memory")
    matrix = 128**4 * 4 / 2**20  # 1024 MiB
    assert peak < matrix / 4


def test_stochastic_depth_acts_in_training_only():
    model, x = small("ttst", drop_path=0.9), torch.rand(2, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(model(x), model(x))
        model.train()
        assert not torch.allclose(model(x), model(x))
    rates = [module.p for module in model.modules() if type(module).__name__ == "StochasticDepth"]
    assert rates == pytest.approx([0, 0.45, 0.9])


@pytest.mark.parametrize("precision", [torch.float32, torch.float64, torch.bfloat16])
def test_a_training_step(name, precision):
    model = small(name, **({"drop_path": 0.0} if name == "ttst" else {})).train()
    dtype = torch.float64 if precision is torch.float64 else torch.float32
    x, target = torch.rand(2, 3, 9, 12, dtype=dtype), torch.rand(2, 3, 36, 48, dtype=dtype)
    model.to(dtype)
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)

    def loss():
        with torch.autocast("cpu", torch.bfloat16, enabled=precision is torch.bfloat16):
            return F.l1_loss(model(x).to(dtype), target)

    first = loss()
    assert first.dtype == dtype
    first.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    optimiser.step()
    for _ in range(4):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()
    assert loss() < first


def test_macs_are_counted(name):
    costs = count_macs(small(name), torch.rand(1, 3, 9, 13))
    assert costs["by_operator"]["conv"] > 0


def test_export_compile_and_channels_last(name):
    check_exports(small(name))
