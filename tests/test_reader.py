"""Reading of configuration files: numbers, encodings, several files, and what is no YAML."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from runs import rssr
from snakemake.cli import parse_config

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.config import load, read, unquoted, validate

HEAD = 'datasets: {mine: {label: Mine, images: img, split: {test: "*"}}}\n'
NET = HEAD + "models: {net: {label: Net, arch: 'a:B', train: r, args: {%s}}}\n"
NET += "training: {r: {epochs: 1, optimiser: {lr: 5e-4}}}"

ARGS = {"a": False, "b": [1, {"c": 0.001}], "d": "x", "e": None, "f": "="}


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
        *(("0001__02", "0001__02"), ("1_", "1_"), ("2024-02-30", "2024-02-30"), ("2024-02-03", "2024-02-03")),
        *(("1.4.2", "1.4.2"), ("0b11", 3), ("'1e-3'", "1e-3"), ("[1e-3, 08]", [0.001, 8])),
    ],
)
def test_numbers_are_numbers(tmp_path, written, read_as):
    (tmp_path / "c.yaml").write_text(NET % f"eps: {written}")
    content = read(tmp_path / "c.yaml")
    found = content["models"]["net"]["args"]["eps"]
    assert (found, type(found)) == (read_as, type(read_as)) and content["training"]["r"]["optimiser"]["lr"] == 5e-4


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
        (b"a: !!bool maybe", "is not YAML"),
        (b"a: !!timestamp foo", "is not YAML"),
        (b"{a: 1, b: {c: 1, 'c': 2}}", "the key 'c' is given twice, in lines 1 and 1"),
        (b"", "'datasets' is required: add it, or give the file that this one changes before it, as in config/config"),
        (b"- a", "a mapping of keys to values is expected"),
        (b"a: !!python/object/apply:os.system [ls]", "could not determine a constructor for the tag"),
        (b"a: [1", "expected ',' or ']'"),
        (b"a: 1\n---\nb: 2", "expected a single document in the stream, but found another document in line 2"),
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


@pytest.mark.parametrize(
    ("earlier", "later", "message"),
    [
        ("metrics: {psnr_y: }", "metrics: {ssim_y: null}", "metrics.ssim_y is .*: write ssim_y: {} to add it"),
        ("metrics: {psnr_y: }", "metrics: {ssim_y: {}}", None),
        ("metrics: {psnr_y: , ssim_y: }", "metrics: {ssim_y: null}", None),
        (
            "degradations: {bicubic: }",
            "degradations: {blur_bicubic: }",
            "degradations.blur_bicubic is null or",
        ),
        ("degradations: [bicubic]", "degradations: {bicubic: , blur_bicubic: }", None),
    ],
)
def test_null_adds_nothing_to_what_an_earlier_file_has(tmp_path, earlier, later, message):
    for name, text in (("a", earlier), ("b", later)):
        (tmp_path / f"{name}.yaml").write_text(text)
    files = tmp_path / "a.yaml", tmp_path / "b.yaml"
    if message is None:
        assert read(*files)
    else:
        with pytest.raises(UserError, match=f"b.yaml: {message}"):
            read(*files)


def test_null_removes_whatever_was_there_but_is_a_value_in_args(tmp_path):
    (tmp_path / "a.yaml").write_text("{m: {psnr_y: , ssim_y: }, r: {b: 16}, f: {sha256: 1}, args: {k: 1, d: {x: 1}}}")
    (tmp_path / "b.yaml").write_text("{m: {ssim_y: null}, r: {b: null}, f: {sha256: null}, args: {k: null, d: null}}")
    found = read(tmp_path / "a.yaml", tmp_path / "b.yaml")
    assert found == {"m": {"psnr_y": None}, "r": {}, "f": {"sha256": None}, "args": {"k": None}}


def test_a_merged_mapping_may_be_merged_again(tmp_path):
    text = "a: {b: &z {<<: &y {label: A}, label: Z}}\nc: {<<: *z}\nd: {<<: *z, label: D}"
    (tmp_path / "a.yaml").write_text(text)
    assert read(tmp_path / "a.yaml") == {"a": {"b": {"label": "Z"}}, "c": {"label": "Z"}, "d": {"label": "D"}}


def test_missing_and_unparsable_files(tmp_path):
    with pytest.raises(UserError, match="none.yaml cannot be read"):
        load(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("models: [")
    with pytest.raises(UserError, match="bad.yaml is not YAML"):
        load(tmp_path / "bad.yaml")


@pytest.mark.parametrize(
    ("entry", "keys", "expected"),
    [
        ("models={net: {args: {a: false, b: [1, {c: 1e-3}], d: x, e: null, 'f': =}}}", "models.net.args", ARGS),
        ("models={net: {label: '1', weights: {path: '2024'}}}", "models.net.label", "1"),
        ("models={net: {label: '1', weights: {path: '2024'}}}", "models.net.weights.path", "2024"),
        ("models={net: {range: 255}}", "models.net.range", 255),
        ("models={net: {note: null}}", "models.net.note", None),
        ("models={net: {tile: {size: 0x10, overlap: 4}}}", "models.net.tile.size", 16),
        ("metrics={ssim_y: , psnr_y: null}", "metrics.ssim_y.required", True),
        ("scale=[2]", "scale", (2,)),
        ("crop=null", "crop", None),
        ("audit=null", "audit", None),
        ("weights_dir=~/x", "weights_dir", str(Path.home() / "x")),
    ],
)
def test_what_snakemake_was_given_is_read_as_if_it_stood_in_a_file(tmp_path, entry, keys, expected):
    (tmp_path / "c.yaml").write_text(
        HEAD + "crop: 4\naudit: {datasets: [mine], models: [net]}\n"
        "models: {net: {label: N, note: x, arch: 'a:B', weights: {path: w}}}"
    )
    found = validate(read(tmp_path / "c.yaml", over=unquoted(parse_config([entry]))), "c.yaml")
    for key in keys.split("."):
        found = found[key] if isinstance(found, dict) else getattr(found, key)
    assert (found, type(found)) == (expected, type(expected))
    assert found != ARGS or found["a"] is False


def test_null_given_to_snakemake_removes_and_what_is_wrong_is_named(tmp_path):
    (tmp_path / "c.yaml").write_text(HEAD + "models: {x: {label: X, arch: bicubic}, y: {label: Y, arch: nearest}}")
    found = read(tmp_path / "c.yaml", over=unquoted(parse_config(["models={x: null}"])))
    assert list(validate(found, "c.yaml").models) == ["y"]
    for entry, message in (
        ("scale=[2, 7]", r"'scale': \[2, 7\] is unknown"),
        ("models={x: {multiple_of: yes}}", "'models.x.multiple_of': a number is expected, not true"),
        ("models={x: {multiple_of: a}}", "'models.x.multiple_of': a whole number is expected, not 'a'"),
    ):
        with pytest.raises(UserError, match=message):
            validate(read(tmp_path / "c.yaml", over=unquoted(parse_config([entry]))), "--config")


def test_snakemake_reads_a_configfile_before_any_file_of_ours(tmp_path):
    """Its own traceback therefore comes first, even without a Snakefile; `plan` says it in a sentence."""
    (tmp_path / "c.yaml").write_bytes("models: é".encode("latin-1"))
    command = [sys.executable, "-m", "snakemake", "-n", "-s", "no/such/Snakefile", "--configfile", tmp_path / "c.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode and "UnicodeDecodeError" in said and "Snakefile" not in said
    planned = rssr("plan", "--configfile", tmp_path / "c.yaml")
    assert planned.returncode == 1 and "c.yaml is not UTF-8 (byte 0xe9 in line 1): save it as UTF-8" in planned.stderr


@pytest.mark.parametrize(
    ("added", "file"),
    [
        ({"models": {"mine": {"lable": "Mine"}}}, "mine.yaml"),
        (
            {"models": {"mine": {"label": "Mine", "arch": "lstmconvsr", "train": "minute", "multiple_of": 0}}},
            "mine.yaml",
        ),
        ({"profile": {"size": [1, 64]}}, "mine.yaml"),
        ({"models": {"mine": {"label": "Mine", "arch": "bicubic"}}, "crops": 4}, "mine.yaml"),
        ({"training": {"minute": {"compile": "default"}}}, "base.yaml"),  # the wrong key is that of the other file
    ],
)
def test_of_several_files_the_one_with_the_wrong_key_is_named(tmp_path, added, file):
    base = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    if file == "base.yaml":
        base["training"]["minute"]["batch"] = 0
    paths = [tmp_path / name for name in ("base.yaml", "mine.yaml", "more.yaml")]
    for path, content in zip(paths, (base, added, {"report": {}}), strict=True):
        path.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=f"^{tmp_path}/{file}: '?[a-z]"):
        load(*paths)
    given = {"profile": {"size": [0, 64]}}
    with pytest.raises(UserError, match=r"^--config: 'profile\.size\.0'"):
        validate(read(ROOT / "config/config.yaml", over=given), [ROOT / "config/config.yaml", given])
