"""One way to write a share."""

from __future__ import annotations

import ast
from itertools import pairwise
from pathlib import Path

import pytest

from data.shares import percent, percent_within

ROOT = Path(__file__).parents[2]


def test_a_share_has_a_space_before_its_sign():
    assert (percent(0.4), percent(0.045, 1), percent(1), percent(0)) == (
        "40 %",
        "4.5 %",
        "100 %",
        "0 %",
    )
    assert percent(float("nan")) == "not defined"


def test_an_interval_stands_behind_its_share():
    assert percent_within(0.614, 0.55, 0.674, 1) == "61.4 % [55.0, 67.4]"
    assert percent_within(0.61, 0.55, float("nan")) == "61 %"
    assert percent_within(float("nan"), 0.5, 0.6) == "not defined"


@pytest.mark.parametrize("room", ["data", "analysis", "dashboards"])
def test_no_module_writes_a_share_of_its_own(room):
    """A format such as ``.0%`` writes no space, and ``:.0f} %`` is :func:`data.shares.percent` written out once more.

    Words that are written out ("intervals of 95 %") are not looked at, nor numbers that a user gave (``:g``).
    """
    found = []
    for path in sorted((ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FormattedValue) and node.format_spec is not None:
                spec = node.format_spec.values
                if any(str(getattr(part, "value", "")).endswith("%") for part in spec):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
            if isinstance(node, ast.JoinedStr):
                found += [
                    f"{path.relative_to(ROOT)}:{value.lineno}"
                    for value, after in pairwise(node.values)
                    if path != ROOT / "data" / "shares.py" and _decimals(value) and _sign(after)
                ]
    assert not found, f"write these with data.shares.percent: {found}"


def _decimals(value: ast.expr) -> bool:
    """Whether a part of an f-string is a number with a fixed number of decimals."""
    if not isinstance(value, ast.FormattedValue) or value.format_spec is None:
        return False
    return str(getattr(value.format_spec.values[-1], "value", "")).endswith("f")


def _sign(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and str(value.value).startswith((" %", "%"))
