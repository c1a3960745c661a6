"""Every remedy that a message names is one that works: commands, options, keys and files are collected and tried."""

import ast
import inspect
import re
import shlex
import subprocess
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from runs import rssr
from snakemake.cli import get_argument_parser
from test_docs import RULES, planned

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.config.schema import schema
from rssr.models.names import NETWORKS
from rssr.models.registry import build
from rssr.plan.artifacts import KINDS, patterns

SOURCES = [
    p for room in ("rssr", "datasets", "models", "metrics", "workflow/scripts") for p in ROOT.glob(f"{room}/**/*.py")
]
PROGRAMS = "snakemake|python|pip|git|make|scancel|rssr|kaggle|conda|torchrun"
WEIGHTS = "results/weights/edsr_test/synthetic/x4/seed10.safetensors"


def said(path):
    """The texts of a module, without docstrings, "{}" where a value goes."""
    tree, inner = ast.parse(path.read_text(encoding="utf-8")), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            inner.add(node.body[0].value)
        inner |= set(node.values) if isinstance(node, ast.JoinedStr) else set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in inner:
            yield node.value


OF_PYTHON = {text for path in SOURCES for text in said(path)}
# Snakefiles are no Python: what stands in their quotes.
TEXTS = OF_PYTHON | {
    text
    for path in (ROOT / "Snakefile", *ROOT.glob("workflow/rules/*.smk"))
    for text in re.findall(r'"([^"\n]*)"', path.read_text(encoding="utf-8"))
}
QUOTED = {found for text in TEXTS for found in re.findall(r"`([^`]+)`", text)}


def snakemake(command):
    """Snakemake takes it, with a configuration that has what it names, and it says on how many cores."""
    words = command.replace("{}", WEIGHTS, 1).replace("{}", "config/test.yaml")
    planned(words if "--configfile" in words else f"{words} --configfile config/test.yaml", ROOT)
    assert "--cores" in words or "-n" in words.split(), "Snakemake asks for cores"


def of_this_project(command):
    """The first words are a command of `python -m rssr`, and the options are its own."""
    _, _, _, name, *options = command.split()
    shown = rssr(name, "--help")
    assert shown.returncode == 0 and all(option in shown.stdout for option in options if option[0] == "-")


def by_pip(command):
    """Pip's parser takes the words, and a version that is named is the one whose checksum is known."""
    from pip._internal.commands import create_command

    words = shlex.split(command.replace("{}", import_module("rssr.datasets.neon").REQUIREMENT))
    _, given = create_command(words[1]).parse_args(words[2:])
    assert given == ["kaggle"] or given[0].rpartition("==")[2] in import_module("rssr.datasets.neon").WHEEL


def of_others(command):
    """The words are as its manual has them; the program is not a part of this project."""
    assert command in ("git lfs pull", "scancel {}")


COMMANDS = {
    "snakemake {} --cores all --configfile {}": snakemake,
    "snakemake data --cores all": snakemake,
    "snakemake -n --forceall": snakemake,
    "snakemake --configfile a.yaml b.yaml": lambda command: None,  # how files are merged; test_config.py merges some
    "snakemake --configfile": lambda command: None,  # an option, in a sentence about it
    "python -m rssr models": of_this_project,
    "python -m rssr basicsr": of_this_project,
    "python -m rssr export MODEL --as basicsr-options -o FILE.yml": of_this_project,
    "python -m rssr plan --configfile FILE": of_this_project,
    "python -m rssr schema --markdown": of_this_project,
    "pip download {} --no-deps": by_pip,
    "pip install kaggle": by_pip,
    "git lfs pull": of_others,
    "scancel {}": of_others,
}


def commands():
    """Commands in texts: in backticks, or in parentheses or after a colon, where a program's name begins a part."""
    quoted = {text for text in QUOTED if re.match(rf"(?:{PROGRAMS})\b", text) and " " in text}
    bare = rf"(?:[(]|: )((?:{PROGRAMS}) [^`){{\n]+)"
    return quoted | {found.strip() for text in TEXTS for found in re.findall(bare, text)}


def test_every_command_in_a_message_is_placed_here():
    assert commands() - COMMANDS.keys() == set(), "not in COMMANDS"
    assert COMMANDS.keys() - commands() == set(), "in no message"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_works(command):
    COMMANDS[command](command)


def keys(part):
    """The names of all keys below a part of the configuration's schema."""
    if isinstance(part, list):
        return set().union(*map(keys, part))
    own = set(part.get("properties", ())) if isinstance(part, dict) else set()
    return own.union(*map(keys, part.values())) if isinstance(part, dict) else set()


ARGUMENTS = {
    name
    for network in NETWORKS.values()
    for name in inspect.signature(getattr(import_module(network.split(":")[0]), network.split(":")[1])).parameters
}
NO_KEYS = {  # in backticks, and neither a command nor a key
    *(
        "null",
        "true",
        "false",
        "1e-3",
        "{}",
        "{}: {path: {}}",
        "{}: {{}: {}}",
        "{}: {name: value}",
        "{}: [{}]",
        "{scale}",
        '"{scale}"',
        "{recipe}",
        "models: {hsenet: null}",
    ),
    *("basicsr:Class", "spandrel:Package.Class", "my.module:Class", "params", "params_ema"),
    *("results", "config/", "export", "significance", "--configfile", "sinfo"),  # what else is named
    "network.state_dict()",
}


def test_every_key_in_a_message_is_one():
    assert KINDS["significance"][0].endswith("/significance")
    named = QUOTED - commands() - NO_KEYS
    assert len(named) > 40
    for text in named:
        key = re.match(r"\w+", text)
        assert key and key[0] in keys(schema()) | ARGUMENTS, f"`{text}` is no key: place it in COMMANDS or NO_KEYS"


def test_every_option_in_a_message_is_one():
    known = {option for action in get_argument_parser()._actions for option in action.option_strings}
    for name in ("models", "upscale", "export", "basicsr", "plan", "compare", "merge", "gpu-report", "schema"):
        known |= set(re.findall(r"--[a-z-]+", rssr(name, "--help").stdout))
    sentences = (text for text in OF_PYTHON if " " in text)
    found = {option for text in sentences for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)}
    of_programs = {"--no-deps"}  # pip's, see COMMANDS
    assert len(found) > 10 and found - known - of_programs == set()


def test_every_file_in_a_message_is_one_of_a_run():
    def plain(name):
        return re.sub(r"\{\w*\}|(?<=/)(?:train|val|test)(?=/)", "{}", name)

    rules = " ".join(path.read_text(encoding="utf-8") for path in (ROOT / "workflow/rules").glob("*.smk"))
    made = {plain(name) for name in re.findall(r'"(results/[^"]+)"', rules)} | {
        plain(stem) for stem, _ in KINDS.values()
    }
    made |= {plain(path) for kind in KINDS for path in patterns(kind)} | {
        "results/reference/gpu"
    }  # by gpu-report --out
    named = {found for text in TEXTS if " " in text for found in re.findall(r"\bresults/[\w{}./-]+\w[}]?", text)}
    assert len(named) > 5
    for name in named:
        folder = any(path.startswith(f"{plain(name)}/") for path in made)
        assert folder or plain(name) in made or (ROOT / name).exists(), name


def image(folder, *shape, dtype="uint8", name="a.png"):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    Image.fromarray(pixels).save(folder / name)
    return folder / name


EXPORT = ("export", "lstmconvsr_xs", "--as", "basicsr", "-o")
UPSCALE = ("upscale", "a.png", "--model", "bicubic", "-o", "out.tif")
TRIED = [  # a command that fails, a remedy in what it says, the command with the remedy
    (UPSCALE, "add --overwrite", (*UPSCALE, "--overwrite"), lambda folder: (folder / "out.tif").touch()),
    ((*UPSCALE, "--device", "gpu"), "--device cpu", (*UPSCALE, "--device", "cpu"), None),
    (
        (*UPSCALE, "--scale", "3"),
        "the configuration has x4 alone",
        (*UPSCALE, "--scale", "4"),
        None,
    ),
    (
        UPSCALE,
        "or --stretch LOW HIGH",
        (*UPSCALE, "--stretch", "0", "255"),
        lambda folder: image(folder, 16, 16, dtype="uint16"),
    ),
    ((*UPSCALE[:-1], "out.jpg"), "use one of .tif", UPSCALE, None),
    (
        (*UPSCALE[:-1], "out.png", "--stretch", "0", "1"),
        "write a .tif",
        (*UPSCALE, "--stretch", "0", "1"),
        lambda folder: image(folder, 16, 16, dtype="float32", name="a.tif").rename(folder / "a.png"),
    ),
    ((*EXPORT, "a.ckpt"), "ends in .pth", (*EXPORT, "a.pth"), None),
    (
        (*EXPORT, "a.pth"),
        "a.pth exists: name another file, or add --overwrite",
        (*EXPORT, "a.pth", "--overwrite"),
        lambda folder: (folder / "a.pth").write_text("mine"),
    ),
    (("upscale", "a.png", "--model", "bicubik", "-o", "out.tif"), "did you mean 'bicubic'", UPSCALE, None),
]


@pytest.mark.parametrize(("fails", "remedy", "works", "prepare"), TRIED)
def test_what_a_message_says_helps(tmp_path, fails, remedy, works, prepare):
    image(tmp_path, 16, 16, 3)
    if prepare:
        prepare(tmp_path)
    said = rssr(*fails, cwd=tmp_path)
    assert said.returncode == 1 and remedy in said.stderr, said.stderr
    done = rssr(*works, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_command_for_files_that_are_not_there_makes_them(tmp_path):
    """As far as Snakemake's plan: the file that it names is one of the run of the configuration files that it names."""
    image(tmp_path, 16, 16, 3)
    (tmp_path / "my simple.yaml").write_text("training: {test: {clip: null}}")  # BasicSR has none
    small = ("--config", ROOT / "config/test.yaml", "my simple.yaml")
    for command, read in (
        (("upscale", "a.png", "--model", "edsr", "-o", "out.png"), ["paper"]),
        (("upscale", "a.png", "--model", "edsr_test", "-o", "out.png", *small), ["test", "my simple"]),
        (("export", "edsr_test", "--as", "basicsr-options", "-o", "a.yml", *small), ["test", "my simple"]),
    ):
        error = rssr(*command, cwd=tmp_path).stderr
        ((found, folder),) = re.findall(r"`(snakemake [^`]*)` in (\S+?)(?:, or take .*)?$", error.strip())
        assert folder == str(ROOT) and [Path(word).stem for word in shlex.split(found)[-len(read) :]] == read
        planned(found, ROOT)


class Halves(torch.nn.Module):
    """A network that takes even sides only."""

    def forward(self, x):
        half = torch.nn.functional.pixel_unshuffle(x, 2)
        return torch.nn.functional.interpolate(half[:, :3], scale_factor=8)


def test_multiple_of_helps_a_network_that_asks_for_it():
    entry = {"arch": "test_remedies:Halves"}
    with pytest.raises(UserError, match="set `multiple_of` if it needs"):
        build(entry)(torch.zeros(1, 3, 9, 8))
    assert build(entry | {"multiple_of": 2})(torch.zeros(1, 3, 9, 8)).shape == (1, 3, 36, 32)


def test_make_knows_what_documents_and_makefile_name():
    texts = [path.read_text(encoding="utf-8") for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))]
    named = {found for text in texts for found in re.findall(r"`make ([a-z][a-z-]*)", text)}
    assert {"audit", "lint", "test"} <= named
    for target in named:
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


def test_snakemake_rules_that_texts_name_exist():
    named = {found for text in TEXTS for found in re.findall(r"`snakemake ([a-z_]+)\b", text)}
    assert named == {"data"} and named <= RULES
    assert all(Path(path).exists() for path in SOURCES)
