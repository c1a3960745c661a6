"""What training codes save: the averaged weights are taken, `key` takes others, and the record says which."""

import argparse

import numpy as np
import pytest
import torch
from objects import conv, prefixed, same, zeros

from rssr.base.errors import UserError
from rssr.base.tensors import choose_weights, read_weights
from rssr.models.registry import build
from rssr.models.weights import load_into


def same_tensors(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def optimiser(state):
    moments = {number: {"exp_avg": value, "step": torch.tensor(1.0)} for number, value in enumerate(state.values(), 1)}
    return {"state": moments, "param_groups": [{"lr": 1e-3}]}


WILD = {  # what a training code leaves -> where the right weights are in it
    "state_dict_ema": lambda s: {"state_dict": zeros(s), "state_dict_ema": s},
    "ema": lambda s: {"model": zeros(s), "ema": s, "optimizer": optimiser(s), "epoch": 3},
    "model_ema": lambda s: {"model": zeros(s), "model_ema": prefixed("module.", s) | {"n_averaged": torch.tensor(3)}},
    "ema.generator": lambda s: {"G": zeros(s), "ema": {"generator": s, "discriminator": zeros(s)}},
    "ema.shadow": lambda s: {"params": zeros(s), "ema": {"decay": 0.999, "shadow": s}},
    "shadow": lambda s: {"model": zeros(s), "shadow": s},
    "ema.shadow_params": lambda s: {"net": zeros(s), "ema": {"decay": 0.9, "shadow_params": list(s.values())}},
    "params-ema": lambda s: {"params": zeros(s), "params-ema": s},
    "swa_state_dict": lambda s: {"swa_state_dict": s, "state_dict": zeros(s)},
    "state_dict.generator_ema": lambda s: {
        "state_dict": prefixed("generator.", zeros(s)) | prefixed("generator_ema.", s) | prefixed("loss.vgg.", zeros(s))
    },
    "ema_model": lambda s: prefixed("online_model.", zeros(s)) | prefixed("ema_model.", s) | {"step": torch.tensor(3)},
    "state_dict.model_ema": lambda s: {
        "state_dict": prefixed("model.", zeros(s))
        | prefixed("model_ema.", s, dots=False)
        | {"model_ema.decay": torch.ones(1)}
    },
    "state_dict.ema": lambda s: {"state_dict": prefixed("model.", zeros(s)) | prefixed("ema.module.", s)},
    "module.net_g_ema": lambda s: prefixed("module.net_g.", zeros(s)) | prefixed("module.net_g_ema.", s),
    "generator": lambda s: {"discriminator": zeros(s), "generator": s},
    "netG": lambda s: {"netG": s, "best": torch.tensor(30.0), "loss_net": {"vgg": torch.zeros(1)}},
    "whatever": lambda s: {"whatever": s, "optimizer": optimiser(s), "lr_scheduler": {"last_epoch": 3}},
    "params": lambda s: {"params": s, "best_psnr": np.float64(30), "curve": np.arange(3.0), "iter": np.int64(9)},
    "model": lambda s: {"model": s, "args": argparse.Namespace(out="a", lr=1e-3)},
    "": lambda s: s | {"total_ops": torch.zeros(1), "0.total_params": torch.zeros(1)},
    "net": lambda s: {"net": prefixed("_orig_mod.module.", s)},
}


@pytest.mark.parametrize("taken", WILD)
def test_averaged_weights_come_first_and_the_record_says_which(tmp_path, taken):
    state = conv().state_dict()
    torch.save(WILD[taken](state), tmp_path / "w.pth")
    tensors, found = choose_weights(tmp_path / "w.pth", 4)
    network = conv()
    assert found == taken and load_into(network, tensors, tmp_path / "w.pth") == [] and same(network, state)


@pytest.mark.parametrize(
    ("key", "wild"),
    [
        *(("state_dict", "state_dict_ema"), ("model", "ema"), ("generator", "state_dict.generator_ema")),
        *(
            ("net", "ema.shadow_params"),
            ("online_model.", "ema_model"),
            ("G", "ema.generator"),
            ("ema.discriminator", "ema.generator"),
        ),
    ],
)
def test_a_key_chooses_other_weights(tmp_path, key, wild):
    torch.save(WILD[wild](conv().state_dict()), tmp_path / "w.pth")
    entry = {"arch": "objects:conv", "weights": {"path": str(tmp_path / "w.pth"), "key": key}}
    assert not any(value.any() for value in build(entry).state_dict().values())
    with pytest.raises(UserError, match="holds no weights under the key 'modle'"):
        build(entry | {"weights": {"path": str(tmp_path / "w.pth"), "key": "modle"}})


def normed():
    return torch.nn.Sequential(conv(), torch.nn.BatchNorm2d(3), torch.nn.Conv2d(3, 3, 1))


def test_a_list_of_averaged_weights_is_of_parameters_alone(tmp_path):
    """Buffers beside them are those of the network, in the scale that is asked for."""
    raw, average = (normed() for _ in range(2))
    raw[1].running_mean += 5
    saved = {"net": raw.state_dict(), "ema": {"decay": torch.tensor(0.9), "shadow_params": list(average.parameters())}}
    torch.save({"x2": {"net": zeros(raw.state_dict())}, "x4": saved}, tmp_path / "w.pth")
    tensors, found = choose_weights(tmp_path / "w.pth", 4)
    assert found == "x4.ema.shadow_params" and tensors.keys() == raw.state_dict().keys()
    assert all(torch.equal(tensors[name], value) for name, value in average.named_parameters())
    assert torch.equal(tensors["1.running_mean"], raw[1].running_mean)
    for key in ("ema", "x4.ema.shadow_params"):
        assert same_tensors(choose_weights(tmp_path / "w.pth", 4, key)[0], tensors)
    assert same_tensors(choose_weights(tmp_path / "w.pth", 4, "net")[0], raw.state_dict())


@pytest.mark.parametrize("place", ["net", ""])
def test_averaged_weights_that_cannot_be_named_are_not_overlooked(tmp_path, place):
    state = conv().state_dict()
    raw, average = {place: state} if place else dict(state), {"ema": {"shadow_params": list(state.values())[:1]}}
    torch.save(raw | average, tmp_path / "w.pth")
    remedy = "choose the raw ones with `key: net`" if place else "save the raw ones alone"
    message = rf"averaged weights without names \(ema.shadow_params\), .* in order: {remedy}"
    with pytest.raises(UserError, match=message):
        choose_weights(tmp_path / "w.pth", 4)
    if place:
        assert choose_weights(tmp_path / "w.pth", 4, place)[1] == place


def test_of_two_lists_of_averaged_weights_one_is_to_be_named(tmp_path):
    state = conv().state_dict()
    lists = {f"ema_{i}": {"shadow_params": [value + i for value in state.values()]} for i in (90, 99)}
    torch.save({"net": state} | lists, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"several networks: ema_90.shadow_params, ema_99.shadow_params"):
        choose_weights(tmp_path / "w.pth", 4)
    tensors, _ = choose_weights(tmp_path / "w.pth", 4, "ema_99")
    assert all(torch.equal(tensors[name], value + 99) for name, value in state.items())


def test_networks_that_nothing_tells_apart_are_named(tmp_path):
    torch.save({"one": conv().state_dict(), "two": conv().state_dict()}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="holds several networks: one, two: name one of them with `key`"):
        read_weights(tmp_path / "w.pth", 4)


def test_a_key_that_several_networks_have_names_none(tmp_path):
    state = conv().state_dict()
    torch.save({"a": {"state_dict": state}, "b": {"state_dict": zeros(state)}}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="holds several networks: a.state_dict, b.state_dict: name one of them with"):
        read_weights(tmp_path / "w.pth", 4, "state_dict")
    assert same_tensors(read_weights(tmp_path / "w.pth", 4, "a"), state)


def test_a_file_of_other_scales_says_what_it_has(tmp_path):
    torch.save({"x2": {"a": torch.zeros(1)}, "x3": {"a": torch.zeros(1)}}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="holds no state dict: names with tensors were expected, but 'x2', 'x3'"):
        read_weights(tmp_path / "w.pth", 4)


SPELLINGS = ("modelEMA", "emaModel", "EMAModel", "netGEma", "model_avg", "avg_model", "averages", "model_averaging")
SPELLINGS += ("polyak", "smoothed_params", "mean_teacher", "slow_weights", "lookahead", "lawa", "averager", "avgmodel")
SPELLINGS += ("ewma", "model_ewma", "g_running", "Gs", "mavg", "model_ma", "modelema", "model_averager")


@pytest.mark.parametrize("key", SPELLINGS)
@pytest.mark.parametrize(
    "saved", [dict, lambda s: list(s.values()), lambda s: list(s.items())], ids=["dict", "list", "pairs"]
)
def test_averaged_weights_have_many_names_and_forms(tmp_path, key, saved):
    state = conv().state_dict()
    torch.save({"netG": zeros(state), key: saved(state)}, tmp_path / "w.pth")
    tensors, found = choose_weights(tmp_path / "w.pth", 4)
    assert found == key and same_tensors(tensors, state)


def number():
    return torch.tensor(3)


@pytest.mark.parametrize(
    "beside",
    [
        {"ema": {"decay": torch.tensor(0.9), "num_updates": number()}},
        {"ema": {"n_averaged": number()}},
        {"avg": {"psnr": torch.tensor([30.0])}, "avg_losses": [torch.tensor([1.0])]},
        {"swa_scheduler": {"rates": torch.ones(2, 2)}, "optimizer": {"exp_avg": {"0.weight": torch.ones(2, 2)}}},
        {"norm": {"mean": torch.ones(3), "std": torch.ones(3)}},
        {"_extra_state": {"scale": torch.ones(2)}, "0._extra_state": {"amax": torch.ones(2, 2)}},
    ],
)
@pytest.mark.parametrize("wrapper", [None, "model"])
def test_what_stands_beside_weights_is_not_taken_for_them(tmp_path, wrapper, beside):
    state = conv().state_dict()
    torch.save(({wrapper: state} if wrapper else state) | beside, tmp_path / "w.pth")
    tensors, found = choose_weights(tmp_path / "w.pth", 4)
    assert found == (wrapper or "") and same_tensors(tensors, state)


def test_raw_weights_that_torch_ema_keeps_aside_are_no_averages(tmp_path):
    state = conv().state_dict()
    lists = {"shadow_params": list(state.values()), "collected_params": list(zeros(state).values())}
    torch.save({"net": zeros(state), "ema": lists}, tmp_path / "w.pth")
    tensors, found = choose_weights(tmp_path / "w.pth", 4)
    assert found == "ema.shadow_params" and same_tensors(tensors, state)


def test_numbers_of_averages_are_no_scales(tmp_path):
    state = conv().state_dict()
    torch.save({"net": state, "ema1": state, "ema_2": zeros(state)}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="holds several networks: ema1, ema_2: name one"):
        choose_weights(tmp_path / "w.pth", 4)
    assert not any(value.any() for value in choose_weights(tmp_path / "w.pth", 4, "ema_2")[0].values())


def test_mmengine_has_the_averaged_weights_where_others_have_raw_ones(tmp_path):
    """And torch.optim.swa_utils, whose counter has another name, has them where they are called so."""
    state = conv().state_dict()
    for counter, taken in (("steps", "state_dict"), ("n_averaged", "ema_state_dict")):
        called = {"ema_state_dict": prefixed("module.", zeros(state)) | {counter: number()}}
        torch.save({"meta": {"epoch": 3}, "state_dict": state} | called, tmp_path / "w.pth")
        tensors, found = choose_weights(tmp_path / "w.pth", 4)
        network = conv()
        assert found == taken and load_into(network, tensors, tmp_path / "w.pth") == []
        assert same(network, state if counter == "steps" else zeros(state))
        tensors, _ = choose_weights(tmp_path / "w.pth", 4, "ema_state_dict")
        load_into(network, tensors, tmp_path / "w.pth")
        assert same(network, zeros(state))


@pytest.mark.parametrize("form", ["dict", "prefix", "without dots"])
def test_buffers_that_were_not_averaged_are_the_raw_ones(tmp_path, form):
    raw, average = (normed() for _ in range(2))
    raw[1].running_mean += 5
    state, parameters = raw.state_dict(), {name: value.detach() for name, value in average.named_parameters()}
    saved = {"model": state, "ema": parameters}
    if form != "dict":
        saved = prefixed("model.", state) | prefixed("model_ema.", parameters, dots=form == "prefix")
    torch.save(saved, tmp_path / "w.pth")
    tensors, found = choose_weights(tmp_path / "w.pth", 4)
    assert found == ("ema" if form == "dict" else "model_ema") and same_tensors(tensors, state | parameters)


def test_averaged_names_that_differ_by_their_dots_alone_are_not_mixed_up(tmp_path):
    layers = torch.nn.ModuleList(torch.nn.ModuleList(torch.nn.Linear(1, 1) for _ in range(12)) for _ in range(12))
    state = {name: torch.full_like(value, number) for number, (name, value) in enumerate(layers.state_dict().items())}
    raw = prefixed("net.", zeros(state))
    torch.save(raw | prefixed("net_ema.", state), tmp_path / "w.pth")
    assert same_tensors(choose_weights(tmp_path / "w.pth")[0], state)
    torch.save(raw | prefixed("net_ema.", state, dots=False), tmp_path / "w.pth")
    tensors, found = choose_weights(tmp_path / "w.pth")
    with pytest.raises(UserError, match="'net_ema.00weight' is unknown to the network"):
        load_into(layers, tensors, tmp_path / "w.pth")
    assert found == "" and same_tensors(choose_weights(tmp_path / "w.pth", key="net")[0], zeros(state))


def test_a_file_that_holds_itself_is_one_sentence(tmp_path):
    saved = {"model": conv().state_dict()}
    saved["self"] = saved
    torch.save(saved, tmp_path / "w.pth")
    with pytest.raises(UserError, match="w.pth has a part inside of itself: save"):
        choose_weights(tmp_path / "w.pth")


@pytest.mark.parametrize("first", [0, 1, 10])
def test_numbered_networks_are_named_by_their_numbers(tmp_path, first):
    """They are of folds or epochs, also where one of them could be a scale."""
    state = conv().state_dict()
    saved = {number: {name: value + number for name, value in state.items()} for number in range(first, first + 5)}
    torch.save(saved, tmp_path / "w.pth")
    known = ", ".join(map(str, saved))
    with pytest.raises(UserError, match=f"w.pth holds several networks: {known}: name one of them with `key`"):
        choose_weights(tmp_path / "w.pth", 4)
    for number, each in saved.items():
        assert same_tensors(choose_weights(tmp_path / "w.pth", 4, str(number))[0], each)
    torch.save(saved | {"model": state}, tmp_path / "w.pth")
    assert choose_weights(tmp_path / "w.pth", 4)[1] == "model"
