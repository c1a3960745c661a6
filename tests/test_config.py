"""The configuration: what is shipped validates, and what is wrong is named."""

import copy
import itertools
import json

import pytest
import torch
import yaml

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.config import Config, load, validate
from rssr.config.block import Block
from rssr.config.schema import schema
from rssr.models.registry import build

OVERLAYS = ("ablation.yaml", "zoo.yaml", "pretrained.yaml")  # files that add entries to others
OTHERS = ("literature.yaml",)  # no configuration at all
FILES = sorted(path for path in (ROOT / "config").glob("*.yaml") if path.name not in OVERLAYS + OTHERS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_shipped_configurations_validate(path):
    config = load(path)
    assert config.models


def test_every_entry_of_the_ablation_is_another_network():
    base, added = (yaml.safe_load((ROOT / "config" / file).read_text()) for file in ("paper.yaml", "ablation.yaml"))
    config = validate(base | {"models": base["models"] | added["models"]}, "ablation")
    assert len(config.models) == len(base["models"]) + len(added["models"]), "an entry of the base is overwritten"
    x = torch.rand(1, 3, 12, 12)
    small = {"channels": 8, "groups": [1], "arrbs": 8, "tail": "light"}
    outputs = {}
    for name, args in {"full": {}, **{name: entry["args"] for name, entry in added["models"].items()}}.items():
        torch.manual_seed(0)
        model = build({"arch": "lstmconvsr", "args": small | args})
        for parameter in model.parameters():  # zero biases and unit scales would hide what they do
            if args.get("init") is None:
                parameter.data += 0.1 * torch.randn_like(parameter)
        with torch.inference_mode():
            outputs[name] = model(x)
    for (one, first), (other, second) in itertools.combinations(outputs.items(), 2):
        assert not torch.allclose(first, second, rtol=0, atol=1e-6), (one, other)


def test_schema_file_is_in_step():
    written = json.loads((ROOT / "config/schema.json").read_text())
    assert written == schema(), "run: python -m rssr schema > config/schema.json"


def fields(model):
    for name, field in model.model_fields.items():
        yield f"{model.__name__}.{name}", field


def test_every_field_is_described():
    blocks = Block.__subclasses__()
    assert len(blocks) > 10
    for name, field in (pair for block in blocks for pair in fields(block)):
        assert field.description, name


CHANGES = {
    "unknown key 'modles', did you mean 'models'?": lambda c: c.update(modles={}),
    "unknown key 'models.edsr_xs.lable', did you mean 'label'?": lambda c: c["models"]["edsr_xs"].update(lable=1),
    "unknown key 'models.edsr_xs.weights.sha', did you mean 'sha256'?": lambda c: c["models"]["edsr_xs"][
        "weights"
    ].update(sha=1),
    "unknown key 'training.minute.optimiser.lrr', did you mean 'lr'?": lambda c: c["training"]["minute"][
        "optimiser"
    ].update(lrr=1),
    "'metrics.psnry': 'psnry' is unknown, did you mean 'psnr_y'?": lambda c: c["metrics"].update(psnry={}),
    "'datasets.neon.module': 'neoon' is unknown, did you mean 'neon'?": lambda c: c["datasets"]["neon"].update(
        module="neoon"
    ),
    "unknown model 'bicubik', did you mean 'bicubic'?": lambda c: c["models"]["bicubic"].update(arch="bicubik"),
    "names the recipe 'minut', did you mean 'minute'?": lambda c: c["models"]["mambairv2_xs"].update(train="minut"),
    "audit.datasets names 'neonn', did you mean 'neon'?": lambda c: c.update(
        audit={"datasets": ["neonn"], "models": ["bicubic"]}
    ),
    "audit.models names 'bicubik', did you mean 'bicubic'?": lambda c: c.update(
        audit={"datasets": ["neon"], "models": ["bicubik"]}
    ),
    "statistics.reference names the model 'edsr', did you mean 'edsr_xs'?": lambda c: c.update(
        statistics={"reference": "edsr"}
    ),
    "models.edsr_xs.ablates names the model 'lstmconvsr_x', did you mean 'lstmconvsr_xs'?": lambda c: c["models"][
        "edsr_xs"
    ].update(ablates="lstmconvsr_x"),
    "'scale': 5 is unknown": lambda c: c.update(scale=5),
    "'models.edsr_xs': a network needs either `weights` or `train`": lambda c: c["models"]["edsr_xs"].pop("weights"),
    "'training.minute.batch': input should be a valid integer": lambda c: c["training"]["minute"].update(batch="all"),
    "`required: false` is for weights that are loaded": lambda c: c["models"]["bicubic"].update(required=False),
    "a `url` needs the `sha256`": lambda c: c["models"]["edsr_xs"].update(weights={"url": "https://x/y.pth"}),
}


@pytest.mark.parametrize("message", CHANGES)
def test_what_is_wrong_is_named(message):
    content = copy.deepcopy(yaml.safe_load((ROOT / "config/config.yaml").read_text()))
    CHANGES[message](content)
    with pytest.raises(UserError) as error:
        validate(content, "my.yaml")
    assert message in str(error.value)
    assert str(error.value).startswith("my.yaml: ")
    assert "\n" not in str(error.value)


def test_missing_and_unparsable_files(tmp_path):
    with pytest.raises(UserError, match="none.yaml cannot be read"):
        load(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("models: [")
    with pytest.raises(UserError, match="bad.yaml is not YAML"):
        load(tmp_path / "bad.yaml")


def test_a_configuration_cannot_be_changed_after_it_was_validated():
    config = load(ROOT / "config/test.yaml")
    assert isinstance(config, Config)
    with pytest.raises(ValueError, match="frozen"):
        config.scale = 2
