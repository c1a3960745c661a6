"""Tensors of a file into a network: names that wrappers changed, tensors under several names, integers."""

import pytest
import torch
from objects import conv, prefixed, same, zeros
from safetensors.torch import save_model

from rssr.base.errors import UserError
from rssr.base.tensors import read_weights
from rssr.models.registry import build
from rssr.models.weights import load_into, write_weights


@pytest.mark.parametrize("infix", ["_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."])
def test_what_pytorch_adds_to_names_is_taken_off_once(tmp_path, infix):
    state = conv().state_dict()
    wrapped = {name.replace("0.", f"0.{infix}"): value for name, value in state.items()}
    network = conv()
    assert load_into(network, wrapped, tmp_path / "w.pth") == [] and same(network, state)
    for both in (zeros(state) | wrapped, wrapped | zeros(state)):
        with pytest.raises(UserError, match=rf"'0.{infix}weight' is unknown to the network"):
            load_into(conv(), both, tmp_path / "w.pth")


class Tied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.nn.Linear(2, 2)
        self.b = torch.nn.Linear(2, 2)
        self.b.weight = self.a.weight


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_tensor_under_two_names_is_given_under_one_or_both(tmp_path, dtype):
    tied = Tied().to(dtype)
    save_model(tied, str(tmp_path / "w.safetensors"))
    found = read_weights(tmp_path / "w.safetensors")
    assert len(found) == 3
    for given in (found, tied.state_dict()):
        network = Tied()
        assert load_into(network, given, tmp_path / "w") == [] and network.b.weight is network.a.weight
        assert torch.equal(network.b.weight, tied.a.weight.float())


def test_two_values_of_one_tensor_are_a_misfit(tmp_path):
    state = Tied().state_dict()
    state["b.weight"] = state["a.weight"] + 1
    with pytest.raises(UserError, match="'b.weight' differs from 'a.weight', which is the same tensor in the network"):
        load_into(Tied(), state, tmp_path / "w.pth")
    assert len(load_into(Tied(), state, tmp_path / "w.pth", strict=False)) == 1


class Indexed(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 1, 1)
        self.norm = torch.nn.BatchNorm2d(1)
        self.register_buffer("index", torch.arange(961))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.int8, torch.int32])
def test_integers_stay_exact_in_a_file_of_another_type(tmp_path, dtype):
    network, state = Indexed(), Indexed().state_dict()
    state["norm.num_batches_tracked"] = torch.tensor(1e6).to(torch.bfloat16)
    state["index"] = state["index"].to(dtype)
    assert load_into(network, state, tmp_path / "w.pth") == [] and torch.equal(network.index, torch.arange(961))
    state["index"] = torch.arange(961).flip(0).to(dtype)
    found = str(dtype).removeprefix("torch.") if "int" in str(dtype) else "floating-point"
    with pytest.raises(UserError, match=f"'index' is {found}, where int64 is expected"):
        load_into(network, state, tmp_path / "w.pth")
    assert len(load_into(network, state, tmp_path / "w.pth", strict=False)) == 1
    assert torch.equal(network.index, torch.arange(961))


def test_counters_that_a_network_does_not_know_are_left_out(tmp_path):
    """Such as those of ema_pytorch; a number that may be a weight is not."""
    state, network = conv().state_dict(), conv()
    counted = prefixed("ema_model.", state) | {"initted": torch.tensor(True), "step": torch.tensor(3)}
    assert load_into(network, counted, tmp_path / "w.pth") == [] and same(network, state)
    older = counted | {"initted": torch.tensor([True]), "step": torch.tensor([3])}
    assert load_into(network, older, tmp_path / "w.pth") == [] and same(network, state)
    with pytest.raises(UserError, match="'gain' is unknown to the network"):
        load_into(network, state | {"gain": torch.tensor(1.0)}, tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("change", "found"), [(lambda v: (v * 127).to(torch.int8), "int8"), (lambda v: v + 1j, "complex64")]
)
@pytest.mark.filterwarnings("ignore:.*discards the imaginary part")
def test_a_recognised_network_takes_no_other_kind_of_numbers_either(tmp_path, change, found):
    arch = {"arch": "basicsr:SRVGGNetCompact", "args": {"num_feat": 16, "num_conv": 2, "upscale": 4}}
    state = build(arch).network.state_dict()
    torch.save({name: change(value) for name, value in state.items()}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=f"w.pth does not fit .*: '.*' is {found}, where floating-point is expected"):
        build({"checkpoint": {"path": str(tmp_path / "w.pth")}})


@pytest.mark.parametrize(("window", "dtype"), [(16, torch.bfloat16), (16, torch.float16), (4, torch.bfloat16)])
def test_a_recognised_network_takes_no_rounded_indices(tmp_path, window, dtype):
    """A table of 31 x 31 positions has more than the 256 whole numbers that bf16 tells apart."""
    sizes = {"img_size": window, "window_size": window, "embed_dim": 4, "depths": [1], "num_heads": [1], "upscale": 4}
    network = build({"arch": "basicsr:SwinIR", "args": sizes | {"upsampler": "pixelshuffledirect"}}).network
    path = tmp_path / "w.pth"
    torch.save({name: value.to(dtype) for name, value in network.state_dict().items()}, path)
    if (window, dtype) == (16, torch.bfloat16):
        with pytest.raises(UserError, match="relative_position_index' has integers that bfloat16 rounds"):
            build({"checkpoint": {"path": str(path)}})
    else:
        found = build({"checkpoint": {"path": str(path)}}).network.module.state_dict()
        assert all(torch.equal(found[n], v) for n, v in network.state_dict().items() if not v.is_floating_point())


class Named(torch.nn.Module):
    """Layers of one form with the names that are given."""

    def __init__(self, names):
        super().__init__()
        for name in names:
            self.add_module(name, torch.nn.Conv2d(3, 3, 1))


FORMS = {  # of a file -> its content
    "plain": dict,
    "params": lambda s: {"params": s},
    "wrapped": lambda s: prefixed("module.", s),
    "averaged": lambda s: prefixed("model.", zeros(s)) | prefixed("model_ema.", s),
    "below ema": lambda s: prefixed("model.", zeros(s)) | prefixed("ema.", s),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "names", [("head", "ema", "tail"), ("swa", "head"), ("head", "smoothed"), ("head", "body", "body_ema", "tail")]
)
def test_layers_that_are_called_averaged_are_none(tmp_path, names, form):
    path, state = tmp_path / "w.pth", Named(names).state_dict()
    torch.save(FORMS[form](state), path)
    for more in ({}, {"key": "params"} if form == "params" else {}):
        for strict in (True, False):
            entry = {"arch": "test_loading:Named", "args": {"names": names}, "strict": strict}
            assert same(build(entry | {"weights": {"path": str(path)} | more}).network, state)


def test_a_file_that_this_suite_wrote_is_taken_as_it_is(tmp_path):
    """Also where nothing tells the names of the network, as with a checkpoint."""
    state = Named(("head", "ema", "tail")).state_dict()
    write_weights(tmp_path / "w.safetensors", state, 4)
    tensors = read_weights(tmp_path / "w.safetensors", 4)
    assert tensors.keys() == state.keys() and all(torch.equal(tensors[name], state[name]) for name in state)


class Gain(torch.nn.Module):
    def __init__(self, value=1.0):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(value))


@pytest.mark.parametrize("wrapper", [None, "params"])
def test_a_network_may_be_a_single_number(tmp_path, wrapper):
    path, state = tmp_path / "w", Gain(0.25).state_dict()
    torch.save({wrapper: state}, path) if wrapper else write_weights(path, state, 4)
    entry = {"arch": "test_loading:Gain", "weights": {"path": str(path)}}
    assert build(entry).network.gain == 0.25


class Renaming(torch.nn.Module):
    """Knows the older name of its layer, as many classes do, and would take any file."""

    def __init__(self):
        super().__init__()
        self.head = torch.nn.Conv2d(3, 48, 3)
        self.register_load_state_dict_pre_hook(self._translate)

    @staticmethod
    def _translate(_, state, prefix, *__):
        for name in [name for name in state if name.startswith(f"{prefix}conv_first.")]:
            state[name.replace("conv_first.", "head.")] = state.pop(name)

    def load_state_dict(self, state, strict=True, assign=False):
        return super().load_state_dict(state, strict=False)


def test_names_that_a_network_translates_itself_fit(tmp_path):
    state = Renaming().state_dict()
    older = {name.replace("head", "conv_first"): value for name, value in state.items()}
    network = Renaming()
    assert load_into(network, older, tmp_path / "w.pth") == [] and same(network, state)
    weight = older.pop("conv_first.weight")
    with pytest.raises(UserError, match="'head.weight' is missing"):
        load_into(Renaming(), older, tmp_path / "w.pth")
    with pytest.raises(UserError, match="'conv_first.weight' is unknown"):
        load_into(Renaming(), older | {"conv_first.weight": weight.to(torch.int8)}, tmp_path / "w.pth")


def test_weight_norms_of_the_older_form_fit(tmp_path):
    older = torch.nn.utils.weight_norm(torch.nn.Conv2d(3, 3, 3))
    network = torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv2d(3, 3, 3))
    assert load_into(network, older.state_dict(), tmp_path / "w.pth") == []
    x = torch.rand(1, 3, 4, 4)
    torch.testing.assert_close(network(x), older(x))


def test_a_network_among_others_is_chosen_by_a_key(tmp_path):
    state, layer = conv().state_dict(), torch.nn.Conv2d(3, 3, 1).state_dict()
    others = {"generator": prefixed("discriminator.", layer), "generator or twin": prefixed("twin.", state)}
    for known, other in others.items():
        torch.save({"state_dict": prefixed("generator.", state) | other}, tmp_path / "w.pth")
        entry = {"arch": "objects:conv", "weights": {"path": str(tmp_path / "w.pth")}}
        with pytest.raises(UserError, match=f"is unknown .*: choose one of its networks with `key`: {known}$"):
            build(entry)
        entry["weights"]["key"] = "generator"
        assert same(build(entry).network, state)
    wrong = prefixed("module.", state | {"0.bias": torch.zeros(5)})
    with pytest.raises(UserError, match=r"'0.bias' is \(5,\), not \(48,\): name another file, or correct the `args`"):
        load_into(conv(), wrong, tmp_path / "w.pth")
    with pytest.raises(UserError, match="'lpips.weight' is unknown .*: name another file, or correct the `args`"):
        load_into(conv(), state | prefixed("lpips.", layer), tmp_path / "w.pth")
