"""Reads the JSON that scripts are given, which plan.jobs writes."""

import json
from typing import Any

from rssr.plan.test_set import TestSet

# Keys of a recipe that change no weights: another value trains nothing anew, and an interrupted training goes on.
NO_WEIGHTS = ("checkpoint_every", "log_every")


def entry(text: str) -> Any:
    """A configuration entry, or several; for argparse's `type`."""
    return json.loads(text)


def test_sets(text: str) -> list[TestSet]:
    """Test sets; for argparse's `type`."""
    return [TestSet(**(fields | {"steps": tuple(fields["steps"])})) for fields in json.loads(text)]


def test_set(text: str) -> TestSet:
    """The only test set in the list; for argparse's `type`."""
    (found,) = test_sets(text)
    return found
