"""The README shows what is committed, and its example of a baseline works."""

import os
import re
import subprocess
import sys

import torch
import yaml

from rssr.base import ROOT
from rssr.config import validate
from rssr.config.models import entry_at
from rssr.models.registry import build
from rssr.plan import jobs
from rssr.plan.plan import Plan

README = (ROOT / "README.md").read_text(encoding="utf-8")
REFERENCE = ROOT / "results/reference/default"


def test_table_is_what_the_committed_scores_give(tmp_path):
    (tmp_path / "results").symlink_to(REFERENCE)
    plan = Plan(yaml.safe_load((ROOT / "config/config.yaml").read_text()), "config/config.yaml")
    test = next(test for test in plan.test_sets if test.key == "neon/x4-bicubic")
    models = plan.models_at(test.scale)
    options = {
        "models": [jobs.rows(models)],
        "scores": [test.artifact("scores", "csv", model.name).path for model in models],
        "records": [test.artifact("scores", "json", model.name).path for model in models],
        "hr-manifest": [test.artifact("hr").path],
        "literature": [str(ROOT / "config/literature.yaml")],
        "test-set": [jobs.test_sets([test])],
        "statistics": [jobs.statistics(plan)],
        "out": ["table"],
    }
    script = ROOT / "workflow/scripts/render_quality.py"
    command = [
        sys.executable,
        str(script),
        *(part for key, values in options.items() for part in (f"--{key}", *values)),
    ]
    subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
    rendered = (tmp_path / "table.md").read_text(encoding="utf-8").strip()
    shown = re.search(r"<!-- quality -->\n(.*)<!-- end -->", README, re.DOTALL)[1]
    assert shown.strip() == rendered
    assert (tmp_path / test.artifact("quality", "md").path).read_text(encoding="utf-8").strip() == rendered


def test_the_committed_report_names_no_path_of_the_machine_that_made_it():
    page = (REFERENCE / "report/index.html").read_text(encoding="utf-8")
    assert 'data-command="snakemake --cores all"' in page and "--configfile" not in page
    assert not re.search(r"/(tmp|home|root|work)/", page)


def test_nothing_is_left_to_fill_in():
    assert not re.search(r"@[A-Z]+@", README)


def test_it_is_short():
    assert len(README.splitlines()) <= 120


def test_the_example_of_a_baseline_works():
    (models,) = (yaml.safe_load(block)["models"] for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL))
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    config["models"] |= models
    assert {"swinir", "someones_upload"} <= set(validate(config, "README.md").models)
    with torch.inference_mode():
        assert build(entry_at(models["swinir"], 4))(torch.rand(1, 3, 20, 20)).shape == (1, 3, 80, 80)
