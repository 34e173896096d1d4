"""Figures as HoloViews objects: the drawn rows, linked through what they share."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bokeh.models import Whisker

from tests.figures import SPECS, make_spec

pytestmark = pytest.mark.slow  # HoloViews is imported and drawn by itself


@pytest.mark.parametrize("kind", SPECS)
def test_every_figure_is_holoviews_with_all_its_rows(kind):
    import holoviews as hv

    from dashboards.figures.objects import holoviews

    spec = make_spec(kind)
    picture = holoviews(spec)
    hv.render(picture)
    parts = picture.traverse(lambda part: part, [hv.Points, hv.Curve, hv.Rectangles])
    found = sum(len(part) for part in parts if not isinstance(part, hv.Area))
    drawn = [mark for mark in spec.marks if mark.kind in ("points", "line", "bars")]
    assert found == sum(mark.frame[[mark.x, mark.y]].notna().all(axis=1).sum() for mark in drawn)


def test_many_models_are_one_element_and_two_lenses_link_through_their_models():
    import holoviews as hv

    from dashboards import Compare, Task

    task, ranking = Task(), Compare(tables=["schrimpf2021"])
    for lens in (task, ranking):
        lens.wait()
    left, right = (
        picture.traverse(lambda part: part, [hv.Points])[
            0
        ]  # a band is of no model: it cannot be linked
        for picture in (task.holoviews("Published"), ranking.holoviews("Published: schrimpf2021"))
    )
    points = [left.dframe(), right.dframe()]
    assert len(points[0]) == 42 and set(points[0]["model"]) <= set(points[1]["model"])
    link = hv.selection.link_selections.instance(index_cols=["model"])
    linked = link(left + right)
    link.selection_expr = hv.dim("model").isin(["gpt2-xl"])
    hv.render(linked)
    kept = link.filter(pd.concat(points))
    assert set(kept["model"]) == {"gpt2-xl"} and len(kept) == 2


@pytest.mark.parametrize("kind", ["points", "bars", "line"])
def test_columns_of_tables_do_not_stop_a_picture(kind):
    """Steps of Trust's waterfall carry their choices, which have no order: nothing of it could be shown."""
    import holoviews as hv

    from dashboards.figures.objects import holoviews
    from dashboards.figures.spec import FigureSpec, Mark

    frame = pd.DataFrame(
        {"x": [1.0, 2.0], "r": [0.1, 0.2], "model": "gpt2", "changes": [{"folds": 3}, {"seeds": 1}]}
    )
    for colour in ("model", None):
        made = holoviews(FigureSpec("t", (Mark(kind, frame, "x", "r", colour=colour),)))
        hv.render(made)
        parts = made.traverse(lambda part: part, [hv.Points, hv.Curve, hv.Rectangles])
        rows = pd.concat([part.dframe() for part in parts if not isinstance(part, hv.Area)])
        heights = rows.filter(["r", "y1"]).to_numpy()
        assert sorted(heights.max(axis=1)) == [0.1, 0.2]  # every row, at its height
        assert "changes" not in rows and set(rows["model"]) == {"gpt2"}


@pytest.mark.parametrize("horizontal", [False, True])
def test_intervals_lie_along_the_values(horizontal):
    """Of a ranking they had stood at the value's height and reached along the names."""
    import holoviews as hv

    from dashboards.figures.objects import holoviews
    from dashboards.figures.spec import FigureSpec, Mark

    frame = pd.DataFrame(
        {"who": ["a", "b", "c"], "r": [0.1, 0.5, 0.9], "low": [0.0, 0.4, 0.7], "high": [0.2, 0.6, 1.0]}
    )  # fmt: skip
    spec = FigureSpec(
        "t", (Mark("points", frame, "who", "r", "low", "high"),), horizontal=horizontal
    )
    (bars,) = holoviews(spec).traverse(lambda part: part, [hv.ErrorBars])
    drawn = hv.render(bars).select_one({"type": Whisker})
    rows = pd.DataFrame(dict(drawn.source.data)).sort_values("base")
    assert drawn.dimension == ("width" if horizontal else "height")
    assert sorted(rows["base"]) == [0, 1, 2]  # one at each name
    ends = rows[["lower", "upper"]].sort_values("lower").to_numpy()
    assert np.allclose(ends, [[0.0, 0.2], [0.4, 0.6], [0.7, 1.0]])


def test_a_logarithmic_axis_has_the_ticks_of_the_screen():
    import holoviews as hv

    from dashboards.figures.objects import holoviews
    from dashboards.figures.panels import drawing

    spec = make_spec("task")
    ticks = hv.render(holoviews(spec)).xaxis[0].ticker.ticks
    assert list(ticks) == list(drawing(spec, "light").log_ticks) and len(ticks) < 12
