"""Files that a wrong clock has dated into the future."""

import os
import time

import pytest

from rssr.base.errors import UserError
from rssr.plan.clock import bring_back

HOUR = 3600


def dated(folder, name, hours):
    path = folder / name
    path.write_text(name)
    moment = time.time() + hours * HOUR
    os.utime(path, (moment, moment))
    return path


def test_files_from_the_future_are_of_now_in_their_order(tmp_path):
    files = {name: dated(tmp_path, name, hours) for name, hours in (("c", 3), ("old", -2), ("a", 1), ("b", 2))}
    before = files["old"].stat().st_mtime_ns
    changed = bring_back([*files.values(), tmp_path / "lost"], [tmp_path])
    assert sorted(path.name for path in changed) == ["a", "b", "c"]
    times = [files[name].stat().st_mtime_ns for name in ("old", "a", "b", "c")]
    assert (
        times == sorted(set(times)) and times[0] == before and time.time_ns() - 60 * 10**9 < times[1] < time.time_ns()
    )
    assert bring_back(files.values(), [tmp_path]) == []


def test_results_stay_younger_than_what_they_are_made_of(tmp_path):
    """Also those that are from the future by less than clocks may differ."""
    made_of, result = dated(tmp_path, "a", 50 / HOUR), dated(tmp_path, "b", 80 / HOUR)
    assert len(bring_back([made_of, result], [tmp_path])) == 2
    assert made_of.stat().st_mtime_ns < result.stat().st_mtime_ns <= time.time_ns()


def test_clocks_of_others_may_differ_by_a_minute(tmp_path):
    other = dated(tmp_path, "code.py", 50 / HOUR)
    assert bring_back([other], [tmp_path / "results"]) == []
    assert other.stat().st_mtime > time.time()


def test_of_one_moment_they_stay(tmp_path):
    files = [dated(tmp_path, name, 0) for name in "ab"]
    for path in files:
        os.utime(path, (4e9, 4e9))
    bring_back(files, [tmp_path])
    assert files[0].stat().st_mtime_ns == files[1].stat().st_mtime_ns <= time.time_ns()


def test_what_is_not_of_the_run_is_named_and_stays(tmp_path):
    (tmp_path / "results").mkdir()
    own, other = dated(tmp_path / "results", "own", 5), dated(tmp_path, "code.py", 5)
    with pytest.raises(
        UserError, match=r"code.py is from the future, 20\d\d-.*: correct the clock of this machine, or set the time"
    ):
        bring_back([own, other], [tmp_path / "results"])
    assert own.stat().st_mtime_ns > time.time_ns()
