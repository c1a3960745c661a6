"""Literature values: none without its citation, and each says whether its protocol is ours."""

import pytest
import yaml
from objects import a_test_set

from rssr.base.errors import UserError
from rssr.config import load as load_config
from rssr.config.literature import FILE, load
from rssr.plan.plan import Plan
from rssr.render.literature import compare, for_test_set, notes, rows

MEASURED = {"scale": 4, "degradation": "bicubic", "rounding": "8 bit", "crop": 4, "split": "paper", "images": 1400}


def test_every_value_belongs_to_an_entry_of_the_paper():
    config = load_config(FILE.parent / "paper.yaml")
    for value in load():
        assert value.model is None or value.model in config.models
        assert value.dataset in config.datasets
        assert set(value.protocol) == set(MEASURED)


@pytest.mark.parametrize(
    "change",
    [
        {"citation": ""},
        {"citation": None},
        {"citation": " " * 20},
        {"value": 26.36},
        {"dataset": "potsdm"},
        {"origin": "a paper"},
    ],
)
def test_a_value_without_a_citation_cannot_be_entered(tmp_path, change):
    entry = yaml.safe_load(FILE.read_text())[0] | change
    if change.get("citation", "") is None:
        del entry["citation"]
    (tmp_path / "p.yaml").write_text(yaml.safe_dump([entry]))
    with pytest.raises(UserError, match=f"p.yaml: entry 1: '{next(iter(change))}'"):
        load(tmp_path / "p.yaml")


def test_a_method_has_values_at_several_scales(tmp_path):
    entry = yaml.safe_load(FILE.read_text())[0]
    entries = [entry | {"protocol": {"scale": scale}} for scale in (2, 4)]
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(entries))
    assert [value.protocol["scale"] for value in load(tmp_path / "p.yaml")] == [2, 4]
    (tmp_path / "p.yaml").write_text("5")
    with pytest.raises(UserError, match="p.yaml is no list of entries: write each as an item"):
        load(tmp_path / "p.yaml")


def test_a_value_is_entered_once(tmp_path):
    entry = yaml.safe_load(FILE.read_text())[0]
    (tmp_path / "p.yaml").write_text(yaml.safe_dump([entry, entry | {"value": "1.0"}]))
    with pytest.raises(UserError, match="p.yaml: entry 2: potsdam, LSTMConvSR, psnr_y is given twice"):
        load(tmp_path / "p.yaml")
    (tmp_path / "p.yaml").write_text("# none yet\n")
    assert load(tmp_path / "p.yaml") == []


def test_protocols_agree_differ_or_are_not_known():
    assert compare(MEASURED, MEASURED) == ("yes", "")
    assert compare(MEASURED | {"split": None}, MEASURED) == ("not known", "split not stated")
    differing = compare(MEASURED | {"split": None, "crop": 0}, MEASURED)
    assert differing == ("no", "crop 0 there, 4 here")


def test_a_degradation_is_known_by_what_it_does():
    """Not by what a configuration calls it: a blur under the name of the plain reduction is another protocol."""

    def measured(degradations, name):
        config = yaml.safe_load((FILE.parent / "paper.yaml").read_text()) | {"degradations": degradations}
        tests = Plan(config, "test").test_sets
        return next(test for test in tests if (test.dataset, test.degradation) == ("rsscn7", name)).protocol

    plain = [{"reduce": "bicubic"}]
    for degradations, name in ((["bicubic"], "bicubic"), ({"mine": plain}, "mine")):
        assert measured(degradations, name)["degradation"] == "bicubic"
    blurred = measured({"bicubic": [{"blur": 2.0}, *plain]}, "bicubic")
    agrees, why = compare(MEASURED, blurred | {"images": 1400})
    assert agrees == "no" and why.startswith("degradation bicubic there, Gaussian blur of sigma 2")


def on_rsscn7(split, images=1400, **changes):
    protocol = {key: value for key, value in MEASURED.items() if key != "images"} | {"split": split} | changes
    return for_test_set(FILE, a_test_set("mine", protocol["scale"], module="rsscn7", protocol=protocol), images)


def test_values_of_a_table():
    found = {(row["label"], row["metric"]): row for row in on_rsscn7("seed_2745")}
    assert found["LSTMConvSR", "psnr_y"]["value"] == "26.36"
    assert found["LSTMConvSR", "psnr_y"]["agrees"] == "not known", "which images the paper tests is not published"
    assert found["FAHRNet C128", "psnr_y"]["value"] == "29.029229"
    assert len(found) == 4 + 5 + 2
    assert {row["agrees"] for row in on_rsscn7("seed_2745", 700)} == {"no"}
    assert on_rsscn7("paper", scale=2) == [], "no value is of another scale"
    assert for_test_set(FILE, a_test_set("rsscn7", module="neon", protocol=MEASURED), 1400) == []


def test_fahrnets_values_differ_by_its_protocol_and_by_its_split_elsewhere():
    def why(found):
        return next(row["why"] for row in found if row["label"] == "FAHRNet C128")

    own = {"degradation": "antialiased bicubic of torchvision", "rounding": "none (float)", "crop": 0}
    stated = [f"{key} {value} there, {MEASURED[key]} here" for key, value in own.items()]
    assert why(on_rsscn7("fahrnet")) == "; ".join(stated)
    assert why(on_rsscn7("seed_2745")) == "; ".join([*stated, "split fahrnet there, seed_2745 here"])
    same = on_rsscn7("fahrnet", **own)
    assert {row["agrees"] for row in same if row["model"] is None} == {"yes"}


def test_rows_and_notes_of_a_table():
    values, metrics = on_rsscn7("fahrnet"), ["psnr_y", "dists"]
    assert rows(values, ["lstmconvsr"], metrics) == [
        {"label": "LSTMConvSR (in the literature)", "psnr_y": "26.36"},
        {"label": "FAHRNet C128 (in the literature, not measured here)", "psnr_y": "29.029229", "dists": "0.219160"},
        {"label": "EDSR with FAHRNet's loss (in the literature, not measured here)", "psnr_y": "28.8457"},
        {"label": "FAHRNet, reconstruction loss only (in the literature, not measured here)", "psnr_y": "29.0140"},
    ]
    assert rows(values, [], ["psnr_rgb"]) == [] == notes(values, ["psnr_rgb"])
    found = notes(values, metrics)
    assert len(found) == 4 and found[1].startswith("FAHRNet C128 in the literature, PSNR-Y, DISTS: github.com/")
    assert (
        "cell 15. Protocols agree: no (degradation antialiased bicubic of torchvision there, bicubic here" in found[1]
    )
