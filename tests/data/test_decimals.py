"""One way to write a p and a correlation."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest

from data.decimals import decimal, least_p, p_value

ROOT = Path(__file__).parents[2]


def test_a_p_has_no_zero_before_its_point_and_is_never_nothing():
    assert [p_value(p) for p in (0.005, 0.00049, 1.0)] == ["p = .005", "p < .001", "p = 1.000"]
    assert p_value(0.004, 2) == "p < .01" and decimal(-0.004) == ".00"


def test_the_least_p_is_seen_however_small_it_is():
    said = [least_p(p) for p in (0.5, 0.25, 0.02, 1 / 300, 1 / 5001)]
    assert said == [".5", ".25", ".02", ".0033", ".0002"]


_P = re.compile(r"\bp(?: cannot be below| of [\w ]+)? ?[=<]? ?$")


@pytest.mark.parametrize("room", ["data", "analysis", "dashboards"])
def test_no_module_writes_a_p_of_its_own(room):
    """``p = {p:.3g}`` stood as "p = 0.005" beside "r = .47"."""
    found = []
    for path in sorted((ROOT / room).rglob("*.py")):
        if path == ROOT / "data" / "decimals.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            for before, value in pairwise(node.values if isinstance(node, ast.JoinedStr) else ()):
                if not (isinstance(before, ast.Constant) and isinstance(value, ast.FormattedValue)):
                    continue
                number = str(value.format_spec and ast.unparse(value.format_spec))
                if re.search(r"\.\d[fge]", number) and _P.search(str(before.value)):
                    found.append(f"{path.relative_to(ROOT)}:{value.lineno}")
    assert not found, f"write these with data.decimals: {found}"
