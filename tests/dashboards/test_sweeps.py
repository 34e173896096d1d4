"""Sweeps on the page: the plan of what is selected, the grid of what is done, and results that come while one looks."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from analysis.scoring.lock import lock
from analysis.store.store import Store
from analysis.sweep import Plan, Sweep, read_plan, run, standing
from analysis.sweep.board import finished_since
from dashboards import Compare
from dashboards.library.library import TABS
from dashboards.library.sweeps import grid_html, plan_of
from dashboards.state import Selection
from data.errors import BrainLensError
from tests.dashboards.conftest import settle

PLAN = """
name = "two"
models = ["random-8", "random-16"]
recordings = ["simulated"]
protocols = ["quick"]
[protocol.quick]
folds = 3
seeds = 1
inner_folds = 2
bootstrap = 20
shuffled_twin = false
unique = false
ceiling = "none"
controls = []
"""


@pytest.fixture
def plan(clean_home, tmp_path) -> Plan:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    return read_plan(path)


@pytest.mark.parametrize(
    ("fields", "protocols"),
    [
        ({}, ["defended"]),
        ({"changes": {"folds": 4}}, ["defended-changed"]),
        ({"protocols": ["schrimpf2021"]}, ["defended", "schrimpf2021"]),
        (
            {"changes": {"folds": 4}, "protocols": ["defended:leave-one-group-out"]},
            ["defended-changed", "defended-changed-too"],
        ),
        ({"ranked": ["simulated-ecog", "pereira2018 (ab12cd)"]}, ["defended"]),
    ],
)
def test_the_plan_of_a_selection_is_read_back_as_it_was(fields, protocols, clean_home, tmp_path):
    selection = Selection(models=["random-8", "zoo-glove-64d"], **fields)
    made = plan_of(selection)
    path = tmp_path / "plan.toml"
    path.write_text(made.toml())
    again = read_plan(path)
    assert again == made and list(made.protocols) == protocols
    assert made.recordings == ("simulated", *fields.get("ranked", [])[:1])
    assert made.protocol(protocols[0]).key() == selection.protocol.key()
    if "defended-changed-too" in protocols:
        assert made.protocol(protocols[1]).split == "leave-one-group-out"


def test_a_plan_needs_models(library):
    with pytest.raises(BrainLensError, match="Choose models"):
        plan_of(library.selection)
    assert library.sweeps.plan.disabled
    library.selection.models = ["random-8"]
    assert not library.sweeps.plan.disabled
    assert "1 model x 1 recording x 1 protocol " in library.sweeps._planned.object


def test_a_sweep_that_runs_elsewhere_is_followed(plan, library):
    library.tabs.active = TABS.index("Sweeps")
    room = library.sweeps
    settle(library, lambda: "None yet" in room._words.object)
    assert not room.which.visible
    sweep = Sweep.of(plan)
    sweep.fail(sweep.tasks[0], ValueError("torn & <broken>"))
    room.look()
    settle(library, lambda: room._seen is not None)
    assert room.which.value == sweep.name and room.which.visible
    assert "1 failed" in room._words.object and "1 blocked" in room._words.object
    assert f"brainlens sweep resume {sweep.name} --retry" in room._words.object
    assert "torn & <broken>" in room._errors.object
    assert {"blocked", "waiting"} <= set(room._seen.grid.to_numpy().ravel())
    run(sweep, mode="retry")
    room.look()
    settle(library, lambda: not room._seen.goes_on)
    assert set(room._seen.grid.to_numpy().ravel()) == {"done"} and not room._seen.errors
    assert "done" in room._grid.object and room._bar.value == 100
    frame = pd.read_csv(room._scores())
    assert set(frame["model"]) == {"random-8", "random-16"}
    room._open()
    assert library.selection.lens == "compare" and library.selection.ranked == ["simulated"]


def test_what_is_locked_leaves_in_no_file(plan, library):
    sweep = Sweep.of(plan)
    run(sweep)
    library.tabs.active = TABS.index("Sweeps")
    room = library.sweeps
    settle(library, lambda: room._seen is not None)
    lock("noise suffices", ["random-8"], ["simulated"], plan.protocol("quick"))
    told = room._scores().read().decode()
    rows = pd.read_csv(io.StringIO(told)).groupby("model", sort=False)
    locked, seen = rows.get_group("random-8"), rows.get_group("random-16")
    assert locked.r.isna().all() and "locked by the prediction" in told
    assert seen.r.notna().all()  # only what is locked stays inside
    assert "One score is locked by a prediction" in room._withheld.object and room._withheld.visible


def test_what_was_there_before_is_cached_and_names_are_no_markup(plan):
    run(Sweep.of(plan))
    again = Sweep.of(Plan("<b>again", plan.models, plan.recordings, plan.protocols, plan.changed))
    seen = standing(again)
    assert seen.counts["done"] == len(again.tasks)
    for one in again.board.glob("*.json"):
        one.unlink()
    run(again)
    seen = standing(again)
    assert set(seen.grid.to_numpy().ravel()) == {"cached"} and not seen.goes_on
    assert "<b>" not in grid_html(seen)


def test_compare_reads_again_when_a_sweep_has_finished_a_score(plan):
    lens = Compare(protocol=plan.protocol("quick")).run(wait=True)
    try:
        assert finished_since(Store().root, 0.0) == 0.0
        lens.follow_sweeps()
        before = lens._turn
        run(Sweep.of(plan))
        assert finished_since(Store().root, 0.0) > 0
        lens.follow_sweeps()
        assert lens._turn == before + 1
        lens.follow_sweeps()
        assert lens._turn == before + 1  # nothing new
        lens.run(wait=True)
        assert {"random-8", "random-16"} <= set(lens._board["model"])
    finally:
        lens.close()
