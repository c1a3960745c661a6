"""Which images and which parts of them a page shows: where methods differ most, or as configured."""

import numpy as np
import pytest

from rssr.base.errors import UserError
from rssr.base.files import write_csv, write_image
from rssr.render.choice import differing, differing_and_even, disagreement
from rssr.render.figures.samples import samples


def test_images_where_methods_differ_most_come_from_different_sources():
    apart = [5, 4, 3, 2, 1]
    scores = np.array([np.zeros(5), apart])
    assert differing(scores, list("aabbc"), 3) == [0, 2, 4]
    assert differing(scores, list("aabbc"), 4) == [0, 2, 4, 1]
    assert differing(scores, list("aaaaa"), 2) == [0, 1]
    scores[1, 0] = np.nan
    assert differing(scores, list("abcde"), 9) == [1, 2, 3, 4, 0]


def test_half_of_the_images_are_those_where_methods_differ_most():
    scores = np.array([[0.0, 0, 0, 0, 0, 0, np.nan, 9], [0.0, 3, 0, 0, 0, 5, 1, 9]])
    assert disagreement(scores).tolist() == [0, 3, 0, 0, 0, 5, -1, 0]
    assert differing_and_even(scores, 4) == [0, 1, 5, 7]  # 5 and 1 differ most; 0 and 7 are the ends of the others
    assert differing_and_even(scores, 8) == differing_and_even(scores, 100) == list(range(8))
    assert differing_and_even(scores, 1) == [5]


def test_an_image_without_a_score_comes_last():
    assert disagreement(np.array([[np.inf, np.inf, np.nan], [np.inf, 1, 0]])).tolist()[::2] == [-1, -1]
    assert differing(np.array([[np.nan, 0.0, 0], [1, 0, 2]]), list("abc"), 3) == [2, 1, 0]


@pytest.fixture
def tested(tmp_path):
    """The manifests of a test set of two images, one of each source image, and of two methods' SR images of it."""
    hr = np.full((40, 60, 3), 100, np.uint8)
    one, other = hr.copy(), hr.copy()
    one[5:15, 30:40] = 120
    one[30:35, 5:10] = other[30:35, 5:10] = 255  # both are as wrong
    for image in "ab":
        write_image(tmp_path / f"HR-x4/{image}.png", hr)
        write_image(tmp_path / f"LR/{image}.png", np.ascontiguousarray(hr[::4, ::4]))
        for replicate in ("seed1", "seed2"):  # in the folders of which other images than the first one's lie
            shift = 7 * (replicate == "seed2")
            write_image(tmp_path / f"one/{replicate}/{image}.png", np.roll(one, shift, 1))
        write_image(tmp_path / f"other/0/{image}.png", other)
    write_csv(tmp_path / "HR-x4/manifest.csv", [{"image": image, "source": f"of_{image}"} for image in "ab"])
    write_csv(tmp_path / "LR/manifest.csv", [{"image": image} for image in "ab"])
    for name, replicates in (("one", ("seed1", "seed2")), ("other", ("0",))):
        rows = [{"image": image, "replicate": replicate} for replicate in replicates for image in "ab"]
        write_csv(tmp_path / name / "manifest.csv", rows)
    srs = {name: tmp_path / name / "manifest.csv" for name in ("one", "other")}
    return tmp_path / "HR-x4/manifest.csv", tmp_path / "LR/manifest.csv", srs


SCORES = [[30.0, 30.0], [30.0, 31.0]]  # of both methods: they differ on the second image


def test_the_square_where_methods_differ_most(tested):
    (shown,) = samples(*tested, SCORES, [], 1, 10)
    assert (shown.name, shown.box) == ("b", (30, 5, 40, 15))
    assert (shown.srs["one"][5:15, 30:40] == 120).all(), "of the first replicate"
    assert [found.name for found in samples(*tested, SCORES, [], 9, 10)] == ["b", "a"]
    left, top, right, bottom = samples(*tested, SCORES, [], 1, 99)[0].box
    assert (top, bottom, right - left) == (0, 40, 40), "no larger than the image"


def test_a_configured_square_must_lie_in_the_image(tested):
    def asked(image, square):
        return samples(*tested, SCORES, [{"image": image, "square": square}], 1, 10)

    (shown,) = asked("a", (20, 0, 40))
    assert (shown.name, shown.box) == ("a", (20, 0, 60, 40))
    with pytest.raises(UserError, match=r"figures.crops: the square \[21, 0, 40\] leaves the image a of 60x40 pixels"):
        asked("a", (21, 0, 40))
    with pytest.raises(UserError, match="figures.crops: the test set has no image 'aa'"):
        asked("aa", (0, 0, 10))
