"""A slice of the grid of benchmarks/coverage.py: the cells that cost little, and how its runs go on and are told."""

from __future__ import annotations

import json

import numpy as np
import pytest

from analysis.ceiling.kinds import ceiling
from analysis.protocol import preset
from analysis.statistics.measured import beside
from benchmarks.coverage import (
    RESULTS,
    Cell,
    documented,
    grid,
    main,
    perfect,
    plan,
    run_chunk,
    summary,
)
from data.catalog.catalog import recording
from data.shares import percent


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
    rows = {row["measure"]: row for row in summary(one, run_chunk(one.name, 0, 5)["outcomes"])}
    assert rows["pools"]["mean"] == pytest.approx(0.6, abs=0.06)
    assert rows["lower bound, planted"]["mean"] < 0.5 and rows["lower bound, planted"]["rate"] < 0.5


@pytest.mark.slow
def test_noise_has_an_interval_above_0_as_seldom_as_it_says():
    one = cell("score, averaged, 12 layers of noise")
    outcomes = run_chunk(one.name, 0, 8)["outcomes"]
    assert (
        np.mean(outcomes["above 0"]) <= 0.25
    )  # 2.5 %: three or more of 8 happen once in 1,200 times


@pytest.mark.slow
def test_a_story_without_an_answer_has_none_and_a_planted_one_is_found():
    """Drift and motion that follows the words are no answer to them; the layer, the lag and the onset are the planted ones."""
    nothing = run_chunk("story, drift and motion alone", 0, 2)["outcomes"]
    assert sum(nothing["p <= .05 where nothing is"]) <= 1  # two of two happen once in 400 times
    found = run_chunk("story, one of three lags", 0, 2)["outcomes"]
    assert sum(found["the planted layer in most folds"]) == 2 and sum(found["peak"]) == 2
    assert sum(found["p <= .05 where it is planted"]) == 2


def test_a_stopped_run_goes_on_and_its_rows_take_the_place_of_theirs(tmp_path, capsys):
    one, out = cell("families, rho 0, between 0.2, normal"), tmp_path / "told.json"
    ask = ["--only", "families, rho 0, between 0.2", "--processes", "1", "--work", str(tmp_path)]
    other = next(
        row
        for row in json.loads((RESULTS / "coverage.json").read_text(encoding="utf-8"))["rows"]
        if row["cell"] != one.name
    )
    before = {"data_sets": 40, "cpu_seconds": 7, "rows": [other, other | {"cell": one.name}]}
    out.write_text(json.dumps(before))
    ask += ["--out", str(out)]
    assert main([*ask, "--data-sets", "20"]) == 0
    assert json.loads(out.read_text()) == before  # fewer data sets than are told already
    (path, known), missing = plan([one], 40, tmp_path)[0][one.name], plan([one], 40, tmp_path)[1]
    assert (
        missing == [(one.name, 20, 30), (one.name, 30, 40)]
        and json.loads(path.read_text()) == known
    )
    assert main([*ask, "--data-sets", "40"]) == 0
    said = capsys.readouterr().out
    assert "| families, rho 0, between 0.2, normal | claimed | 5.0 % |" in said and " ± " in said
    told = json.loads(out.read_text())
    assert other in told["rows"] and other | {"cell": one.name} not in told["rows"]
    assert {row["data_sets"] for row in told["rows"] if row["cell"] == one.name} == {40}
    assert told["cpu_seconds"] >= 7 and one.name not in told["not_measured"]


def test_the_same_seeds_give_the_same_outcomes_in_any_chunks():
    name = "split-half, 10 people"
    whole = run_chunk(name, 0, 4)["outcomes"]["split-half"]
    parts = [run_chunk(name, start, start + 2)["outcomes"]["split-half"] for start in (0, 2)]
    assert whole == parts[0] + parts[1]


def test_what_stays_outside_the_band_is_marked():
    rows = summary(Cell("x", None, {}, {"above 0": 0.025}), {"above 0": [1.0] * 50 + [0.0] * 350})
    assert not rows[0]["inside"] and "outside" in documented(rows)


def speaks(row: dict) -> str:
    """The kind of :mod:`analysis.statistics.measured` that stands beside such an interval."""
    cell, measure = row["cell"], row["measure"]
    if measure in ("nested", "above 0"):
        alone = "averaged" in cell or "one person" in cell
        nothing = "r 0.4" not in cell and "r 0.7" not in cell
        rest = "nested, nothing there" if nothing else "nested, few people"
        return "nested, averaged" if alone else rest
    if cell.startswith(("delta-LL", "wiring")):
        return cell.partition(",")[0]
    if cell.startswith("ceiling of a story"):
        return "story ceiling"
    if cell.startswith("similarity"):
        return "similarity"
    if cell in ("equal models, 2 people", "equal models, 3 people"):
        return "difference, few people"
    return {
        "p <= .05": "difference, averaged",
        "claimed": "families",
        "p <= .05 where nothing is": "p over time",
        "p of a region where nothing is": "p of a region",
        "lower bound, own": "lower bound",
        "score": "score over time",
        "ceiling (pools)": "pools, few people",
        "both ranks of equals": "ranks",
        "rank of the last": "ranks",
        "a region": "region",
        "a trend is shown": "trend",
    }.get(measure, measure)


def test_what_is_said_beside_an_interval_is_what_was_measured():
    from analysis.statistics.measured import MEASURED, beside
    from benchmarks.coverage import RESULTS

    told = json.loads((RESULTS / "coverage.json").read_text(encoding="utf-8"))
    rows = {(row["cell"], row["measure"]): row for row in told["rows"]}
    for kind, (name, measure, share) in MEASURED.items():
        row = rows[name, measure]
        assert not row["inside"] and row["data_sets"] >= 400
        assert row["rate"] == pytest.approx(share, abs=5e-4) and percent(share, 1) in beside(kind)
    for row in told["rows"]:
        if (
            not row["inside"] and row["measure"] != "lower bound, planted"
        ):  # a bound is no estimate of it
            assert speaks(row) in MEASURED, row
    assert {cell.name for cell in grid()} == {row["cell"] for row in told["rows"]} | set(
        told["not_measured"]
    )
    page = (RESULTS.parents[1] / "docs" / "method.md").read_text(encoding="utf-8")
    assert documented(told["rows"], told["not_measured"]) in page


def test_what_is_said_of_ranks_is_what_was_found():
    told = json.loads((RESULTS / "coverage.json").read_text(encoding="utf-8"))
    found = {
        row["cell"]: row["rate"] for row in told["rows"] if row["measure"] == "both ranks of equals"
    }
    low, high = found["three models, 6 people"], found["three models, averaged"]
    assert f"{percent(low, 1)} (six people) to {percent(high, 1)} (averages)" in beside("ranks")


def test_what_is_said_of_delta_ll_below_0_is_what_was_found():
    told = json.loads((RESULTS / "coverage.json").read_text(encoding="utf-8"))
    below = [
        row["rate"]
        for row in told["rows"]
        if row["cell"].startswith("delta-LL") and row["measure"] == "below 0"
    ]
    assert f"below 0 in up to {percent(max(below), 1)} of them" in beside("delta-LL")


def test_the_ceiling_of_the_recording_that_ships_is_the_planted_one():
    """A fifth of its targets is noise: one ratio of means gave .56 for .53."""
    measured = recording("simulated")
    planted = np.mean([*measured.truth["ceilings"], *[0.0] * 4])
    found = ceiling(measured, preset("defended"), kind="pools", beside=False)
    assert found.low < perfect(planted, 29) < found.high
    assert found.value == pytest.approx(planted, abs=0.025)


def test_omega_of_two_people_is_not_told_with_the_coverage_of_four():
    from analysis.statistics.measured import omega_covers

    assert "counts 9.2 times" in omega_covers(
        2
    ) and "97.5 % of data sets with 2 people" in omega_covers(2)
    assert "counts 2.7 times" in omega_covers(3) and "of data sets with 3 people" in omega_covers(3)
    assert "4 people" in omega_covers(4)


def test_a_result_is_told_with_what_its_intervals_kept():
    from analysis.statistics.measured import beside, beside_result

    common = {"nested": True, "low": 0.1, "share": float("nan")}
    assert beside_result(people=0, averaged=True, **common) == ("nested, averaged",)
    assert beside_result(people=4, averaged=False, **common) == ("nested, few people",)
    assert beside_result(people=2, averaged=False, **common) == ("nested, two or three people",)
    assert beside_result(people=12, averaged=False, **common) == ()
    nothing = common | {"low": -0.1}
    assert beside_result(people=12, averaged=False, **nothing) == ("nested, nothing there",)
    high = common | {"share": 0.8, "ceiling": "pools", "value": 0.6}
    assert beside_result(people=12, averaged=False, **high) == ("share", "pools")
    low = high | {"value": 0.3}
    assert "pools, few people" in beside_result(people=4, averaged=False, **low)
    said = beside("share", "pools")
    assert said.count("Measured in simulations") == 1 and ". A high ceiling" in said
    assert beside() == ""


@pytest.mark.parametrize(
    ("people", "said"),
    [(None, ""), (0, "averaged responses"), (2, "in two or three people"), (4, "")],
)
def test_what_is_said_of_a_difference_goes_with_the_number_of_people(people, said):
    from analysis.answers.compare.pair import _few

    told = beside(*_few(people))
    assert said in told and bool(told) == bool(said)
