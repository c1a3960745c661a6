"""The README shows what is committed, and what it tells people to type is there."""

import os
import re
import subprocess
import sys

import torch
import yaml

from rssr.base import ROOT
from rssr.config import validate
from rssr.models.registry import build
from rssr.plan.dag import Dag

README = (ROOT / "README.md").read_text(encoding="utf-8")
REFERENCE = ROOT / "results/reference/default"


def test_table_is_what_the_committed_scores_give(tmp_path):
    dag = Dag(yaml.safe_load((ROOT / "config/config.yaml").read_text()), "config/config.yaml")
    told = {
        "models": dag.labels,
        "published": dag.published_values,
        "protocol": dag.protocol("neon", "bicubic"),
        "title": dag.title("neon", "bicubic"),
        "statistics": dag.statistics,
        "out": tmp_path / "table",
    }
    options = [part for name, value in told.items() for part in (f"--{name}", str(value))]
    scores = [REFERENCE / f"scores/neon/bicubic/{model}.csv" for model in dag.config.models]
    command = [sys.executable, "workflow/scripts/render_quality.py", *options, "--scores", *map(str, scores)]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
    rendered = (tmp_path / "table.md").read_text(encoding="utf-8").strip()
    shown = re.search(r"<!-- quality -->\n(.*)<!-- end -->", README, re.DOTALL)[1]
    assert shown.strip() == rendered
    assert (REFERENCE / "tables/quality_neon_bicubic.md").read_text(encoding="utf-8").strip() == rendered


def test_nothing_is_left_to_fill_in():
    assert not re.search(r"@[A-Z]+@", README)


def test_links_lead_somewhere():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert len(links) > 10
    for link in links:
        assert (ROOT / link).exists(), link


def test_examples_validate():
    blocks = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    models, data_set, degradations = (yaml.safe_load(block) for block in blocks)
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    config["models"] |= models["models"]
    config["datasets"] |= data_set["datasets"]
    config |= degradations
    assert {"swinir", "someones_upload"} <= set(validate(config, "README.md").models)
    with torch.inference_mode():
        assert build(models["models"]["swinir"])(torch.rand(1, 3, 100, 100)).shape == (1, 3, 400, 400)
