"""A slice of the grid of benchmarks/trust.py, and that what is said beside the panels is what was measured."""

from __future__ import annotations

import json

import numpy as np
import pytest

from analysis.statistics.measured import LEAKS, OMEGA, OMEGA_FOUND, omega_comes_out, omega_covers
from benchmarks.trust import RESULTS, ROOT, documented, grid, main, run_chunk, summary
from data.shares import percent

MANY = 200


def cell(name: str):
    return next(one for one in grid() if one.name == name)


@pytest.fixture(scope="module")
def measured() -> dict:
    return json.loads((RESULTS / "trust.json").read_text(encoding="utf-8"))


def test_what_is_said_beside_the_panels_is_what_was_measured(measured):
    rows = {(row["cell"], row["measure"]): row for row in measured["rows"]}
    assert {name for name, _ in rows} == {one.name for one in grid()}
    assert all(row["n"] + row.get("undefined", 0) >= MANY for row in measured["rows"])
    for who, (low, high) in OMEGA.items():
        found = [
            row["found"]
            for (name, what), row in rows.items()
            if name.endswith(f", {who}") and what == "Omega"
        ]
        assert [low, high] == [round(min(found), 4), round(max(found), 4)], who
        for end in (low, high):  # the caption and the table of the docs say one number
            assert f"{percent(end, 1)} ±" in documented(measured["rows"])
    for planted, (low, high) in OMEGA_FOUND.items():
        found = [
            row["found"]
            for (name, what), row in rows.items()
            if name.startswith(f"Omega {planted}%") and what == "mean"
        ]
        assert [low, high] == [round(min(found), 1), round(max(found), 1)], planted
    assert "20 % planted came out as 13.9 to 17.7 %" in omega_comes_out()
    assert round(rows["leak meter, noise", "leak or partly"]["found"], 3) == LEAKS
    assert f"{percent(OMEGA['4 people apart'][0], 1)} to" in omega_covers(
        4
    ) and "8 people" in omega_covers(6)
    page = (ROOT / "docs" / "method.md").read_text(encoding="utf-8")
    assert documented(measured["rows"]) in page
    for row in measured["rows"]:  # beyond chance only where it is told
        told = (
            row["cell"].endswith(("4 people apart", "alike"))
            or row["cell"] == "Omega 20%, one average"
        )
        assert row["right"] or told, row


def test_a_slice_of_the_grid_comes_out_as_it_did(measured, tmp_path):
    """The first data sets of cells that cost little, one after the other, in one process."""
    rows = {(row["cell"], row["measure"]): row for row in measured["rows"]}
    for name, count in (
        ("Omega 50%, 8 people alike", 10),
        ("specification curve, no signal", 10),
        ("generalisation, half a person's own", 10),
        ("leak meter, autocorrelation without language", 3),
    ):
        for row in summary(cell(name), run_chunk(cell(name), 0, count)["outcomes"]):
            whole = rows[name, row["measure"]]
            spread = whole.get("sd", np.sqrt(max(whole["found"] * (1 - whole["found"]), 0.02)))
            far = 4 * spread / np.sqrt(count) + 1e-6
            assert row["found"] == pytest.approx(whole["found"], abs=far), row


def test_a_stopped_run_goes_on(tmp_path, capsys):
    ask = ["--only", "all shared", "--work", str(tmp_path), "--data-sets"]
    assert main([*ask, "10"]) == 0 and main([*ask, "20"]) == 0
    said = capsys.readouterr().out
    assert "| 10 | too few to judge yet |" in said and "| 20 | too few to judge yet |" in said
    assert main([*ask, "20", "--minutes", "0"]) == 0  # all is there: nothing is run again
    assert "| 20 |" in capsys.readouterr().out
