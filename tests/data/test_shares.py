"""One way to write a share."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from data.shares import percent

ROOT = Path(__file__).parents[2]


def test_a_share_has_a_space_before_its_sign():
    assert (percent(0.4), percent(0.045, 1), percent(1), percent(0)) == (
        "40 %",
        "4.5 %",
        "100 %",
        "0 %",
    )


@pytest.mark.parametrize("room", ["data", "analysis", "dashboards"])
def test_no_module_writes_a_share_of_its_own(room):
    """A format such as ``.0%`` writes no space; words that are written out are not looked at."""
    found = []
    for path in sorted((ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FormattedValue) and node.format_spec is not None:
                spec = node.format_spec.values
                if any(str(getattr(part, "value", "")).endswith("%") for part in spec):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not found, f"write these with data.shares.percent: {found}"
