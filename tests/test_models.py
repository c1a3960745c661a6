"""The three kinds of entries, their weights, and what is refused."""

import pytest
import torch

from rssr.base.errors import UserError
from rssr.base.resampling import imresize
from rssr.config.models import Model
from rssr.models.entry import DESCRIPTIVE, Network
from rssr.models.registry import build

EDSR = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "upscale": 4}
ENTRIES = {
    "bicubic": {"arch": "bicubic"},
    "lstmconvsr": {"arch": "lstmconvsr", "args": {"channels": 8, "groups": [1], "arrbs": 1}},
    "basicsr": {"arch": "basicsr:EDSR", "args": EDSR},
    "spandrel": {"arch": "spandrel:SPAN.SPAN", "args": {"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 8}},
    "own": {"arch": "torch.nn:Upsample", "args": {"scale_factor": 4}},
    "large multiple": {"arch": "torch.nn:Upsample", "args": {"scale_factor": 4}, "multiple_of": 64},
    "multiple": {"arch": "torch.nn:Upsample", "args": {"scale_factor": 4}, "multiple_of": 8, "range": 255},
}


@pytest.mark.parametrize("name", ENTRIES)
def test_every_kind_upscales_any_size(name):
    model = build(ENTRIES[name])
    assert not model.training
    with torch.inference_mode():
        for height, width in ((8, 8), (9, 14), (17, 11)):
            out = model(torch.rand(2, 3, height, width))
            assert out.shape == (2, 3, 4 * height, 4 * width)
            assert torch.isfinite(out).all()


def test_range_and_padding_change_nothing_for_a_linear_network():
    x = torch.rand(1, 3, 9, 13)
    expected = torch.nn.Upsample(scale_factor=4)(x)
    torch.testing.assert_close(build(ENTRIES["multiple"])(x), expected)


def test_bicubic_is_imresize():
    x = torch.rand(1, 3, 11, 8)
    assert torch.equal(build({"arch": "bicubic", "scale": 3})(x), imresize(x, 3))


def test_wrong_scale_is_named():
    with pytest.raises(UserError, match=r"made \(16, 16\) from \(8, 8\), not x4"):
        build({"arch": "torch.nn:Upsample", "args": {"scale_factor": 2}})(torch.rand(1, 3, 8, 8))


def test_a_module_that_does_not_exist_is_named_without_a_place_in_python():
    with pytest.raises(UserError, match=r"'no_such:Net' cannot be imported \(ModuleNotFoundError: [^;]*'no_such'\)"):
        build({"arch": "no_such:Net"})


def test_a_checkpoint_is_recognised(shared):
    path = shared / "weights/DITN_Real_x4.pth"
    entry = {
        "checkpoint": {"path": str(path), "sha256": "989dc21e2379c6924a6bd32696df0f1fa8cfd43dd557e1ae4126b97708695b5a"}
    }
    model = build(entry)
    assert sum(p.numel() for p in model.parameters()) == 444_112
    with torch.inference_mode():
        assert model(torch.rand(1, 3, 9, 13)).shape == (1, 3, 36, 52)
    with pytest.raises(UserError, match="upscales by 4, but the configuration's scale is 2"):
        build(entry | {"scale": 2})
    with pytest.raises(UserError, match="has the sha256 989dc21e"):
        build({"checkpoint": {"path": str(path), "sha256": "0" * 64}})


def test_a_checkpoint_of_no_known_architecture(tmp_path):
    torch.save({"a.weight": torch.zeros(3)}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="spandrel recognises no architecture"):
        build({"checkpoint": {"path": str(tmp_path / "w.pth")}})


def test_a_size_that_a_network_cannot_take_is_named():
    args = {"upscale": 4, "window_size": 8, "depths": [2], "embed_dim": 8, "num_heads": [2]}
    model = build({"arch": "basicsr:SwinIR", "args": args | {"upsampler": "pixelshuffledirect"}})
    with pytest.raises(UserError, match="SwinIR cannot upscale an input of 10x9 .*set `multiple_of`.* another size"):
        model(torch.rand(1, 3, 9, 10))


def test_weights_at_an_address_are_not_built():
    with pytest.raises(UserError, match="are at an address"):
        build(ENTRIES["basicsr"] | {"weights": {"url": "https://example.org/w.pth", "sha256": "0" * 64}})


def test_an_entry_of_the_configuration_can_be_built_as_it_is():
    entry = {"label": "Bicubic", "arch": "bicubic", "note": "as PIL names it", "licence": "MIT"}
    assert build(entry)(torch.rand(1, 3, 8, 9)).shape == (1, 3, 32, 36)
    assert set(Model.model_fields) == {*Network.model_fields, *DESCRIPTIVE}
    with pytest.raises(UserError, match="unknown key 'lable', did you mean"):
        build({"lable": "Bicubic", "arch": "bicubic"})
