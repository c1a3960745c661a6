"""The documents: every command in them is checked here, no link is dead, generated parts are in step.

A block tagged `bash` has commands that are in CHECKED below. A command that cannot be checked stands in a block tagged
`console` with a line "not run in the tests". CONTRIBUTING.md is run as printed by test_contributing.py.
"""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from runs import rssr
from snakemake.cli import parse_args

from rssr.base import ROOT
from rssr.base.tensors import read_weights
from rssr.config import load, read, validate
from rssr.config.document import markdown
from rssr.plan.artifacts import artifact_at
from rssr.plan.plan import Plan
from rssr.plan.targets import everything

PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for pattern in ("*.md", "docs/*.md", "config/*.md", "datasets/*.md", "models/**/*.md", "metrics/*.md")
    for path in sorted(ROOT.glob(pattern))
}
RULES = {
    name
    for path in (ROOT, ROOT / "workflow/rules")
    for name in re.findall(
        r"^rule (\w+):",
        "\n".join(file.read_text() for file in (*path.glob("Snakefile"), *path.glob("*.smk"))),
        re.MULTILINE,
    )
}
MINE = """models:
  swinir:
    label: SwinIR
    arch: basicsr:SwinIR
    args: {upscale: 4, img_size: 24, window_size: 8, depths: [2, 2], embed_dim: 24, num_heads: [4, 4], mlp_ratio: 2}
    train: minute
"""


def blocks(page, kind):
    """The fenced blocks of a kind on a page."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGES[page], re.DOTALL | re.MULTILINE)


def commands():
    """(page, command) of all blocks tagged bash, without comments."""
    for page in PAGES:
        for block in blocks(page, "bash") if page != "CONTRIBUTING.md" else ():
            for line in filter(None, block.splitlines()):
                yield page, line.split("    #")[0].strip()


def made(command, folder):
    """make knows the target, and says what it would run."""
    _, target = command.split()
    said = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {"benchmark": "snakemake --cores all", "test": "python -m pytest", "verify": "rssr compare"}[target] in said


def planned(command, folder):
    """Snakemake takes the options, the configuration makes a plan, and the targets are rules or files of the plan."""
    if "mine.yaml" in command:
        (folder / "mine.yaml").write_text(MINE)
    _, options = parse_args(shlex.split(command)[1:])
    files = options.configfile or ["config/config.yaml"]
    paths = [folder / file if str(file) == "mine.yaml" else ROOT / file for file in files]
    plan = Plan(load(*paths).model_dump(mode="json", exclude_defaults=True), command)
    files = everything(plan)
    for target in options.targets:
        assert target in RULES or artifact_at(target).path in files, target


def upscaled(command, folder):
    """The command runs on a small picture in a folder of its own."""
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 4), dtype="uint8")
    Image.fromarray(image if "--bands" in command else image[..., :3]).save(folder / "scene.tif")
    result = rssr(*shlex.split(command)[3:], cwd=folder)
    assert result.returncode == 0, result.stderr
    out = shlex.split(command)[shlex.split(command).index("-o") + 1]
    with Image.open(folder / out) as result:
        assert result.size == (80, 80)


def exported(command, folder):
    """The command writes weights that can be read again."""
    result = rssr(*shlex.split(command)[3:], cwd=folder)
    assert result.returncode == 0, result.stderr
    assert read_weights(folder / shlex.split(command)[-1])


def compared(command, folder):
    """The command runs where the results are those of the committed run."""
    shutil.copytree(ROOT / "results/reference/default", folder / "results")
    (folder / "results/reference").symlink_to(ROOT / "results/reference")
    result = rssr(*shlex.split(command)[3:], cwd=folder)
    assert result.returncode == 0, result.stderr


def run(command, folder):
    """The command runs in the checkout."""
    subprocess.run(["bash", "-c", command.replace("python", sys.executable, 1)], cwd=ROOT, check=True)


def run_by(test):
    """Another test runs the command."""

    def check(command, folder):
        words = ", ".join(f'"{word}"' for word in shlex.split(command)[3:])
        assert words in (ROOT / "tests" / test).read_text(encoding="utf-8")

    return check


CHECKED = {
    "make benchmark": made,
    "make test": made,
    "make verify": made,
    "snakemake --cores all -n": planned,
    "snakemake --cores all": planned,
    "snakemake -np": planned,
    "source .venv/bin/activate": lambda command, folder: None,  # by the Makefile's own rule
    "snakemake --cores all --configfile config/test.yaml": planned,
    "snakemake --cores all --configfile config/config.yaml mine.yaml": planned,
    "snakemake -n --cores all --configfile config/config.yaml mine.yaml": planned,
    "snakemake data -n --configfile config/paper.yaml": planned,
    "snakemake data_status --cores 1 --configfile config/paper.yaml": planned,
    "snakemake data --cores all --configfile config/paper.yaml": planned,
    "snakemake --cores all --configfile config/paper.yaml": planned,
    "snakemake results/profile/x4/lstmconvsr.json --cores all --configfile config/paper.yaml": planned,
    "snakemake --cores all --configfile config/paper.yaml config/ablation.yaml": planned,
    "snakemake --cores all --configfile config/paper.yaml config/zoo.yaml": planned,
    "snakemake --cores all --configfile config/config.yaml config/pretrained.yaml": planned,
    "snakemake --workflow-profile profiles/gpu --configfile config/paper.yaml": planned,
    "snakemake --workflow-profile profiles/slurm --configfile config/paper.yaml": planned,
    "snakemake --workflow-profile profiles/slurm --configfile config/paper.yaml --resources gpu=2 "
    "mem_mb=64000 --until train_model": planned,
    "python -m rssr partitions -o profiles/slurm/partitions.yaml": lambda command, folder: None,  # by test_cluster.py
    "python -m rssr upscale scene.tif --model lstmconvsr_xs -o out.tif": upscaled,
    "python -m rssr upscale scene.tif --model lstmconvsr_xs -o out.png --bands 4 3 2 --tile 128 16": upscaled,
    "python -m rssr export lstmconvsr_xs --as basicsr -o net.pth": exported,
    "python -m rssr export lstmconvsr_xs --as safetensors -o net.safetensors": exported,
    "python -m rssr compare results/reference/default results --trained-tolerance 0.2": compared,
    "python -m rssr compare results/reference/default results --tolerance 0.01 --html compared.html": compared,
    "python -m rssr models": run_by("test_commands.py"),
    "python -m rssr plan --configfile config/paper.yaml": run_by("test_prospect.py"),
    "python -m rssr plan --configfile config/config.yaml": run_by("test_prospect.py"),
    "PYTHONPATH=. python workflow/scripts/score_images.py --help": run,
}
DIAGRAM = next(command for page, command in commands() if page == "docs/architecture.md" and "--rulegraph" in command)
CHECKED[DIAGRAM] = planned


def test_every_command_is_checked():
    found = {command for _, command in commands()}
    assert found - CHECKED.keys() == set(), "not in CHECKED"
    assert CHECKED.keys() - found == set(), "in no document"
    for page in PAGES:
        assert not blocks(page, "sh") and not blocks(page, "shell"), f"{page}: tag it bash or console"
        assert all("not run in the tests" in block for block in blocks(page, "console")), page


@pytest.mark.parametrize("command", CHECKED)
def test_command_is_as_printed(command, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    CHECKED[command](command, tmp_path)


DRY_RUN = [  # one for each set of configuration files and profile
    "snakemake --cores all -n",
    "snakemake --cores all --configfile config/paper.yaml",
    "snakemake --cores all --configfile config/paper.yaml config/ablation.yaml",
    "snakemake --cores all --configfile config/paper.yaml config/zoo.yaml",
    "snakemake --cores all --configfile config/config.yaml config/pretrained.yaml",
    "snakemake --workflow-profile profiles/gpu --configfile config/paper.yaml",
    "snakemake --workflow-profile profiles/slurm --configfile config/paper.yaml",
]


@pytest.mark.slow
@pytest.mark.parametrize("command", DRY_RUN)
def test_snakemake_makes_a_dag_of_it(command):
    assert command in CHECKED
    arguments = [sys.executable, "-m", *shlex.split(command), "--dry-run"]
    result = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]


def _edges(diagram):
    """Rule names and arrows of a Mermaid diagram."""
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", diagram))
    return set(names.values()), {(names[a], names[b]) for a, b in re.findall(r"(id\d+) --> (id\d+)", diagram)}


def _diagram():
    return re.search(r"<!-- rulegraph -->\n(.*?)<!-- end -->", PAGES["docs/architecture.md"], re.DOTALL)[1]


def test_diagram_shows_rules_that_are_there():
    names, arrows = _edges(_diagram())
    assert len(arrows) > 20
    assert names <= RULES


@pytest.mark.slow
def test_diagram_is_what_its_command_draws():
    result = subprocess.run(
        [sys.executable, "-m", *shlex.split(DIAGRAM)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert _edges(_diagram()) == _edges(result.stdout)


def test_configuration_reference_is_in_step():
    assert PAGES["docs/configuration.md"] == markdown(), "python -m rssr schema --markdown > docs/configuration.md"


@pytest.mark.parametrize("page", [page for page in PAGES if page not in ("CONTRIBUTING.md", "CHANGELOG.md")])
def test_examples_validate(page):
    for block in blocks(page, "yaml"):
        validate(read(ROOT / "config/config.yaml", over=yaml.safe_load(block)), page)


def _links(page, reference):
    """The relative links of a page, to files of the reference runs or to others."""
    text = re.sub(r"^```.*?^```$", "", PAGES[page], flags=re.DOTALL | re.MULTILINE)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    return [link for link in links if ("results/reference/" in link) is reference]


def _anchors(text):
    slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", text, re.M)}
    return slugs | set(re.findall(r'<a id="(\w+)">', text))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for link in _links(page, reference=False):
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", PAGES)
def test_links_into_reference_runs_lead_somewhere(page):
    for link in _links(page, reference=True):
        assert ((ROOT / page).parent / link).exists(), link


def test_citation_names_people_and_the_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["version"] == project["version"]
    authors = citation["preferred-citation"]["authors"]
    for author in authors:
        assert f"{author['family-names']}, {author['given-names']}" in PAGES["README.md"]
    assert citation["preferred-citation"]["doi"] in PAGES["README.md"]


def test_github_tests_the_oldest_and_newest_python():
    jobs = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())["jobs"]
    versions = jobs["tests"]["strategy"]["matrix"]["python-version"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest, newest = versions
    assert f">={oldest},<3.{int(newest.split('.')[1]) + 1}" == project["requires-python"]
    targets = {word for job in jobs.values() for step in job["steps"] for word in step.get("run", "").split()[1:]}
    makefile = (ROOT / "Makefile").read_text()
    assert targets == {"lint", "test", "verify"}
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_nothing_names_a_place_of_the_developers():
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for path in map(Path, listing.splitlines()):
        if path.suffix in {".py", ".md", ".yaml", ".yml", ".smk", ".toml"} and path.parts[0] != "tests":
            assert not re.search(r"\.\./shared|/work\b(?!flow)", (ROOT / path).read_text(encoding="utf-8")), path
    assert not [page for page, text in PAGES.items() if re.search(r"\bTODO\b", text)]
