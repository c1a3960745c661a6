"""Shards: several jobs for one test set, with the bytes of one."""

import os
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
import torch
from objects import a_plan
from runs import Project
from test_upscaling import Noisy
from test_workflow import rules

from rssr.base import ROOT
from rssr.base.errors import UserError
from rssr.base.files import read_json, sha256, write_csv, write_image, write_json
from rssr.base.images import read_tensor
from rssr.models.registry import build
from rssr.plan.manifests import incomplete
from rssr.plan.shards import WHOLE, Shard, shards_among, shards_for
from rssr.render.scores import read_scores
from rssr.steps.audit import audit, means
from rssr.steps.scoring import TestImages, merge_scores, score_folder, write_scores
from rssr.steps.shards import merged
from rssr.steps.upscaling import merge_upscaled, upscale_folder

NAMES = [f"image_{number}" for number in range(7)]
HUNGRY = build({"arch": "test_upscaling:Hungry", "args": {"room": 32}})  # memory has no room for the fifth as a whole


def test_shards_have_each_image_once_in_order():
    for images, size in ((2016, 500), (7, 2), (7, 3), (3, 1)):
        shards = shards_for(images, size)
        parts = [shard.of(range(images)) for shard in shards]
        assert [image for part in parts for image in part] == list(range(images))
        assert max(map(len, parts)) <= size and len(shards) == -(-images // size)
        assert [Shard.named(shard.name) for shard in shards] == shards
    assert shards_for(500, 500) == [] and WHOLE.of(NAMES) == NAMES


def test_results_of_shards_are_found_by_number():
    names = [f"results/shards/set/x4-bicubic/net/{number}-of-12/scores.csv" for number in range(1, 13)]
    assert shards_among(sorted([*names, "metrics/fidelity.py"]), "scores_shard") == names
    assert shards_among(names, "sr_shard") == []


@pytest.mark.parametrize(("size", "count", "of_audit"), [(8, 0, 0), (7, 2, 0), (1, 8, 2)])
def test_how_many_shards_a_set_has_is_known_before_it_is_prepared(size, count, of_audit):
    plan = a_plan(shards={"images": size})
    assert len(plan.shards("synthetic")) == count and len(plan.shards("synthetic", most=2)) == of_audit
    assert a_plan().shards("synthetic") == []


@pytest.fixture
def prepared(tmp_path):
    """Seven HR and LR images with their manifests; the fifth is the largest."""
    random = np.random.default_rng(0)
    for folder, scale in (("HR", 4), ("LR", 1)):
        rows = []
        for name in NAMES:
            side = scale * (40 if name == "image_4" else 8)
            digest = write_image(tmp_path / folder / f"{name}.png", random.integers(0, 256, (side, side, 3), "uint8"))
            rows.append({"image": name, "source": name, "sha256": digest})
        write_csv(tmp_path / folder / "manifest.csv", rows)
    return tmp_path


def upscale(folder, model, shard=WHOLE, identity="one", out="sr"):
    part = folder / "shards" / shard.name / "manifest.csv"
    images = folder / "LR", folder / out, identity, torch.device("cpu"), 1, shard
    upscale_folder({"0": model}, 2, *images, None if shard == WHOLE else part)
    write_json(part.with_name("provenance.json"), {"device": f"cpu of {shard.number}", "code": "a"})
    return part


def contents(folder):
    return {
        str(path.relative_to(folder)): sha256(path) for path in folder.rglob("*.*") if path.suffix in (".png", ".csv")
    }


def score(folder, out="sr", shard=WHOLE, manifest=None, parts=()):
    images = TestImages(folder / "HR", folder / "LR", [], 4, 4)
    manifest = manifest or folder / out / "manifest.csv"
    path = manifest.with_name("scores.csv") if shard != WHOLE else folder / f"{out}_scores.csv"
    how = images, ["psnr_y", "ssim_y"]
    if parts:
        rows = merge_scores(parts, images, manifest)
    else:
        rows = score_folder(folder / out, *how, "", {}, 1, shard, manifest)
    write_scores(path, rows, manifest, *how, {})
    return path


@pytest.mark.parametrize("count", [3, 9])  # of nine shards of seven images, two are empty
@pytest.mark.parametrize(("model", "tiled"), [(Noisy(), None), (HUNGRY, {"images": 1, "of": 7, "side": 32})])
def test_merged_images_and_scores_have_the_bytes_of_one_job(prepared, model, tiled, count):
    upscale(prepared, model)
    whole = score(prepared)
    shards = [Shard(number, count) for number in range(1, count + 1)]
    parts = [upscale(prepared, model, shard, out="merged") for shard in shards]
    listed = [part.read_bytes() for part in parts]
    assert listed == [upscale(prepared, model, shard, out="merged").read_bytes() for shard in shards]
    (prepared / "merged/0/stale.png").touch()
    merge_upscaled(parts, prepared / "LR", prepared / "merged")
    assert contents(prepared / "merged") == contents(prepared / "sr")
    assert not any(incomplete(part, prepared / "merged") for part in parts)
    scores = [score(prepared, "merged", *shard_and_part) for shard_and_part in zip(shards, parts, strict=True)]
    path = score(prepared, "merged", parts=scores)
    assert path.read_bytes() == whole.read_bytes()
    expected = read_json(whole.with_suffix(".json"))
    assert expected.get("tiled_for_memory") == tiled
    for fact in ("tiled_for_memory", "scores_sha256", "sr_manifest_sha256"):
        assert read_json(path.with_suffix(".json")).get(fact) == expected.get(fact)
    assert len(read_scores(path)) == len(NAMES)
    with pytest.raises(UserError, match="have other images than their test set"):
        merged(scores[:2], NAMES)
    with pytest.raises(UserError, match="have other images than their test set"):
        merged(scores[::-1], NAMES)


def test_damage_of_a_shard_is_noticed(prepared):
    shards = shards_for(len(NAMES), 4)
    parts = [upscale(prepared, Noisy(), shard) for shard in shards]
    merge_upscaled(parts, prepared / "LR", prepared / "sr")
    scores = [score(prepared, "sr", *shard_and_part) for shard_and_part in zip(shards, parts, strict=True)]
    lines = scores[1].read_text().splitlines(keepends=True)
    scores[1].write_text("".join(lines[:-1]))
    with pytest.raises(UserError, match="scores.csv is damaged .*its sha256"):
        score(prepared, parts=scores)
    lines = parts[1].read_text().splitlines(keepends=True)
    parts[1].write_text("".join(lines[:-2]))
    with pytest.raises(UserError, match="2-of-2/manifest.csv lacks image_6: it is damaged"):
        score(prepared, "sr", shards[1], parts[1])
    with pytest.raises(UserError, match="have other images than their test set"):
        merge_upscaled(parts, prepared / "LR", prepared / "sr")
    parts[1].write_text("".join(lines)[:-9])
    assert "2-of-2/manifest.csv is damaged" in incomplete(parts[1], prepared / "sr")
    parts[1].write_text("".join(lines))
    (prepared / "sr/0/image_6.png").unlink()
    assert incomplete(parts[1], prepared / "sr").endswith("lists 1 images that no longer exist, such as 0/image_6.png")
    assert incomplete(parts[0], prepared / "sr") == ""


def test_the_audit_of_shards_has_the_numbers_of_one_job(prepared):
    images = {name: read_tensor(prepared / "HR" / f"{name}.png") for name in NAMES[:3]}
    write_csv(prepared / "whole.csv", means(audit(Noisy(), images, 4)).to_dict("records"))
    parts = []
    for shard in shards_for(3, 1):
        parts.append(prepared / f"{shard.name}.csv")
        write_csv(parts[-1], audit(Noisy(), {name: images[name] for name in shard.of(NAMES[:3])}, 4))
    write_csv(prepared / "merged.csv", means(merged(parts, NAMES[:3])).to_dict("records"))
    assert (prepared / "merged.csv").read_bytes() == (prepared / "whole.csv").read_bytes()


class Dies(Noisy):
    """Fails at the third image."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        if self.calls > 4:
            raise KeyboardInterrupt
        return super().forward(x)


def times(folder):
    return {path.name: path.stat().st_mtime_ns for path in (folder / "sr/0").glob("*.png")}


def test_a_shard_resumes_and_leaves_the_others_alone(prepared):
    first, second = shards_for(len(NAMES), 4)
    upscale(prepared, Noisy(), first)
    with pytest.raises(KeyboardInterrupt):
        upscale(prepared, Dies(), second)
    before = times(prepared)
    assert len(before) == 5
    upscale(prepared, Noisy(), second)
    after = times(prepared)
    assert before.items() <= after.items() and set(after) == {f"{name}.png" for name in NAMES}


def test_images_of_another_network_are_never_kept(prepared):
    """Whether it made them in other shards or in one piece, and also once the first network comes back."""
    shards = shards_for(len(NAMES), 4)
    for others in ([WHOLE], shards_for(len(NAMES), 3)):
        for shard in shards:
            upscale(prepared, Noisy(), shard, "one")
        expected, before = contents(prepared / "sr/0"), times(prepared)
        for shard in others:
            upscale(prepared, torch.nn.Upsample(scale_factor=4), shard, "two")
        for shard in shards:
            upscale(prepared, Noisy(), shard, "one")
        assert contents(prepared / "sr/0") == expected and not before.items() & times(prepared).items()


RESULTS = (
    "results/scores/synthetic/x4-bicubic/bicubic.csv",
    "results/audit/synthetic/x4/bicubic.csv",
    "results/sr/synthetic/x4-bicubic/bicubic/manifest.csv",
)


@pytest.mark.slow
def test_a_run_in_shards_is_killed_and_resumes_with_the_same_bytes(tmp_path):
    folder = tmp_path / "run"
    (folder / "config").mkdir(parents=True)
    shutil.copy2(ROOT / "config/test.yaml", folder / "config/test.yaml")
    project, targets = Project(folder, tmp_path), ("-s", str(ROOT / "Snakefile"), "--", *RESULTS)
    project.change(audit={"images": 8})
    project.run(*targets)
    before = {name: (folder / name).read_bytes() for name in RESULTS}
    project.change(audit={"images": 8}, shards={"images": 1})
    assert project.jobs(*targets) == set()
    for name in ("scores", "audit", "sr"):
        shutil.rmtree(folder / "results" / name)
    # What a cluster's job plans that is tried again, in which the first attempt has deleted the result.
    again = {rule for rule, _ in project.jobs("--attempt", "2", *targets)}
    assert again == {"upscale_images", "score_images", "audit_protocol"}
    planned = [rule for rule, _ in project.jobs(*targets)]
    assert {name: planned.count(name) for name in planned} == {
        **{"upscale_shard": 8, "score_shard": 8, "audit_shard": 8},
        **{"upscale_images": 1, "score_images": 1, "audit_protocol": 1},
    }
    project.change(audit={"images": 8}, shards={"images": 7})
    run = subprocess.Popen(**project.process(*targets), stdout=subprocess.DEVNULL, start_new_session=True)
    while not (scored := list(folder.glob("results/shards/*/*/bicubic/*/scores.csv"))) and run.poll() is None:
        time.sleep(0.1)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    finished = scored[0].with_name("manifest.csv")  # a job that ended before the one that was killed
    kept = finished.stat().st_mtime_ns
    project.run(*targets)
    assert finished.stat().st_mtime_ns == kept
    assert len(list(folder.glob("results/shards/*/*/bicubic/*/scores.csv"))) == 2
    assert {name: (folder / name).read_bytes() for name in RESULTS} == before
    project.change(audit={"images": 8})
    assert project.jobs(*targets) == set()
    next(folder.glob("results/sr/*/*/bicubic/0/test_1_*.png")).unlink()
    assert rules(project.jobs(*targets)) == {"upscale_shard", "score_shard", "upscale_images", "score_images"}
