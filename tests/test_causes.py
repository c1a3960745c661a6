"""Why two runs differ: the cause that is named first."""

import pytest
from measured_runs import compared, every, other, worse


def seed(b):
    other(b, "sr/*/*/net/manifest.csv")
    every(b, "weights/net/*/*/*.json", lambda record: record.update(sha256="others"))
    worse(b, "net")


def library(b):
    """PyTorch changes weights, SR images and scores, and decodes nothing."""
    every(b, "**/*.json", lambda record: record["libraries"].update(torch="2.13.0"))
    seed(b)


def decoder(b):
    """Another decoder changes all images, and what follows from them."""
    every(b, "**/*.json", lambda record: record["libraries"].update(numpy="2.3.0"))
    for pattern in ("data/*/*/*/manifest.csv", "data/*/*/LR/*/manifest.csv", "sr/*/*/*/manifest.csv"):
        other(b, pattern)
    seed(b)


def pixel(b):
    """One HR image is another; the LR and SR images that come from it too."""
    for pattern in ("data/*/test/HR-x4/manifest.csv", "data/*/test/LR/*/manifest.csv", "sr/*/*/*/manifest.csv"):
        other(b, pattern, ["image_3"])
    worse(b)


def source(b):
    """The same with a source image, all of whose tiles differ."""
    other(b, "data/*/test/HR-x4/manifest.csv", key="source_sha256")
    other(b, "data/*/test/HR-x4/manifest.csv")
    every(b, "**/*.json", lambda record: record["libraries"].update(numpy="2.3.0"))
    worse(b)


def crop(b):
    every(b, "provenance.json", lambda record: record["configuration"].update(crop=0))
    every(b, "scores/*/*/*.json", lambda record: record.update(crop=0))
    worse(b)


def colours(b):
    """The code of a metric is another; so is a library that scores do not come from."""
    every(b, "scores/*/*/*.json", lambda record: record["code_files"].update({"metrics/fidelity.py": "3" * 12}))
    every(b, "weights/*/*/*/*.json", lambda record: record["libraries"].update(torch="2.13.0"))
    worse(b, by=1.3)


def protocol(b):
    (b / "provenance.json").unlink()
    every(b, "scores/*/*/*.json", lambda record: record["metrics"].update(psnr_y="on RGB"))
    worse(b)


def threads(b):
    every(b, "sr/*/*/net/provenance.json", lambda record: record.update(threads=8))
    other(b, "sr/*/*/net/manifest.csv")
    worse(b, "net")


def nothing(b):
    """Nothing recorded explains it: somebody has changed an image after it was scored."""
    other(b, "sr/*/*/net/manifest.csv", ["image_2"])
    worse(b, "net")


@pytest.mark.parametrize(
    ("change", "options", "first", "part"),
    [
        (seed, {"seed": 11}, "configuration: training.short.seeds: [10] | [11]", "net: weights"),
        (library, {}, "library: torch: 2.14.1 | 2.13.0", "net: weights"),
        (decoder, {}, "library: numpy: 2.4.6 | 2.3.0", "net: HR images of train"),
        (pixel, {}, "data: HR images of test, image_3: hr image_3 | other hr ima", "bicubic: HR images of test"),
        (
            source,
            {},
            "data: HR images of test, image_0 and 5 more: hr image_0 | other hr ima",
            "net: HR images of test",
        ),
        (crop, {}, "configuration: crop: not set | 0", "net: scores"),
        (colours, {}, "code: metrics/fidelity.py: abc-dirty | abc-dirty", "net: scores"),
        (protocol, {}, "configuration: metrics.psnr_y: on luma | on RGB", "bicubic: scores"),
        (threads, {}, "threads: threads: 2 | 8", "net: SR images"),
        (nothing, {}, "data: SR images, image_2: sr net image | other sr net", "net: SR images"),
    ],
)
def test_the_cause_is_named_first(tmp_path, change, options, first, part):
    report = compared(tmp_path, change, **options)
    assert report.comparison.verdict.startswith("differs: "), report.comparison.verdict
    assert str(report.causes[0]) == first, report.causes
    assert part in report.parts


def test_a_cause_is_named_within_the_tolerance_too(tmp_path):
    def change(b):
        pixel(b)
        worse(b, by=-0.0999)

    report = compared(tmp_path, change)
    assert report.comparison.reproduced
    assert str(report.causes[0]) == "data: HR images of test, image_3: hr image_3 | other hr ima"


def test_names_and_places_are_no_cause(tmp_path):
    def change(b):
        every(
            b,
            "provenance.json",
            lambda record: record["configuration"]["datasets"]["tiny"].update(images="elsewhere", label="T"),
        )
        every(
            b,
            "provenance.json",
            lambda record: record["configuration"]["models"].update(other={"label": "O", "arch": "bicubic"}),
        )
        threads(b)

    assert [cause.kind for cause in compared(tmp_path, change).causes] == ["threads"]


def test_an_image_changed_after_its_manifest_was_written_is_named(tmp_path):
    def change(b):
        (b / "data/tiny/test/HR-x4/image_4.png").write_bytes(b"another picture")
        every(b, "**/*.json", lambda record: record["libraries"].update(torch="2.13.0"))
        worse(b)

    assert str(compared(tmp_path, change).causes[0]).startswith("data: HR images of test, image_4: ")
