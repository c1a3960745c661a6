"""The configuration: what is shipped validates, and what is wrong is named."""

import copy
import functools
import itertools
import json
import math

import pytest
import torch
import yaml

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.base.files import sha256
from rssr.config import Config, load, validate
from rssr.config.block import Block
from rssr.config.schema import schema
from rssr.models.registry import build
from rssr.plan.entries import plain

# No configurations by themselves.
OVERLAYS = ("ablation.yaml", "zoo.yaml", "pretrained.yaml", "xs_fahrnet.yaml", "xs_shipped.yaml")
OTHERS = ("literature.yaml",)  # no configuration at all
FILES = sorted(path for path in (ROOT / "config").glob("*.yaml") if path.name not in OVERLAYS + OTHERS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_shipped_configurations_validate(path):
    config = load(path)
    assert config.models


@pytest.mark.parametrize("files", [["config.yaml"], ["xs.yaml", "xs_shipped.yaml"]], ids=" ".join)
def test_shipped_weights_are_those_of_the_study(files):
    """The record beside each file is of this file, of the study's network, and of its recipe."""
    study, config = load(ROOT / "config/xs.yaml"), load(*(ROOT / "config" / file for file in files))
    loaded = {name: model.weights for name, model in config.models.items() if model.weights}
    if "xs_shipped.yaml" in files:
        assert loaded.keys() == {path.stem for path in (ROOT / "models/weights").glob("*.safetensors")}
    assert {"edsr_xs", "lstmconvsr_xs"} <= loaded.keys()
    recipe = study.training["xs"].model_dump(mode="json", exclude={"seeds", "devices"}) | {"seed": 10}
    for name, weights in loaded.items():
        record = json.loads((ROOT / weights.path).with_suffix(".json").read_text())
        assert record["sha256"] == weights.sha256 == sha256(ROOT / weights.path)
        assert record["recipe"] == recipe and record["dataset"] == "rsscn7"
        for key in ("arch", "args"):
            assert record["model"][key] == plain(config.models[name])[key] == plain(study.models[name])[key]


@pytest.mark.parametrize("files", [["paper.yaml", "ablation.yaml"], ["test.yaml"], ["xs.yaml"]], ids=" ".join)
def test_the_label_of_an_ablation_names_its_model(files):
    """Quality tables and legends show it among others."""
    models = load(*(ROOT / "config" / file for file in files)).models
    ablations = [model for model in models.values() if model.ablates]
    assert ablations
    assert [a.label for a in ablations if not a.label.startswith(models[a.ablates].label)] == []


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
    "'my_nets.nets.Tiny' names no class: write my_nets.nets:Tiny": lambda c: c["models"]["edsr_xs"].update(
        arch="my_nets.nets.Tiny"
    ),
    "unknown model 'bicubik', did you mean 'bicubic'?": lambda c: c["models"]["bicubic"].update(arch="bicubik"),
    "unknown model 'swinir', did you mean 'basicsr:SwinIR'?": lambda c: c["models"]["bicubic"].update(arch="swinir"),
    "names the recipe 'minut', did you mean 'minute'?": lambda c: c["models"]["mambairv2_minute"].update(train="minut"),
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
    "models.bicubic.ablates names 'edsr_xs', an ablation: name its full model": lambda c: (
        c["models"]["edsr_xs"].update(ablates="bicubic"),
        c["models"]["bicubic"].update(ablates="edsr_xs"),
    ),
    "a list of names or a mapping of names to steps is expected": lambda c: c.update(degradations=[{"bicubic": []}]),
    "'scale': 5 is unknown": lambda c: c.update(scale=5),
    "'models.edsr_xs': a network needs weights: give `weights` or `train`": lambda c: c["models"]["edsr_xs"].pop(
        "weights"
    ),
    "'models.edsr_xs': `weights` and `train` are both given": lambda c: c["models"]["edsr_xs"].update(train="minute"),
    "'training.minute.batch': a whole number is expected, not 'all'": lambda c: c["training"]["minute"].update(
        batch="all"
    ),
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


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("crop", True, "'crop': a number is expected, not true"),
        ("models.edsr_xs.multiple_of", False, "'models.edsr_xs.multiple_of': a number is expected, not false"),
        ("training.minute.seeds", [True], "'training.minute.seeds': a number is expected, not true"),
        ("datasets.neon.bands", ["R", "G", "B"], "of one band or of three are expected, such as"),
        ("training.minute.optimiser.lr", True, "'training.minute.optimiser.lr': a number is expected"),
        (
            "training.minute.optimiser.lr",
            math.inf,
            "'training.minute.optimiser.lr': a finite number is expected, not inf",
        ),
        (
            "training.minute.optimiser.betas",
            [0.9, 1],
            "'training.minute.optimiser.betas.1': a number below 1.0 is expected, not 1",
        ),
        ("training.minute.seeds", [2**32], "'training.minute.seeds.0': a number below 4294967296 is expected"),
        ("statistics", {"seed": -1}, "'statistics.seed': a number of at least 0 is expected, not -1"),
        (
            "statistics",
            {"resamples": 10**12},
            "'statistics.resamples': a number of at most .* is expected, not 1000000000000",
        ),
        ("profile.size", [0, 64], "'profile.size.0': a number of at least 8 is expected"),
        ("models.edsr_xs.weights", "my.pth", r"a mapping .*, not 'my.pth': write `weights: {path: my.pth}`$"),
        ("models.edsr_xs.weights", 5, "a mapping .* is expected, not 5; its keys are path, url, sha256, key$"),
        ("models.edsr_xs", "edsr", "expected, not 'edsr'; its keys are label, arch, args, weights and others$"),
        ("shards", 4, "'shards': a mapping of keys to values is expected, not 4: write `shards: {images: 4}`"),
        ("shards", [4], r"a mapping of keys to values is expected, not .4.; its keys are images$"),
        ("training.minute.seeds", 3, r"'training.minute.seeds': a list is expected, not 3: write `seeds: \[3\]`$"),
        ("training.minute.optimiser.betas", 0.9, "a list is expected, not 0.9$"),
        ("training.minute.epochs", 3, "or `epochs`: null removes the one of an earlier file$"),
        ("metrics", ["psnr_y", "lpips"], r"write each name as a key, such as `metrics: {psnr_y: {}}`$"),
        ("datasets.neon.split", ["a"], r"'datasets.neon.split': a mapping of keys to values is expected, not \['a'\]$"),
        ("profile.size", [64, 64, 64], "'profile.size': a list of at most 2 is expected, not "),
        ("metrics", [], r"'metrics': a mapping of keys to values is expected, not \[\]$"),
        ("metrics", {}, "'metrics': an entry is expected, not {}: add one, or do not remove all of them$"),
        ("training.minute.seeds", [], r"'training.minute.seeds': an entry is expected, not"),
        ("training.minute.iterations", "1k", "'training.minute.iterations': a whole number is expected, not '1k'$"),
        ("training.minute.iterations", 1.5, "'training.minute.iterations': a whole number is expected, not 1.5$"),
        ("training.minute.optimiser.lr", "fast", "lr': a number is expected, not 'fast'$"),
        ("training.minute.channels_last", "maybe", "channels_last': true or false is expected, not 'maybe'$"),
        ("training.minute.optimiser", {}, "'training.minute.optimiser.lr' is required$"),
        ("models.bicubic.args", {"eps": math.inf}, "'models.bicubic.args': 'eps' may hold finite .*, not inf$"),
        ("models.bicubic.args", {"a": [{"b": math.nan}]}, "'models.bicubic.args': 'a' may hold finite .*, not nan$"),
        ("models.bicubic.args", {"x": b"\x80"}, r"'models.bicubic.args': 'x' may hold .* texts, .*, not b'.x80'$"),
        ("models.bicubic.args", {"x": {b"\x80": 1}}, r"'x' may hold .* to these, not the key b'.x80'$"),
        ("models.bicubic.args", {"x": {2: 16}}, "'x' may hold .* mappings of texts to these, not the key 2$"),
        ("models.bicubic.args", {"x": {"a"}}, "'x' may hold .* lists and mappings of .*, not {'a'}$"),
        ("models.bicubic.args", {"a": 1}, "'models.bicubic': `args` has no effect on an interpolation: leave it out$"),
        ("models.bicubic.strict", False, "`strict` has no effect on an interpolation"),
        ("models.bicubic.range", 255, "`range` has no effect on an interpolation"),
        ("models.bicubic.draws", 3, "`draws` has no effect on an interpolation"),
        ("models.edsr_xs.weights", {"path": ""}, "weights.path': a path is expected, not an empty text$"),
        ("training.minute.schedule", {"milestones": [0.5]}, "`milestones` is for `name: multistep`, not for constant$"),
        ("training.minute.schedule", {"name": "cosine", "gamma": 0.1}, "`gamma` is for `name: multistep`, not for cos"),
        ("training.minute.schedule", {"name": "multistep"}, r"`name: multistep` needs `milestones`, such as \[0.5\]$"),
        ("training.minute.schedule", {"warmup": 10**6}, "minute': the `warmup` of `schedule` has to end before the "),
        ("training.minute.compile", "max_autotune", "'max_autotune' is unknown, did you mean 'max-autotune'"),
        ("training.minute.compile", False, "compile' cannot be false: remove it, or give one of default, reduce-over"),
        ("models.edsr_xs.args", ["channels"], r"not \['channels'\]: write `args: {name: value}`$"),
        ("models.edsr_xs.args", [{"channels": 8}], r"8}\]: write `args: {name: value}`$"),
        ("metrics", [{"psnr_y": {}}], r"{}}\]: write `metrics: {name: value}`$"),
        ("training", {}, "models.mambairv2_minute.train names the recipe 'minute', but there is none$"),
        (
            "datasets",
            {"a": {"label": "A", "images": "", "split": {"test": "*"}}},
            "images': a path is expected, not an",
        ),
        (
            "models.bicubic",
            {"label": "B", "arch": "bicubic", None: 1},
            "^my.yaml: 'models.bicubic': a key is a text, but",
        ),
        ("datasets", {True: {}}, "^my.yaml: 'datasets': a key is a text, but YAML reads True: put it in quotes$"),
        ("models.edsr_xs.weights.sha256", "abc", "sha256': 64 hexadecimal digits are expected, not 'abc'$"),
        (
            "models.edsr_xs.literature",
            {"parameters_m": "1,5", "citation": "A"},
            """parameters_m': digits in quotes are expected, such as "1.5", not '1,5'$""",
        ),
        ("degradations", {"a": [{"blur": 1e9}, {"reduce": "nearest"}]}, "a.0.blur': a number of at most 100"),
        ("degradations", {"a": [{"blur": 1e-9}, {"reduce": "nearest"}]}, "a.0.blur': a number of at least 0.01"),
        ("degradations", {"a": [{"blur": 2, "size": 20001}, {"reduce": "nearest"}]}, "a number of at most 1001"),
        ("degradations", {"a": [{"reduce": "nearest"}, {"noise": 1e300}]}, "a.1.noise': a number of at most 255"),
        ("models.manifest", {"label": "A", "arch": "bicubic"}, "'models': 'manifest' is what .*: rename that model$"),
        ("models." + "a" * 101, {"label": "A", "arch": "bicubic"}, "a name has lower-case letters, .* at most 100"),
    ],
)
def test_values_that_would_fail_or_mean_something_else_later_are_refused(path, value, message):
    content = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    *keys, last = path.split(".")
    functools.reduce(lambda block, key: block[key], keys, content)[last] = value
    with pytest.raises(UserError, match=message):
        validate(content, "my.yaml")


def test_arguments_of_a_class_may_be_all_that_json_has():
    args = {"a": [1, {"b": None}], "c": True, "d": 1e308, "e": "inf", "f": (1, 2)}
    content = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    content["models"]["edsr_xs"]["args"] = args
    assert validate(content, "my.yaml").models["edsr_xs"].args == args


def test_a_checksum_may_be_in_capitals():
    content = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    content["models"]["edsr_xs"]["weights"] = {"path": "a.pth", "sha256": "AB" * 32}
    assert validate(content, "my.yaml").models["edsr_xs"].weights.sha256 == "ab" * 32


def test_the_home_folder_may_be_written_as_in_a_shell(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    weights = {"label": "A", "arch": "basicsr:EDSR", "weights": {"path": "~/net.pth"}}
    own = {"label": "B", "images": "~/pictures", "split": {"test": "*"}, "lr": "~/lr"}
    config = validate(
        {"datasets": {"b": own, "r": {"label": "R", "module": "rsscn7", "root": "~/r"}}, "models": {"a": weights}}, "c"
    )
    assert config.models["a"].weights.path == "/home/me/net.pth"
    assert (config.datasets["b"].images, config.datasets["b"].lr.images) == ("/home/me/pictures", "/home/me/lr")
    assert config.datasets["r"].root == "/home/me/r"


def test_a_configuration_cannot_be_changed_after_it_was_validated():
    config = load(ROOT / "config/test.yaml")
    assert isinstance(config, Config)
    with pytest.raises(ValueError, match="frozen"):
        config.scale = 2
