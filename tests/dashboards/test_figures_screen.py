"""Figures on the screen: what Bokeh is told to draw."""

from __future__ import annotations

import gc
import re
import weakref
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from bokeh.document import Document
from bokeh.models import (
    ColumnDataSource,
    HoverTool,
    LabelSet,
    Legend,
    LinearAxis,
    Scatter,
    Segment,
    Slope,
    Span,
    Title,
)
from bokeh.models.renderers import GlyphRenderer

from dashboards.figures.panels import drawing
from dashboards.figures.screen import (
    LEGEND_LIMIT,
    _below,
    _beside,
    anything_picked,
    draw,
    highlight,
)
from dashboards.figures.spec import FigureSpec, Mark, Rule
from dashboards.figures.style import ink, looks
from data.errors import BrainLensError
from tests.figures import SPECS, make_spec


def figures(plot) -> list:
    return [plot] if hasattr(plot, "renderers") else [child for child, *_ in plot.children]


def words(plot) -> str:
    return " | ".join(title.text for title in plot.select({"type": Title}))


def points(plot) -> list[GlyphRenderer]:
    return [
        r
        for r in plot.select({"type": GlyphRenderer})
        if isinstance(r.glyph, Scatter) and r.glyph.marker == "_marker"
    ]


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_figure_can_be_sent_to_a_browser(kind, theme):
    document = Document()
    document.add_root(draw(make_spec(kind), theme=theme))
    assert len(str(document.to_json())) > 1000
    for figure in figures(document.roots[0]):
        assert figure.background_fill_color == ink("paper", theme)
        assert figure.xaxis[0].major_label_text_color == ink("text", theme)


@pytest.mark.parametrize("kind", ["layers", "task", "facets", "untrained"])
def test_every_drawn_row_is_there(kind):
    spec = make_spec(kind)
    plot = draw(spec)
    marks = [
        mark
        for mark in spec.marks
        if mark.kind in ("points", "line") and mark.colour and not mark.dashed
    ]
    wanted = sum(mark.frame[[mark.x, mark.y]].notna().all(axis=1).sum() for mark in marks)
    sources = {renderer.data_source.id: renderer.data_source for renderer in points(plot)}
    assert sum(len(source.data["_colour"]) for source in sources.values()) == wanted > 20


def test_colours_and_markers_are_the_models():
    plot = draw(make_spec("layers"))
    found = looks(["gpt2", "smollm2-135m", "gpt2@untrained:init:0"])
    source = points(plot)[0].data_source
    for name, colour, fill, marker in zip(
        *(source.data[key] for key in ("_key", "_colour", "_fill", "_marker"))
    ):
        assert (colour, marker) == (found[name].colour, found[name].marker)
        assert (fill == "rgba(0,0,0,0)") == found[name].open


def test_all_ink_is_inside_the_ranges():
    plot = draw(make_spec("layers"))
    assert plot.y_range.start < 0.06 and plot.y_range.end > 0.6  # the ceiling's interval too
    assert plot.x_range.start < 0 and plot.x_range.end > 1
    task = draw(make_spec("task"))
    assert task.x_range.start > task.x_range.end  # better to the right
    assert type(task.x_scale).__name__ == "LogScale"
    assert {200, 500, 1000, 2000} <= set(task.xaxis[0].ticker.ticks)


def at_the_ends(plot) -> set[str]:
    """The names in the right margin."""
    return {
        word for one in plot.select({"type": LabelSet}) for word in one.source.data.get("words", [])
    }


def test_stamp_flags_and_rules_are_on_the_figure():
    plot = draw(make_spec("layers"))
    assert "simulated data" in words(plot)
    (stamp,) = [one for one in plot.select({"type": Title}) if "simulated data" in one.text]
    (kept,) = stamp.js_property_callbacks[
        "change:text_color"
    ]  # the page's theme makes all titles alike
    assert kept.args["value"] == stamp.text_color == ink("stamp", "light") != ink("text", "light")
    assert {"ceiling .55", "length and position"} <= at_the_ends(plot)
    assert not list(
        plot.select({"type": Span})
    )  # a line as wide as the window would strike the names
    lines = [one.data_source.data for one in plot.renderers if isinstance(one.glyph, Segment)]
    assert sorted(data["y0"][0] for data in lines if "x0" in data) == [0.3, 0.55]
    assert {data["x1"][0] for data in lines} == {drawing(make_spec("layers")).extent[1]}
    bars = draw(make_spec("histogram"))
    assert [span.location for span in bars.select({"type": Span})] == [0.0]
    flagged = draw(make_spec("facets"))
    assert "ringed in red: 2 above 1" in words(flagged) and "ringed in red: 3 above 1" in words(
        flagged
    )
    assert len(list(draw(make_spec("untrained")).select({"type": Slope}))) == 1


def test_panels_share_their_ranges_and_carry_their_names():
    grid = draw(make_spec("facets"))
    panels = figures(grid)
    assert len(panels) == 4 and len({panel.x_range.id for panel in panels}) == 1 == len(
        {panel.y_range.id for panel in panels}
    )
    assert "pereira2018" in words(panels[0]) and "futrell2018" in words(panels[3])


def test_the_legend_names_colours_once_and_ways_of_drawing_neutrally():
    plot = draw(make_spec("layers"))
    (legend,) = plot.select({"type": Legend})
    assert [item.label.value for item in legend.items] == ["shuffled folds", "chosen layer"]
    assert {"gpt2", "smollm2-135m", "gpt2@untrained:init:0"} <= at_the_ends(plot)
    (legend,) = draw(make_spec("task")).select({"type": Legend})
    assert [item.label.value for item in legend.items] == ["fit, 95 %"]


def test_the_sample_of_marked_points_is_their_ring_and_a_click_on_it_dims_both():
    plot = draw(make_spec("layers"))
    (legend,) = plot.select({"type": Legend})
    item = next(item for item in legend.items if item.label.value == "chosen layer")
    rings = [one for one in plot.renderers if one.name == "ring"]
    assert len(rings) > 1 and list(item.renderers) == rings
    (linked,) = rings[0].js_property_callbacks.values()
    others = {callback.args["other"].id for callback in linked}
    dots = [one for one in plot.renderers if one.id in others]
    assert len(dots) >= 1 and all(type(one.glyph).__name__ == "Scatter" for one in dots)


def test_names_that_find_no_room_on_the_screen_are_counted():
    plot = draw(make_spec("untrained"), height=300, room=600)
    (named,) = plot.select({"type": LabelSet})
    left = len(make_spec("untrained").marks[0].frame) - len(named.source.data["_text"])
    assert left > 5 and f"{left} names without room: see the table" in words(plot)
    assert "without room" not in words(draw(make_spec("layers")))


def test_a_crowd_has_no_legend_but_labels_and_hover():
    plot = draw(make_spec("task"))
    assert len(make_spec("task").marks[1].frame) > LEGEND_LIMIT
    (labels,) = plot.select({"type": LabelSet})
    written = set(labels.source.data["_text"])
    assert 15 < len(written) <= 42 and "gpt2-xl" in written
    assert any(
        "@{model}, y @{y}{custom}" in tool.tooltips for tool in plot.select({"type": HoverTool})
    )


def test_own_columns_with_odd_names_can_be_hovered():
    frame = pd.DataFrame({"my x": [1.0, 2.0], "r (held out)": [0.1, 0.2], "model": ["a", "b"]})
    plot = draw(FigureSpec("t", (Mark("points", frame, "my x", "r (held out)", colour="model"),)))
    (tool,) = plot.select({"type": HoverTool})
    assert "r (held out) @{r (held out)}{custom}" in tool.tooltips
    assert "@{r (held out)}" in tool.formatters


def test_marks_that_tell_the_same_share_one_hover_card():
    frame = pd.DataFrame({"x": [0.0, 1.0], "r": [0.2, 0.3], "model": "gpt2"})
    marks = (Mark("line", frame, "x", "r", colour="model"), Mark("points", frame, "x", "r", colour="model", ringed=True),
             Mark("points", frame, "x", "r", hover=("r",)))  # fmt: skip
    plot = draw(FigureSpec("t", marks))
    tools = [tool for tool in plot.tools if isinstance(tool, HoverTool)]
    assert [len(tool.renderers) for tool in tools] == [2, 1]
    assert len({id(words) for tool in tools for words in tool.formatters.values()}) == 1


def test_a_mark_of_nobody_is_not_told():
    heard = []
    for column in ("level", "model", "item"):
        frame = pd.DataFrame({"x": [0.0, 1.0], "r": [0.2, 0.3], column: ["a", "b"]})
        plot = draw(FigureSpec("t", (Mark("points", frame, "x", "r"),)), on_pick=heard.append)
        points(plot)[0].data_source.selected.indices = [1]
    assert [sorted(rows[0]) for rows in heard] == [["model", "r", "x"], ["item", "r", "x"]]


def test_picking_tells_the_rows():
    heard = []
    plot = draw(make_spec("task"), on_pick=heard.append)
    source = points(plot)[0].data_source
    source.selected.indices = [0, 3]
    assert [row["model"] for row in heard[-1]] == list(source.data["_key"][[0, 3]])
    assert heard[-1][0]["family"] and not any(key.startswith("_") for key in heard[-1][0])
    source.selected.indices = []
    assert heard[-1] == []


def test_highlighting_marks_one_model_and_takes_it_back():
    plot = draw(make_spec("layers"))
    highlight(plot, ["gpt2"])
    source = max((r.data_source for r in points(plot)), key=lambda source: len(source.data["_key"]))
    assert (
        set(source.data["_key"][source.selected.indices]) == {"gpt2"}
        and len(source.selected.indices) == 7
    )
    assert anything_picked(plot)
    highlight(plot, [])
    assert source.selected.indices == [] and not anything_picked(plot)


def test_bars_stand_side_by_side_from_zero():
    plot = draw(make_spec("bars"))
    assert plot.y_range.start == 0.0
    lefts = [
        r.data_source.data["_x"] - r.glyph.width / 2
        for r in plot.renderers
        if type(r.glyph).__name__ == "VBar"
    ]
    rights = [
        r.data_source.data["_x"] + r.glyph.width / 2
        for r in plot.renderers
        if type(r.glyph).__name__ == "VBar"
    ]
    assert (rights[0] <= lefts[1]).all()
    assert plot.xaxis[0].major_label_overrides == {0: "glove", 1: "gpt2"}


def test_histograms_count_every_value():
    plot = draw(make_spec("histogram"))
    counts = [
        r.data_source.data["top"].sum() for r in plot.renderers if type(r.glyph).__name__ == "Quad"
    ]
    assert counts == [200, 200]


def test_missing_values_are_not_drawn():
    frame = pd.DataFrame({"x": [0.0, 0.5, 1.0], "r": [np.nan, 0.2, 0.3], "model": "gpt2"})
    plot = draw(FigureSpec("t", (Mark("line", frame, "x", "r", colour="model"),)))
    assert len(points(plot)[0].data_source.data["_key"]) == 2


def test_nothing_outlives_the_figure():
    class Session:
        def heard(self, rows):
            return rows

    session = Session()
    plot = draw(make_spec("task"), on_pick=session.heard)
    document = Document()
    document.add_root(plot)
    gone = weakref.ref(session)
    document.clear()
    del session, plot, document
    gc.collect()
    assert gone() is None


def test_an_empty_figure_says_what_to_do():
    empty = FigureSpec("t", (Mark("points", pd.DataFrame({"x": [], "y": []}), "x", "y"),))
    assert empty.empty and empty.table.empty
    with pytest.raises(BrainLensError, match="nothing to draw"):
        draw(empty)


def test_sources_hold_plain_arrays():
    for source in draw(make_spec("layers")).select({"type": ColumnDataSource}):
        assert all(isinstance(column, np.ndarray) for column in source.data.values())


def test_a_ranking_is_never_lower_than_its_names():
    from analysis.answers.compare import published
    from dashboards.figures.ranking import dots
    from dashboards.lens.parts import Frame, least_height
    from dashboards.lens.view import Picture

    spec = dots("How do the models rank?", published("schrimpf2021"))
    frame = Frame(lambda names: None)
    frame.draw(Picture("Published", spec, spec.table), theme="light", alone=False, first=False)
    assert frame._pane.object.height == least_height(spec) > 43 * 12 > 440
    frame.fit(300)
    assert frame._pane.object.height == least_height(spec)
    assert least_height(make_spec("layers")) == 0
    frame = spec.marks[0].frame
    long = frame.assign(
        **{spec.marks[0].x: "random embedding beside " + frame[spec.marks[0].x].astype(str)}
    )
    wide = replace(spec, marks=(replace(spec.marks[0], frame=long),))
    assert least_height(wide) > 43 * 26  # names of two lines


LONG = "zoo-causal-400k@untrained:init:0"


def test_names_beside_a_ranking_take_lines_where_few_and_are_cut_where_many():
    few = _beside((LONG, "gpt2"), 500, 420)
    letters = int(0.36 * 500 / 6.1)
    assert few[0].replace("\n", "") == LONG and "\n" in few[0] and few[1] == "gpt2"
    assert all(len(line) <= letters for line in few[0].split("\n"))
    assert _beside((LONG, "gpt2"), 1200, 420) == [LONG, "gpt2"]  # room for all of it
    rows = tuple(f"m{i}" for i in range(12))
    high = _beside((LONG, *rows), 400, 420)  # rows of 25 pixels
    assert high[0].replace("\n", "") == LONG and high[0].count("\n") == 1 and high[1:] == list(rows)
    assert _beside((LONG, *rows), 500, 300) == [LONG, *rows]  # half of the figure is enough
    many = _beside((2 * LONG, *rows), 500, 300)
    assert many[0] == f"{(2 * LONG)[: int(0.5 * 500 / 6.1) - 1]}…" and many[1:] == list(rows)


@pytest.mark.parametrize("room", [430, 520, 700, 1100])
def test_the_names_of_a_leak_meter_of_four_models_are_whole(room):
    from dashboards.lens.parts import least_height

    models = ["smollm2-135m-instruct-q4_1", "all-minilm-l6-v2", "stories15m", "glove-6b-50d"]
    names = [
        name
        for model in models
        for name in (model, f"random embedding beside {model}", f"{model}, untrained")
    ] + ["position and length", "OASM, no text"]
    table = pd.DataFrame({"what": names, "r": 0.1, "low": 0.0, "high": 0.2, "folds": "shuffled"})
    mark = Mark("points", table, "what", "r", "low", "high", colour="folds")
    spec = FigureSpec("Does the score leak?", (mark,), horizontal=True)
    shown = draw(spec, room=room, height=least_height(spec)).yaxis[0].major_label_overrides
    assert {re.sub(r"\s", "", one) for one in shown.values()} == {
        one.replace(" ", "") for one in names
    }
    assert max(one.count("\n") for one in shown.values()) < 2


def test_words_below_an_axis_take_three_lines_at_most_and_are_slanted_else():
    assert _below(("one", "two"), 800) == (["one", "two"], False)
    words, slanted = _below((LONG, "random-embedding", "length and position"), 480)
    letters = int((480 - 80) / 3 / 6.1)
    assert not slanted and [one.count("\n") for one in words] == [1, 0, 0]
    assert all(len(line) <= letters for one in words for line in one.split("\n"))
    assert [one.replace("\n", "") for one in words] == [LONG, "random-embedding", "length and position"]  # fmt: skip
    assert _below(("x" * 40, "y"), 300) == (["x" * 40, "y"], True)  # no joint to part it at
    assert _below(("a " * 30, "b"), 200) == (["a " * 30, "b"], True)  # more than three lines


def test_a_number_at_the_end_of_a_long_name_stays():
    frame = pd.DataFrame({"x": [0, 1], "y": [0.1, 0.2], "model": ["a", "a"]})
    label = "a rule with a name that is far too long for the margin 0.84"
    spec = FigureSpec("Rules", (Mark("line", frame, "x", "y", colour="model"),), rules=(Rule("y", 0.15, label),))  # fmt: skip
    (words,) = [set(one.source.data["words"]) for one in draw(spec).select(LabelSet)]
    (cut,) = words - {"a"}
    assert cut.startswith("a rule with") and cut.endswith("… 0.84") and len(cut) <= 36


def test_a_logarithmic_axis_of_less_than_a_decade_has_ticks():
    for low, high in ((1.5, 3.0), (41.0, 44.0), (2.0, 900.0), (0.001, 5e6), (7.001, 7.004)):
        frame = pd.DataFrame({"x": [low, high], "y": [0.1, 0.2], "model": ["a", "a"]})
        spec = FigureSpec("Log", (Mark("points", frame, "x", "y", colour="model"),), log_x=True)
        plan = drawing(spec)
        left, right = plan.extent[:2]
        assert 2 <= len(plan.log_ticks) <= 16 and all(
            left <= one <= right for one in plan.log_ticks
        )
        assert len(set(plan.log_ticks)) == len(plan.log_ticks)


@pytest.mark.parametrize(("room", "columns"), [(460, 2), (700, "auto")])
def test_a_legend_is_no_wider_than_its_figure(room, columns):
    """Above on the right, it would lose the sign of its first model."""
    models = ["smollm2-135m-instruct", "all-minilm-l6-v2-sts", "glove-6b-50d-vectors"]
    frame = pd.DataFrame(
        [{"how": how, "model": model, "r": 0.3} for model in models for how in ("nested", "best")]
    )
    mark = Mark("points", frame, "how", "r", colour="model")
    spec = FigureSpec("What did choosing the layer add?", (mark,), "", "r", horizontal=True)
    (legend,) = draw(spec, room=room).select({"type": Legend})
    assert legend.ncols == columns


@pytest.mark.parametrize(("rows", "axes"), [(8, 1), (43, 2)])
def test_the_numbers_of_a_long_ranking_stand_above_it_too(rows, axes):
    names = [f"model {i}" for i in range(rows)]
    frame = pd.DataFrame({"model": names, "score": np.linspace(0, 1, rows)})
    mark = Mark("points", frame, "model", "score")
    plot = draw(FigureSpec("Ranking", (mark,), "", "r", horizontal=True))
    assert [axis.axis_label for axis in plot.xaxis] == axes * ["r"]
    above = plot.select({"type": LinearAxis})
    assert {axis.formatter.code for axis in plot.xaxis} == {plot.xaxis[0].formatter.code}
    assert len(list(above)) == axes + 1


def test_names_of_a_larger_figure_keep_their_places():
    from bokeh.models import LabelSet

    from dashboards.figures.screen import enlarge

    plain, larger = (draw(make_spec("task"), height=300, room=700) for _ in range(2))
    enlarge(larger, 2.0)
    assert (plain.height, larger.height) == (300, 600)
    kept = larger.xaxis[0].js_property_callbacks["change:major_label_text_font_size"][0]
    assert kept.args["value"] == larger.xaxis[0].major_label_text_font_size
    one, other = (next(iter(plot.select({"type": LabelSet}))) for plot in (plain, larger))
    for name in ("_dx", "_dy"):
        np.testing.assert_allclose(other.source.data[name], 2 * one.source.data[name])
    assert list(one.source.data["_text"]) == list(other.source.data["_text"])


def test_names_and_titles_have_lines_where_one_would_be_cut():
    """A half of a narrow page: "other people 0.28" lost its number, long titles of axes their ends."""
    from bokeh.models import LabelSet

    frame = pd.DataFrame({"lag": 2 * [0.0, 2.0], "r": 4 * [0.1], "model": ["a", "a", "b", "b"]})
    spec = FigureSpec(
        "t",
        (Mark("line", frame, "lag", "r", colour="model"),),
        "Lag (s)",
        "Pearson r of a person (mean over all targets, held out)",
        (Rule("y", 0.28, "other people 0.28"),),
        facet="model",
    )
    grid = draw(spec, height=240, room=500)
    for plot, *_ in grid.children:
        (names,) = plot.select({"type": LabelSet})
        assert "other people 0.28" in " ".join(names.source.data["words"]).replace("\n", " ")
        assert all(
            len(line) <= 14 for words in names.source.data["words"] for line in words.split("\n")
        )
        assert max(map(len, plot.yaxis[0].axis_label.split("\n"))) <= 20
    assert "\n" not in draw(make_spec("layers"), height=600).yaxis[0].axis_label


def test_the_grid_ends_where_the_names_begin():
    """A line of it at zero struck the name of a curve that ends there."""
    spec = make_spec("layers")
    plot, right = draw(spec), drawing(spec, "light").extent[1]
    assert plot.ygrid[0].cross_bounds[1] == right < plot.x_range.end
    assert plot.ygrid[0].cross_bounds[0] < plot.x_range.start
    assert draw(make_spec("bars")).ygrid[0].cross_bounds == "auto"  # no names there
