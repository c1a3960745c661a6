"""The code that runs on a GPU, without one: networks traced on fake CUDA tensors, kernels compiled for three GPUs."""

import os
import subprocess
import sys

import pytest
import torch
from test_mambairv2 import TINY
from test_rs_baselines import SMALL
from torch._subclasses.fake_tensor import FakeTensorMode

from rssr.base import ROOT
from rssr.base.files import read_json
from rssr.models.registry import build

LSTM = {"channels": 8, "groups": [1], "arrbs": 1, "mlp_ratio": 1, "tail": "light"}
NETWORKS = {
    "edsr": {"arch": "basicsr:EDSR", "args": {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 2}},
    "lstmconvsr": {"arch": "lstmconvsr", "args": LSTM},
    "lstmconvsr_parallel": {"arch": "lstmconvsr", "args": LSTM | {"mlstm_form": "parallel"}},
    "mambairv2": {"arch": "mambairv2", "args": TINY},
    **{name: {"arch": name, "args": SMALL[name]} for name in ("hsenet", "transenet", "ttst")},
}


def moved(model):
    """A model with empty tensors on CUDA in place of its own; EDSR has one that is no buffer."""
    for module in model.modules():
        for named in (module._parameters, module._buffers, vars(module)):
            for name, value in named.items():
                if isinstance(value, torch.Tensor):
                    empty = torch.empty(value.shape, dtype=value.dtype, device="cuda")
                    named[name] = torch.nn.Parameter(empty) if isinstance(value, torch.nn.Parameter) else empty
    return model


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("name", NETWORKS)
def test_forward_on_cuda(name):
    """A tensor that is made on the CPU, or a size that does not fit, raises."""
    model = build(NETWORKS[name])
    with FakeTensorMode(), torch.inference_mode():
        out = moved(model)(torch.empty(2, 3, 17, 23, device="cuda"))
    assert out.shape == (2, 3, 68, 92) and out.device.type == "cuda"


@pytest.mark.slow
def test_triton_kernels_spill_no_register_in_fp32(tmp_path):
    pytest.importorskip("triton", reason="triton is not installed")
    command = [sys.executable, "benchmarks/triton_targets.py", "--out", str(tmp_path / "out.json")]
    subprocess.run(command, cwd=ROOT, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    found = read_json(tmp_path / "out.json")["kernels"]
    assert found.keys() == read_json(ROOT / "results/reference/triton_targets.json")["kernels"].keys()
    assert all(value["stack_bytes"] == 0 for key, value in found.items() if key.endswith("fp32"))
    assert all(0 < value["registers"] <= 255 for value in found.values())
