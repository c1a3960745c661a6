"""Objects of a configuration: artifacts and their paths, test sets, models at scales, and that no names meet."""

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
from objects import a_plan

from rssr.base.errors import UserError
from rssr.plan import arguments, jobs, targets
from rssr.plan.artifacts import KINDS, Artifact, artifact_at, by_model
from rssr.plan.dependencies import own_code
from rssr.plan.fingerprints import Fingerprints
from rssr.plan.manifests import incomplete
from rssr.plan.replicate import SINGLE, drawn, seeded, weights_of

VALUES = {
    "dataset": "neon_hard",
    "split": "test",
    "scale": 4,
    "degradation": "hard_bicubic",
    "model": "edsr_xs",
    "replicate": "seed10",
    "metric": "lpips",
    "shard": "2-of-12",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_path_tells_its_artifact(kind):
    stem, suffixes = KINDS[kind]
    values = {key: value for key, value in VALUES.items() if f"{{{key}}}" in stem}
    for suffix in suffixes:
        artifact = Artifact(kind, suffix, **values)
        assert artifact_at(artifact.path) == artifact
    assert Artifact(kind, **values).renderings == [Artifact(kind, suffix, **values).path for suffix in suffixes]


def test_what_is_no_artifact_is_refused():
    with pytest.raises(UserError, match="results/tables/neon.csv is not a file of a run"):
        artifact_at("results/tables/neon.csv")


def test_rows_say_which_methods_have_no_weights():
    models = {
        "bicubic": {"label": "Bicubic", "arch": "bicubic"},
        "mine": {"label": "Mine", "arch": "torch.nn:Upsample", "args": {"scale_factor": 4}, "weightless": True},
        "edsr": {"label": "EDSR", "arch": "basicsr:EDSR", "train": "test"},
    }
    plan = a_plan(scale=4, models=models, analysis=None)
    assert [model.row.get("weightless", False) for model in plan.models] == [True, True, False]
    assert [model.gpus for model in plan.models] == [0, 1, 1], "an interpolation alone needs no GPU"


def test_names_with_underscores_never_meet():
    """Data set `neon` with degradation `hard_bicubic`, and `neon_hard` with `bicubic`."""
    synthetic = {"label": "Synthetic", "module": "synthetic"}
    steps = {name: [{"reduce": "bicubic"}] for name in ("hard_bicubic", "bicubic")}
    plan = a_plan(
        datasets={"neon": synthetic, "neon_hard": synthetic | {"label": "Hard"}},
        degradations=steps,
        scale=[2, 4],
        audit=None,
        analysis=None,
    )
    kinds = ("quality", "significance", "win_rate", "lr", "hr")
    found = [test.artifact(kind).path for test in plan.test_sets for kind in kinds if kind != "hr"]
    assert len(plan.test_sets) == 2 * 2 * 2
    assert len(set(found)) == len(found)
    everything = targets.everything(plan)
    assert len(set(everything)) == len(everything)
    for path in everything:
        assert artifact_at(path).path == path


def test_files_are_matched_to_models_by_what_they_are():
    paths = [f"results/scores/neon/x4-bicubic/{name}.csv" for name in ("b", "a")]
    assert {name: str(path) for name, path in by_model(paths).items()} == {"b": paths[0], "a": paths[1]}


def test_a_test_set_survives_its_way_to_a_script():
    plan = a_plan(degradations={"hard": [{"blur": 1.2, "size": 7}, {"reduce": "bicubic"}, {"noise": 5}]})
    (test,) = plan.test_sets
    assert arguments.test_set(jobs.test_sets([test])) == test
    assert test.title == "Synthetic, " + test.conditions
    assert test.key == "synthetic/x4-hard"
    assert json.loads(jobs.test_sets([test])) == [json.loads(json.dumps(asdict(test)))]


def test_names_say_scale_and_degradation_where_there_are_several():
    assert a_plan().test_sets[0].name == "Synthetic"
    several = a_plan(scale=[2, 4], degradations=["bicubic", "bicubic_jpeg"], analysis=None, audit=None)
    assert several.test_sets[1].name == "Synthetic, x2, bicubic_jpeg"


def test_the_scale_of_weights_is_known_before_anything_is_loaded(tmp_path, monkeypatch):
    """At its own scale a model has its row; at another it is left out with the reason, or the run is refused."""
    from rssr.models.weights import write_weights

    monkeypatch.chdir(tmp_path)
    write_weights(tmp_path / "x4.safetensors", {}, scale=4)
    entry = {"label": "EDSR", "arch": "basicsr:EDSR", "args": {}, "weights": {"path": "x4.safetensors"}}
    models = {"bicubic": {"label": "Bicubic", "arch": "bicubic"}, "edsr": entry}
    plan = a_plan(models=models, scale=[2, 4], audit=None, analysis=None)
    assert [model.name for model in plan.models_at(2)] == ["bicubic"]
    assert [model.name for model in plan.models_at(4)] == ["bicubic", "edsr"]
    assert plan.notes_at(2) == ["EDSR: no row at x2, since x4.safetensors has weights for x4"]
    assert plan.notes_at(4) == []
    assert {m.label: m.notes for m in plan.models_at(4) if m.notes} == {"EDSR": ["weights loaded from x4.safetensors"]}
    looked_into = {
        "audit": {"datasets": ["synthetic"], "models": ["edsr"]},
        "analysis": {"dataset": "synthetic", "models": ["edsr", "bicubic"]},
    }
    plan = a_plan(models=models, scale=[2, 4], **looked_into)
    assert targets.everything(plan) and plan.audited == []
    assert [model.name for _, model in plan.analysed] == ["bicubic"]
    with pytest.raises(UserError, match="models.edsr has no weights for x2"):
        plan.model_at("edsr", 2)
    with pytest.raises(
        UserError, match="models.edsr: x4.safetensors has weights for x4, not for the configuration's x2"
    ):
        a_plan(models=models, scale=2, audit=None, analysis=None)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ({"path": "my#1?x.pth"}, "my#1?x.pth"),
        ({"url": "https://a.example/w/x.pth?download=1#top", "sha256": "0" * 64}, "x.pth"),
        ({"url": ["https://b.example/y.pth", "https://c.example/z.pth"], "sha256": "0" * 64}, "y.pth"),
    ],
)
def test_a_note_names_the_file_that_weights_are_loaded_from(tmp_path, monkeypatch, file, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my#1?x.pth").touch()
    entry = {"label": "EDSR", "arch": "basicsr:EDSR", "args": {}, "weights": file}
    plan = a_plan(models={"bicubic": {"label": "Bicubic", "arch": "bicubic"}, "edsr": entry}, audit=None, analysis=None)
    assert plan.model_at("edsr", 4).notes == [f"weights loaded from {name}"]


def test_replicates_have_names():
    plan = a_plan()
    assert plan.model_at("bicubic", 4).replicates == [SINGLE]
    assert plan.model_at("edsr_test", 4).replicates == [seeded(10)] == ["seed10"]
    several = a_plan(training={"test": {"iterations": 1, "optimiser": {"lr": 1}, "seeds": [10, 3]}})
    model = several.model_at("edsr_test", 4)
    assert model.replicates == ["seed10", "seed3"] and model.seed_of == {"seed10": 10, "seed3": 3}
    assert "seed" not in jobs.recipe(several.config, model), "a further seed trains none of the others again"
    assert "devices" not in jobs.recipe(several.config, model), "nor does another number of devices"
    assert "_every" not in jobs.recipe(several.config, model).replace("validate_every", ""), (
        "nor what is written how often"
    )
    draws = [drawn(name, number) for name in ("seed10", "seed1") for number in range(12)]
    assert draws[:2] == ["seed10", "seed10_draw1"]
    assert list(weights_of(draws).values()) == ["seed10"] * 12 + ["seed1"] * 12
    (weights,) = plan.model_at("edsr_test", 4).weights("synthetic")
    assert weights.path == "results/weights/edsr_test/synthetic/x4/seed10.safetensors"


def test_a_recipe_that_validates_needs_a_val_split(tmp_path):
    for split in ("train", "val", "test"):
        (tmp_path / f"{split}.png").touch()
    of_weights = Artifact("weights", dataset="mine", scale=4, model="edsr_test")

    def plan(*splits, **changes):
        mine = {"label": "Mine", "images": str(tmp_path), "split": {split: f"{split}.png" for split in splits}}
        training = {"test": {"iterations": 1, "optimiser": {"lr": 1}} | changes}
        return a_plan(training=training, datasets={"mine": mine}, audit=None, analysis=None)

    assert plan("train", "test").validation_images(of_weights) == []
    images = plan("train", "val", "test", validate_every=10).validation_images(of_weights)
    folder = "results/data/mine/val"
    assert [artifact.folder.as_posix() for artifact in images] == [f"{folder}/HR-x4", f"{folder}/LR/x4-bicubic"]
    with pytest.raises(UserError, match="training.test.validate_every: the data set 'mine' has no val split"):
        targets.everything(plan("train", "test", validate_every=10))


def test_what_is_trained_on_is_never_tested(tmp_path):
    """Links to test images are found as well; another folder's images of the same names are no test images."""
    for name in ("train/a.png", "test/a.png", "val/a.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    (tmp_path / "link.png").symlink_to("test/a.png")
    edsr = {"label": "EDSR", "arch": "basicsr:EDSR", "args": {}, "train": "test", "train_on": "other"}

    def plan(split, **changes):
        images = {"images": str(tmp_path)}
        datasets = {
            "mine": images | {"label": "Mine", "split": {"train": "val/*", "test": "test/*"}},
            "other": images | {"label": "Other", "split": split},
        }
        training = {"test": {"iterations": 1, "optimiser": {"lr": 1}} | changes}
        return a_plan(training=training, datasets=datasets, models={"edsr": edsr}, audit=None, analysis=None)

    assert targets.everything(plan({"train": "train/*", "val": "test/*"}))
    said = r"models.edsr.train_on: \S+test/a.png is in the {} split of 'other' and in the test split of 'mine'"
    for pattern in ("test/*", "*.png"):
        with pytest.raises(UserError, match=said.format("train")):
            targets.everything(plan({"train": pattern}))
    with pytest.raises(UserError, match=said.format("val")):
        targets.everything(plan({"train": "train/*", "val": "test/*"}, validate_every=10))


def test_a_run_without_a_test_split_is_refused(tmp_path):
    (tmp_path / "a.png").touch()
    mine = {"label": "Mine", "images": str(tmp_path), "split": {"train": "*"}}
    with pytest.raises(UserError, match="datasets: no data set has a test split, .*: add one to a `split`"):
        targets.everything(a_plan(datasets={"mine": mine}, audit=None, analysis=None))


def test_lost_images_are_found_in_every_replicate(tmp_path):
    manifest = tmp_path / "manifest.csv"
    assert incomplete(manifest) == ""
    manifest.write_text("image,replicate\na,0\na,0_draw1\n")
    for name in ("0", "0_draw1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").touch()
    assert incomplete(manifest) == ""
    shutil.rmtree(tmp_path / "0_draw1")
    assert incomplete(manifest).endswith("lists 1 images that no longer exist, such as 0_draw1/a.png")
    manifest.write_bytes(manifest.read_bytes()[:-9])
    assert "manifest.csv is damaged (it has no rows, its last" in incomplete(manifest)
    manifest.write_text("a\n1\n")
    assert incomplete(manifest).endswith("manifest.csv is damaged (it has no 'image')")


def test_a_file_replaced_by_an_older_one_is_another_file(tmp_path):
    """Of the same size, with its time kept, as `cp -p` does it; a touched file is the same one."""
    best, older = tmp_path / "best {1}.pth", tmp_path / "older.pth"
    best.write_bytes(b"one")
    older.write_bytes(b"two")
    os.utime(older, (1e9, 1e9))

    def found(write=True):
        return Fingerprints(tmp_path / "note.json", write).of([best])

    first = found()
    best.touch()
    assert found() == first
    best.rename(tmp_path / "kept.pth")
    shutil.copy2(older, best)
    second = found(write=False)
    assert second != first
    shutil.copy2(tmp_path / "kept.pth", best)
    assert found() == first
    os.utime(best, (1e9, 1e9))
    second = found()
    best.write_bytes(b"two")
    os.utime(best, (1e9, 1e9))
    assert found() != second, "the same size and time, another content"


def test_a_users_module_is_tracked_wherever_python_finds_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets/net.py").write_text("from . import parts\nfrom rssr.models import layers\nimport torch\n")
    (tmp_path / "nets/parts.py").touch()
    assert [Path(path).name for path in own_code("nets.net")] == ["net.py", "parts.py"]
    assert own_code("rssr.models.hsenet") == own_code("basicsr") == own_code("") == own_code("torch.nn") == []


SOUND = {
    "a byte order mark": b"\xef\xbb\xbffrom nets import parts\n",
    "Latin-1": "# coding: latin-1\nfrom nets import parts  # für\n".encode("latin-1"),
}
BROKEN = {
    "line 2: invalid syntax": b"import torch\ndef (:\n",
    "source code string cannot contain null bytes": b"x = 1\0\n",
    "line 1: too many nested parentheses": b"(" * 300,
    "it is nested too deeply": b"-" * 200000 + b"1",
    "line 1: .unicode error. 'utf-8' codec can't decode": b"x = '\xe9'\n",
}


@pytest.fixture
def nets(tmp_path, monkeypatch):
    """The folder of a user's package `nets`."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets/parts.py").touch()
    return tmp_path / "nets"


@pytest.mark.parametrize("content", SOUND.values(), ids=SOUND)
def test_a_users_module_is_read_as_python_reads_it(nets, content):
    (nets / "net.py").write_bytes(content)
    assert [Path(path).name for path in own_code("nets.net")] == ["net.py", "parts.py"]


@pytest.mark.parametrize(("said", "content"), BROKEN.items(), ids=BROKEN)
def test_a_users_module_that_python_cannot_read_is_named(nets, said, content):
    (nets / "net.py").write_bytes(content)
    with pytest.raises(UserError, match=f"net.py.*{said}.*: correct the module$"):
        own_code("nets.net")
