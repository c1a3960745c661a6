"""Models, test sets and numbers of tables."""

import re

import pandas as pd
from objects import a_test_set

from rssr.render.tables.protocol import literature_against_measured


def models(*names, **notes):
    return {name: {"label": name.upper(), "notes": notes.get(name, [])} for name in names}


def cells(made):
    """(tag, attributes, inner HTML) of every cell of every row of a table's body."""
    body = re.search("<tbody>(.*)</tbody>", made.html(), re.DOTALL)[1]
    rows = re.findall("<tr.*?>(.*?)</tr>", body)
    return [[(m[1], m[2], m[3]) for m in re.finditer("<(t[dh])(.*?)>(.*?)</t[dh]>", row)] for row in rows]


def quality_numbers(**psnr):
    return pd.DataFrame({"model": list(psnr), "label": [n.upper() for n in psnr], "images": 7, "psnr_y": psnr.values()})


def named(name, degradation="bicubic", scale=4):
    conditions = f"x{scale}, LR by {degradation}"
    labels = {"label": name.upper(), "name": f"{name.upper()}, {degradation}"}
    return a_test_set(name, scale, degradation, conditions=conditions, **labels)


def by_test_set(tests, numbers):
    return {test.identity: frame for test, frame in zip(tests, numbers, strict=True)}


NO_NOTES = models("a", "b", "c")


def literature_table():
    value = {"label": "Net A", "model": "a", "metric": "psnr_y", "value": "30.5", "citation": "a paper, page 3"}
    values = [
        value | {"agrees": "no", "why": "crop 0 there, 4 here"},
        value | {"label": "Net Z", "model": None, "agrees": "yes", "why": ""},
    ]
    test = named("s")
    qualities = {test.identity: quality_numbers(a=30.25)}
    return literature_against_measured(qualities, [test], {test.identity: values}, NO_NOTES)
