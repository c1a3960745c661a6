"""The configuration: what is shipped validates, and what is wrong is named."""

import copy
import functools
import itertools
import json
import math
import subprocess
import sys

import pytest
import torch
import yaml
from runs import rssr

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.config import Config, load, read, validate
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
        ("shards", 4, "'shards': a mapping of keys to values is expected, not 4; its keys are images"),
        ("metrics", ["psnr_y", "lpips"], r"write each name as a key, such as `metrics: {psnr_y: {}}`$"),
        ("datasets.neon.split", ["a"], r"'datasets.neon.split': a mapping of keys to values is expected, not \['a'\]$"),
        ("profile.size", [64, 64, 64], "'profile.size': a list of at most 2 is expected, not "),
        ("metrics", [], r"'metrics': a mapping of keys to values is expected, not \[\]$"),
        ("metrics", {}, "'metrics': an entry is expected, not {}$"),
        ("training.minute.seeds", 10, "'training.minute.seeds': a list is expected, not 10$"),
        ("training.minute.seeds", [], r"'training.minute.seeds': an entry is expected, not"),
        ("training.minute.iterations", "1k", "'training.minute.iterations': a whole number is expected, not '1k'$"),
        ("training.minute.iterations", 1.5, "'training.minute.iterations': a whole number is expected, not 1.5$"),
        ("training.minute.optimiser.lr", "fast", "lr': a number is expected, not 'fast'$"),
        ("training.minute.channels_last", "maybe", "channels_last': true or false is expected, not 'maybe'$"),
        ("training.minute.optimiser", {}, "'training.minute.optimiser.lr' is required$"),
        ("models." + "a" * 101, {"label": "A", "arch": "bicubic"}, "a name has lower-case letters, .* at most 100"),
    ],
)
def test_values_that_would_fail_or_mean_something_else_later_are_refused(path, value, message):
    content = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    *keys, last = path.split(".")
    functools.reduce(lambda block, key: block[key], keys, content)[last] = value
    with pytest.raises(UserError, match=message):
        validate(content, "my.yaml")


def test_a_checksum_may_be_in_capitals():
    content = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    content["models"]["edsr_xs"]["weights"] = {"path": "a.pth", "sha256": "AB" * 32}
    assert validate(content, "my.yaml").models["edsr_xs"].weights.sha256 == "ab" * 32


HEAD = 'datasets: {mine: {label: Mine, images: img, split: {test: "*"}}}\n'
NET = HEAD + "models: {net: {label: Net, arch: 'a:B', train: r, args: {%s}}}\n"
NET += "training: {r: {epochs: 1, optimiser: {lr: 5e-4}}}"


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        *(("1e-3", 0.001), ("-2E6", -2e6), ("1.e+3", 1000.0), (".5", 0.5), ("1_000", 1000), ("010", 10), ("0x1F", 31)),
        *(
            ("1:30", "1:30"),
            ("1e", "1e"),
            ("-", "-"),
            ("e-3", "e-3"),
            ("yes", True),
            ("null", None),
            ("-.inf", -math.inf),
        ),
        *(("1.4.2", "1.4.2"), ("0b11", 3), ("'1e-3'", "1e-3"), ("[1e-3, 08]", [0.001, 8])),
    ],
)
def test_numbers_are_numbers(tmp_path, written, read_as):
    (tmp_path / "c.yaml").write_text(NET % f"eps: {written}")
    config = load(tmp_path / "c.yaml")
    found = config.models["net"].args["eps"]
    assert (found, type(found)) == (read_as, type(read_as)) and config.training["r"].optimiser.lr == 5e-4


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings_with_a_mark_are_read(tmp_path, encoding):
    text = HEAD + "models: {bicubic: {label: Modèle 双, arch: bicubic}}"
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    (tmp_path / "c.yaml").write_bytes(mark + text.encode(encoding))
    assert load(tmp_path / "c.yaml").models["bicubic"].label == "Modèle 双"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("é: 1".encode("latin-1"), "is not UTF-8 (byte 0xe9 in line 1): save it as UTF-8"),
        (b"models:\n  a: {}\n  a: {}", "the key 'a' is given twice, in lines 2 and 3: keep one of them"),
        (b"{a: 1, b: {c: 1, 'c': 2}}", "the key 'c' is given twice, in lines 1 and 1"),
        (b"", "'datasets' is required: add it, or give the file that this one changes before it, as in config/config"),
        (b"- a", "a mapping of keys to values is expected"),
        (b"a: !!python/object/apply:os.system [ls]", "could not determine a constructor for the tag"),
        (b"a: [1", "expected ',' or ']'"),
        (b"a: &a [*a]", "aliases stand for more than"),
        (
            b"x: &0 [1]\n"
            + b"".join(b"x%d: &%d [%s]\n" % (i, i, b",".join([b"*%d" % (i - 1)] * 9)) for i in range(1, 9)),
            "alias",
        ),
        (f"{HEAD}models:".encode(), "'models' is left empty: give it a value, or remove it"),
        (f"{HEAD}models:\n  bicubic:".encode(), "'models.bicubic' is left empty"),
        (f"{HEAD}models: {{b: {{label: , arch: bicubic}}}}".encode(), "'models.b.label' is left empty"),
        (
            f"{HEAD}models: {{b: {{label: 12, arch: bicubic}}}}".encode(),
            "'models.b.label' is a text, but YAML reads 12: put",
        ),
        (f"{HEAD}models: {{on: {{label: x, arch: bicubic}}}}".encode(), " is a text, but YAML reads True"),
        (f"{HEAD}models: {{B-x: {{label: x, arch: bicubic}}}}".encode(), "'models.B-x': a name has lower-case letters"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path, content, message):
    (tmp_path / "c.yaml").write_bytes(content)
    with pytest.raises(UserError) as error:
        load(tmp_path / "c.yaml")
    assert str(error.value).startswith(f"{tmp_path}/c.yaml") and message in str(error.value)
    assert "\n" not in str(error.value)


def test_later_files_over_earlier_ones_and_null_removes(tmp_path):
    (tmp_path / "a.yaml").write_text(
        HEAD + "models: {x: {label: X, arch: bicubic}, y: &y {label: Y, arch: nearest}, z: {<<: *y, label: Z}}"
    )
    (tmp_path / "b.yaml").write_text("models: {x: null, y: {note: N}, z: {note: null}}\nmetrics: {psnr_y: , ssim_y: }")
    (tmp_path / "c.yaml").write_text("# nothing\n")
    config = load(*(tmp_path / f"{name}.yaml" for name in "abc"))
    assert list(config.models) == ["y", "z"] and config.models["y"].note == "N" and config.models["z"].label == "Z"
    assert list(config.metrics) == ["psnr_y", "ssim_y"]
    over = read(tmp_path / "a.yaml", over={"scale": 2, "models": {"z": None}})
    assert list(over["models"]) == ["x", "y"] and over["scale"] == 2


def test_missing_and_unparsable_files(tmp_path):
    with pytest.raises(UserError, match="none.yaml cannot be read"):
        load(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("models: [")
    with pytest.raises(UserError, match="bad.yaml is not YAML"):
        load(tmp_path / "bad.yaml")


def test_snakemake_reads_a_configfile_before_any_file_of_ours(tmp_path):
    """Its own traceback therefore comes first, even without a Snakefile; `plan` says it in a sentence."""
    (tmp_path / "c.yaml").write_bytes("models: é".encode("latin-1"))
    command = [sys.executable, "-m", "snakemake", "-n", "-s", "no/such/Snakefile", "--configfile", tmp_path / "c.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode and "UnicodeDecodeError" in said and "Snakefile" not in said
    planned = rssr("plan", "--configfile", tmp_path / "c.yaml")
    assert planned.returncode == 1 and "c.yaml is not UTF-8 (byte 0xe9 in line 1): save it as UTF-8" in planned.stderr


def test_a_configuration_cannot_be_changed_after_it_was_validated():
    config = load(ROOT / "config/test.yaml")
    assert isinstance(config, Config)
    with pytest.raises(ValueError, match="frozen"):
        config.scale = 2
