"""The contract of a figure."""

from __future__ import annotations

import pandas as pd
import pytest

from dashboards.figures.panels import bins, drawing
from dashboards.figures.spec import FigureSpec, Mark, Rule
from data.errors import BrainLensError

FRAME = pd.DataFrame({"x": [1.0, 2.0], "y": [0.1, 0.2], "model": ["a", "b"]})


@pytest.mark.parametrize(("make", "message"), [
    (lambda: Mark("lines", FRAME, "x", "y"), "Unknown mark 'lines'; did you mean 'line'"),
    (lambda: Mark("points", FRAME, "x", "z"), "Unknown column for y 'z'"),
    (lambda: Mark("points", FRAME, "x", "y", hover=("modell",)), "Unknown column for hover 'modell'; did you mean 'model'"),
    (lambda: Mark("points", FRAME, "x", "y", low="y"), "An interval needs both ends"),
    (lambda: Mark("band", FRAME, "x", "y"), "A band needs low and high"),
    (lambda: Mark("text", FRAME, "x", "y"), "A text mark needs a label"),
    (lambda: Rule("z", 1.0), "Unknown axis of a rule 'z'"),
    (lambda: FigureSpec("t", (Mark("points", FRAME, "x", "y"),), facet="subject"), "Unknown column for facet 'subject'"),
])  # fmt: skip
def test_mistakes_are_explained(make, message):
    with pytest.raises(BrainLensError, match=message):
        make()


def test_the_table_is_what_is_drawn():
    one = FigureSpec("t", (Mark("points", FRAME, "x", "y"),))
    pd.testing.assert_frame_equal(one.table, FRAME)
    two = FigureSpec(
        "t",
        (
            Mark("points", FRAME, "x", "y", name="own"),
            Mark("line", FRAME, "x", "y"),
            Mark("line", FRAME[:0], "x", "y"),
        ),
    )
    assert list(two.table["mark"]) == ["own", "own", "line", "line"]


def test_a_rule_belongs_to_its_panel_or_to_all():
    frame = FRAME.assign(part=["p", "q"])
    spec = FigureSpec(
        "t",
        (Mark("points", frame, "x", "y"),),
        rules=(Rule("y", 0.5, facet="p"), Rule("y", 0.6)),
        facet="part",
    )
    assert [[rule.value for rule in panel.rules] for panel in drawing(spec).panels] == [
        [0.5, 0.6],
        [0.6],
    ]


def test_words_on_the_axis_become_positions_in_order():
    frame = pd.DataFrame(
        {"x": ["late", "early", "late"], "y": [1.0, 2.0, 3.0], "model": ["a", "a", "b"]}
    )
    plan = drawing(FigureSpec("t", (Mark("points", frame, "x", "y", colour="model"),)))
    assert plan.categories == ("late", "early")
    a, b = plan.series(plan.spec.marks[0])
    assert a.frame["_x"].tolist() == pytest.approx([-0.2, 0.8]) and b.frame[
        "_x"
    ].tolist() == pytest.approx([0.2])


def test_the_extent_holds_intervals_and_rules():
    frame = FRAME.assign(low=[-0.4, 0.1], high=[0.2, 0.9])
    left, right, bottom, top = drawing(
        FigureSpec("t", (Mark("points", frame, "x", "y", "low", "high"),), rules=(Rule("y", 1.4),))
    ).extent
    assert left < 1 and right > 2 and bottom < -0.4 and top > 1.4


def test_bins_hold_every_value_and_stay_few():
    edges = bins(pd.Series([0.0] * 1000 + [1e6]).to_numpy())
    assert edges[0] <= 0 and edges[-1] >= 1e6 and len(edges) <= 61
    assert len(bins(pd.Series([2.0, 2.0]).to_numpy())) == 2


def test_numeric_bars_have_room_for_themselves_and_no_more():
    import pandas as pd

    from dashboards.figures.panels import drawing
    from dashboards.figures.spec import FigureSpec, Mark

    frame = pd.DataFrame({"x": [0.1, 0.2, 0.3], "y": [1.0, 2.0, 1.0]})
    left, right, bottom, _ = drawing(FigureSpec("q", (Mark("bars", frame, "x", "y"),))).extent
    assert 0.0 < left < 0.05 and 0.35 < right < 0.4 and bottom == 0.0


def test_a_picture_that_did_not_change_is_known_again():
    def make(frame=FRAME, **changes):
        return FigureSpec(
            "t",
            (Mark("points", frame, "x", "y", colour="model"),),
            rules=(Rule("y", 0.5),),
            **changes,
        )

    gap = FRAME.assign(y=[0.1, float("nan")])
    assert make().draws_like(make(FRAME.copy())) and make(gap).draws_like(make(gap.copy()))
    assert not make().draws_like(None)
    assert not make().draws_like(make(FRAME.assign(y=[0.1, 0.3])))
    for changes in (
        {"y_title": "r"},
        {"stamp": "simulated"},
        {"colours": {"a": "#000000"}},
        {"flag_above": 1.0},
    ):
        assert not make().draws_like(make(**changes))
    assert not make().draws_like(
        FigureSpec("t", (Mark("points", FRAME, "x", "y"),), rules=(Rule("y", 0.5),))
    )
