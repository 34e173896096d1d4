"""A slice of the grid of benchmarks/coverage.py: the cells that cost little, and how its runs go on and are told."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.coverage import Cell, documented, grid, main, plan, run_chunk, summary


def cell(name: str) -> Cell:
    return next(one for one in grid() if one.name == name)


def test_a_claim_over_families_errs_as_often_as_it_says():
    one = cell("families, rho 0, between 0.6, normal")
    rows = {row["measure"]: row for row in summary(one, run_chunk(one.name, 0, 300)["outcomes"])}
    assert rows["claimed"]["rate"] <= 0.09 and rows["r"]["rate"] >= 0.91
    assert rows["claimed"]["rate"] <= rows["Pearson alone"]["rate"]


def test_a_repeats_ceiling_of_items_that_resemble_their_neighbours_is_covered():
    one = cell("repeats, 40 items in runs of 4, rho 0.7")
    row = summary(one, run_chunk(one.name, 0, 200)["outcomes"])[0]
    assert row["truth"] == "planted" and 0.89 <= row["rate"] <= 0.99


def test_two_pools_find_the_planted_ceiling_that_the_lower_bound_misses():
    one = cell("ceiling 0.6, 3 people, 3 shared, own 0")
    rows = {row["measure"]: row for row in summary(one, run_chunk(one.name, 0, 8)["outcomes"])}
    assert rows["pools"]["mean"] == pytest.approx(0.6, abs=0.06)
    assert rows["lower bound, planted"]["mean"] < 0.5 and rows["lower bound, planted"]["rate"] < 0.5


@pytest.mark.slow
def test_noise_has_an_interval_above_0_as_seldom_as_it_says():
    one = cell("score, averaged, 12 layers of noise")
    outcomes = run_chunk(one.name, 0, 12)["outcomes"]
    assert (
        np.mean(outcomes["above 0"]) <= 0.25
    )  # 2.5 %: four or more of 12 happen once in 5,000 times


def test_a_stopped_run_goes_on_and_the_summary_is_written_with_errors(tmp_path, capsys):
    ask = ["--only", "families, rho 0, between 0.2", "--processes", "1", "--work", str(tmp_path)]
    assert main([*ask, "--data-sets", "20"]) == 0
    one = cell("families, rho 0, between 0.2, normal")
    (path, known), missing = plan([one], 40, tmp_path)[0][one.name], plan([one], 40, tmp_path)[1]
    assert (
        missing == [(one.name, 20, 30), (one.name, 30, 40)]
        and json.loads(path.read_text()) == known
    )
    assert main([*ask, "--data-sets", "40"]) == 0
    said = capsys.readouterr().out
    assert "| families, rho 0, between 0.2, normal | claimed | 5.0% |" in said and " ± " in said


def test_the_same_seeds_give_the_same_outcomes_in_any_chunks():
    name = "split-half, 10 people"
    whole = run_chunk(name, 0, 4)["outcomes"]["split-half"]
    parts = [run_chunk(name, start, start + 2)["outcomes"]["split-half"] for start in (0, 2)]
    assert whole == parts[0] + parts[1]


def test_what_stays_outside_the_band_is_marked():
    rows = summary(Cell("x", None, {}, {"above 0": 0.025}), {"above 0": [1.0] * 50 + [0.0] * 350})
    assert not rows[0]["inside"] and "outside" in documented(rows)


def test_what_is_said_beside_an_interval_is_what_was_measured():
    from analysis.statistics.measured import MEASURED, beside
    from benchmarks.coverage import RESULTS

    told = json.loads((RESULTS / "coverage.json").read_text(encoding="utf-8"))
    rows = {(row["cell"], row["measure"]): row for row in told["rows"]}
    for kind, (name, measure, share) in MEASURED.items():
        row = rows[name, measure]
        assert not row["inside"] and row["data_sets"] >= 400
        assert row["rate"] == pytest.approx(share, abs=5e-4) and f"{share:.1%}" in beside(kind)
    assert {cell.name for cell in grid()} == {row["cell"] for row in told["rows"]} | set(
        told["not_measured"]
    )
    page = (RESULTS.parents[1] / "docs" / "method.md").read_text(encoding="utf-8")
    assert documented(told["rows"], told["not_measured"]) in page
