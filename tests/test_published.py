"""Published values: none without its source, and each says whether its protocol is ours."""

import json

import pytest
import yaml

from rssr.base.errors import UserError
from rssr.config import load as load_config
from rssr.config.literature import FILE, compare, for_table, load
from rssr.plan.dag import Dag

MEASURED = {"scale": 4, "degradation": "bicubic", "crop": 4, "split": "paper", "images": 1400}


def test_every_value_belongs_to_an_entry_of_the_paper():
    config = load_config(FILE.parent / "paper.yaml")
    for value in load():
        assert value.model in config.models and value.dataset in config.datasets
        assert set(value.protocol) == set(MEASURED)


@pytest.mark.parametrize(
    "change",
    [
        {"source": ""},
        {"source": None},
        {"source": " " * 20},
        {"value": 26.36},
        {"dataset": "potsdm"},
        {"origin": "a paper"},
    ],
)
def test_a_value_without_a_source_cannot_be_entered(tmp_path, change):
    entry = yaml.safe_load(FILE.read_text())[0] | change
    if change.get("source", "") is None:
        del entry["source"]
    (tmp_path / "p.yaml").write_text(yaml.safe_dump([entry]))
    with pytest.raises(UserError, match=f"p.yaml: entry 1: '{next(iter(change))}'"):
        load(tmp_path / "p.yaml")


def test_a_value_is_entered_once(tmp_path):
    entry = yaml.safe_load(FILE.read_text())[0]
    (tmp_path / "p.yaml").write_text(yaml.safe_dump([entry, entry | {"value": "1.0"}]))
    with pytest.raises(UserError, match="p.yaml: entry 2: potsdam, lstmconvsr, psnr_y has a value already"):
        load(tmp_path / "p.yaml")
    (tmp_path / "p.yaml").write_text("# none yet\n")
    assert load(tmp_path / "p.yaml") == []


def test_protocols_agree_differ_or_are_not_known():
    assert compare(MEASURED, MEASURED) == ("yes", "")
    assert compare(MEASURED | {"split": None}, MEASURED) == ("not known", "split not published")
    differing = compare(MEASURED | {"split": None, "crop": 0}, MEASURED)
    assert differing == ("no", "crop 0 there, 4 here")


def test_a_degradation_is_known_by_what_it_does():
    """Not by what a configuration calls it: a blur under the name of the plain reduction is another protocol."""

    def measured(degradations, name):
        config = yaml.safe_load((FILE.parent / "paper.yaml").read_text()) | {"degradations": degradations}
        return json.loads(Dag(config, "test").protocol("rsscn7", name))["measured"]

    plain = [{"reduce": "bicubic"}]
    for degradations, name in ((["bicubic"], "bicubic"), ({"mine": plain}, "mine")):
        assert measured(degradations, name)["degradation"] == "bicubic"
    blurred = measured({"bicubic": [{"blur": 2.0}, *plain]}, "bicubic")
    agrees, why = compare(MEASURED, blurred | {"images": 1400})
    assert agrees == "no" and why.startswith("degradation bicubic there, Gaussian blur of sigma 2")


def test_values_of_a_table():
    rows = for_table(FILE, "rsscn7", MEASURED)
    assert {row["metric"]: row["value"] for row in rows}["psnr_y"] == "26.36"
    assert {row["agrees"] for row in rows} == {"not known"}
    assert {row["agrees"] for row in for_table(FILE, "rsscn7", MEASURED | {"images": 700})} == {"no"}
    assert for_table(FILE, "neon", MEASURED) == []
