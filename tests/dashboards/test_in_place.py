"""A figure that becomes another is that other, part for part."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from bokeh.document import Document
from bokeh.model import Model
from bokeh.models import HoverTool

from dashboards.figures.in_place import Shown
from dashboards.figures.screen import anything_picked, draw, highlight
from tests.figures import SPECS, layers_spec, make_spec

MODELS = ("gpt2", "smollm2-135m", "gpt2@untrained:init:0")


def told(plot: Model) -> list:
    """Everything that a browser hears of a figure, with numbers in place of its models' names."""
    order, found, waiting = {}, [], [plot]

    def plain(value):
        if isinstance(value, HoverTool) and value.renderers == []:
            return ""  # rests

        if isinstance(value, Model):
            if value.id not in order:
                order[value.id] = len(order)
                waiting.append(value)
            return f"<{type(value).__name__} {order[value.id]}>"
        if isinstance(value, np.ndarray):
            return [str(value.dtype), *map(str, value)]
        if isinstance(value, dict):
            return sorted((str(key), plain(one)) for key, one in value.items())
        if isinstance(value, list | tuple):
            return [one for one in map(plain, value) if one != ""]
        return str(value)

    order[plot.id] = 0
    while waiting:
        one = waiting.pop(0)
        values = one.properties_with_values(include_defaults=True)
        found.append((type(one).__name__, {name: plain(value) for name, value in sorted(values.items())
                                          if name not in ("id", "subscribed_events")}))  # fmt: skip
    return found


@pytest.mark.parametrize(
    "fields",
    [
        {"stamp": ""},
        {"models": MODELS[:1]},
        {"models": MODELS[::-1]},
        {"rules": ()},
        {"y_title": "Share of the ceiling", "flag_above": 0.3},
        {"facet": "model"},
        {"invert_x": True},
    ],
    ids=lambda fields: "+".join(fields),
)
def test_a_layer_profile_becomes_another_and_comes_back(fields):
    first, second = layers_spec(models=MODELS), layers_spec(**{"models": MODELS} | fields)
    shown = Shown(draw(first))
    Document().add_root(shown.plot)
    if "facet" in fields:  # two builds
        assert not shown.become(draw(second)) and told(shown.plot) == told(draw(first))
        return
    for spec in (second, first, second, first):
        if not shown.become(draw(spec)):  # more tools
            assert told(shown.plot) != told(draw(spec))
            shown = Shown(draw(spec))
            Document().add_root(shown.plot)
        assert told(shown.plot) == told(draw(spec))
    assert shown.become(draw(second)) and shown.become(
        draw(first)
    )  # tools rest, and are there again


@cache
def fresh(kind: str) -> list:
    return told(draw(make_spec(kind)))


@pytest.mark.parametrize("kind", SPECS)
def test_a_figure_becomes_another_or_is_left_as_it_is(kind):
    kinds = [*SPECS, *SPECS]
    for other in kinds[kinds.index(kind) + 1 :][:3]:
        shown = Shown(draw(make_spec(kind)))
        Document().add_root(shown.plot)
        becomes = shown.become(draw(make_spec(other)))
        assert told(shown.plot) == fresh(other if becomes else kind), other


def test_picks_tell_the_rows_that_stand_there_now():
    picked = []
    shown = Shown(draw(layers_spec(models=MODELS), on_pick=picked.append))
    highlight(shown.plot, ["gpt2"])
    assert shown.become(draw(layers_spec(models=("smollm2-135m",)), on_pick=picked.append))
    assert not anything_picked(shown.plot)
    picked.clear()
    highlight(shown.plot, ["smollm2-135m"])
    rows = [row for told in picked for row in told]
    assert rows and {row["model"] for row in rows} == {"smollm2-135m"}


def test_only_what_differs_is_sent():
    shown, doc, events = Shown(draw(layers_spec())), Document(), []
    doc.add_root(shown.plot)
    doc.on_change(events.append)
    assert shown.become(draw(layers_spec())) and not events
    assert shown.become(draw(layers_spec(y_title="Share of the ceiling")))
    assert [(event.attr, event.new) for event in events] == [("axis_label", "Share of the ceiling")]


def test_what_the_pages_theme_made_of_a_figure_stays_and_what_the_user_moved_does_not():
    shown = Shown(draw(layers_spec()))
    axis, frame = shown.plot.yaxis[0], shown.plot.y_range
    axis.axis_line_alpha, axis.axis_label_text_font_size = 0, "1em"
    frame.start, frame.end = 0.1, 0.2
    assert shown.become(draw(layers_spec(y_title="Share of the ceiling")))
    assert (axis.axis_line_alpha, axis.axis_label_text_font_size) == (0, "1em")
    drawn = draw(layers_spec()).y_range
    assert (frame.start, frame.end) == (drawn.start, drawn.end)
