"""The models of a page are found as Bokeh finds them, with less looking."""

from __future__ import annotations

import json
import re

import numpy as np
import panel as pn
import panel_material_ui as pmui
import pytest
from bokeh.core.has_props import HasProps
from bokeh.core.properties import value
from bokeh.core.property.dataspec import DataSpec
from bokeh.core.property.descriptors import PropertyDescriptor, UnsetValueError
from bokeh.core.serialization import Serializer
from bokeh.document import Document
from bokeh.document.models import DocumentModelManager
from bokeh.model import Model, util
from bokeh.models import Column, ColumnDataSource, Div, LabelSet, LinearAxis, Slider
from bokeh.models.dom import HTML
from bokeh.plotting import figure
from bokeh.themes import built_in_themes
from panel.custom import ReactiveESM
from panel.io.state import set_curdoc

from dashboards.page.page import MADE, Workbench
from dashboards.serve import sparing as sparing_


@pytest.fixture(autouse=True)
def sparing(monkeypatch):
    """Bokeh as it is after :func:`spare`, and as it was after the test."""
    for owner, name in (
        (util, "visit_immediate_value_references"),
        (DocumentModelManager, "invalidate"),
        (DocumentModelManager, "_pop_freeze"),
        (ReactiveESM, "_get_properties"),
        (ReactiveESM, "_get_children"),
        (HasProps, "__init__"),
        (HasProps, "query_properties_with_values"),
        (HasProps, "themed_values"),
        (PropertyDescriptor, "has_unstable_default"),
        (PropertyDescriptor, "instance_default"),
        (DataSpec, "to_serializable"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setattr(
        HasProps, "_overridden_defaults", classmethod(HasProps._overridden_defaults.__func__)
    )
    sparing_.spare()


@pytest.fixture
def looks(monkeypatch):
    """How often a document looked for its models."""
    counted, plain = [], DocumentModelManager.recompute

    def recompute(self):
        counted.append(self)
        plain(self)

    monkeypatch.setattr(DocumentModelManager, "recompute", recompute)
    return counted


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page in which more lenses were looked at than it keeps."""
    with pytest.MonkeyPatch.context() as patched, set_curdoc(doc := Document()):
        patched.setenv("BRAINLENS_HOME", str(tmp_path_factory.mktemp("home")))
        pn.extension("tabulator", "filedropper")
        bench = Workbench("")
        bench.page.server_doc(doc)
        bench._open_first()
        for slug in bench._names[: MADE + 1]:
            bench.selection.lens = slug
        yield bench, doc
        bench.close()


def _found(doc, walk, monkeypatch) -> set:
    with monkeypatch.context() as with_:
        with_.setattr(util, "visit_immediate_value_references", walk)
        return set().union(*(root.references() for root in doc.roots))


def test_the_same_models_are_found_in_a_page_of_many_lenses(page, monkeypatch):
    _, doc = page
    ours = _found(doc, sparing_._visit, monkeypatch)
    assert ours == _found(doc, sparing_._EVERYWHERE, monkeypatch) == set(doc.models)
    assert len(ours) > 500


def test_the_same_models_are_found_in_a_figure_with_a_theme(monkeypatch):
    doc = Document(theme=built_in_themes["dark_minimal"])
    plot = figure(tools="pan,tap,hover", title="one", y_axis_type="log")
    plot.scatter([1, 2], [3, 4], legend_label="a")
    doc.add_root(Column(children=[plot, Div(text="two")]))
    assert _found(doc, sparing_._visit, monkeypatch) == _found(
        doc, sparing_._EVERYWHERE, monkeypatch
    )


def test_a_document_looks_only_after_a_model_came_or_went(looks):
    doc, row, words = Document(), Column(children=[]), Div(text="one")
    doc.add_root(row)
    looks.clear()
    with doc.models.freeze():
        row.visible = False
    assert not looks
    with doc.models.freeze():
        row.children = [words]
        assert words.id not in doc.models
    assert words.id in doc.models and words.document is doc and len(looks) == 1
    with doc.models.freeze():
        row.children = [Slider(start=0, end=1, value=0)]
    assert words.id not in doc.models and words.document is None
    second = Div(text="two")
    with doc.models.freeze():
        doc.add_root(second)
    assert second.id in doc.models
    doc.remove_root(second)
    assert second.id not in doc.models
    row.children[0].tags.append(words)  # a list that was at its default
    assert words.id in doc.models
    doc.clear()
    assert len(doc.models) == 0


def test_a_lens_that_is_not_drawn_keeps_its_models_and_comes_back_with_what_changed(page):
    bench, doc = page
    first, *others = bench._names[:MADE]
    with set_curdoc(doc):
        bench.selection.lens = first
        lens, (place, _) = (
            bench.lenses[first],
            next(iter(bench._places[first].body._models.values())),
        )
        kept = next(iter(lens.body._models.values()))[0]
        assert place.data.objects == [kept]
        for slug in others:
            bench.selection.lens = slug
        assert place.data.objects == [], "a page of many lenses is slow in a browser"
        assert kept.document is doc, "style sheets of what changes are found by the document"
        lens._answer.object = "said meanwhile"
        bench.selection.lens = first
    assert place.data.objects == [kept] and place.tags == []
    said = next(iter(lens._answer._models.values()))[0]
    assert said.document is doc and "said meanwhile" in said.text


def test_no_more_lenses_are_kept_than_are_asked_for(page):
    bench, doc = page
    with set_curdoc(doc):
        for slug in bench._names[: MADE + 1]:
            bench.selection.lens = slug
    there = [slug for slug in bench._names if bench._places[slug].body.objects]
    assert there == bench._names[1 : MADE + 1]


def _copies(part) -> set[str]:
    return set(part._param__private.params)


def test_a_part_is_made_the_same_without_a_copy_of_every_parameter(monkeypatch):
    def made():
        part = pmui.Column(pmui.Button(label="Run"), pmui.Select(options=["a", "b"], value="b"))
        part[1].param["value"]  # one that somebody asked of this very part
        model = part.get_root(Document())
        values = [
            {
                k: v
                for k, v in one.data.properties_with_values().items()
                if k != "name" and not isinstance(v, list)
            }
            for one in (model, *model.data.objects)
        ]
        return part, values

    sparing, ours = made()
    monkeypatch.undo()
    plain, theirs = made()
    assert ours == theirs
    assert "value" in _copies(sparing[1]) and sparing[1].param["value"].owner is sparing[1]
    assert len(_copies(sparing[0])) < len(_copies(plain[0])) / 2


def told(kind: type[Model], theme: dict | None = None) -> tuple:
    """What a model of a class is, what is sent of it, and what its containers are owned by; ids aside."""
    model = kind()
    if theme:
        model.apply_theme(theme)
    try:
        sent = repr(Serializer().encode(model))
    except (UnsetValueError, ValueError) as error:  # a class that needs a value
        sent = f"{type(error).__name__}"
    names = sorted(kind.properties())
    whole = []
    for name in names:
        try:
            value = getattr(model, name)
        except UnsetValueError:
            whole.append((name, "unset"))
            continue
        owners = getattr(value, "_owners", None)
        whole.append((name, type(value).__name__, repr(value), owners is not None and len(owners)))
    return re.sub(r"p?\d{4,}|id='[^']*'|0x[0-9a-f]+", "#", repr((sent, whole)))


def test_every_kind_of_model_is_made_and_sent_as_bokeh_does(monkeypatch):
    kinds = [
        kind
        for name, kind in sorted(Model.model_class_reverse_map.items())
        if name.startswith(("bokeh.", "panel.")) or "." not in name
    ]
    assert len(kinds) > 300
    made = {}
    for way in ("classwise", "bokeh"):
        if way == "bokeh":
            monkeypatch.undo()
            assert HasProps.__init__.__module__ == "bokeh.core.has_props"
        else:
            assert HasProps.__init__.__module__ == "dashboards.serve.classwise"
        for kind in kinds:
            try:
                made[way, kind] = told(kind)
            except Exception as error:  # abstract, or needs more than a name
                made[way, kind] = type(error).__name__
    for kind in kinds:
        assert made["classwise", kind] == made["bokeh", kind], kind
    assert sum(len(made["bokeh", kind]) > 100 for kind in kinds) > 300


def of_many_marks():
    """A figure with fixed values, columns, lists and units in its marks."""
    shown = figure(x_range=["a", "b"], title="words", tooltips="@words")
    source = ColumnDataSource(
        {"x": ["a", "b"], "y": [1.0, 2.0], "words": ["one", "red"], "size": [4, 5]}
    )
    shown.scatter(
        "x", "y", size="size", fill_color="words", line_color="red", marker="diamond", source=source
    )
    shown.text(
        "x",
        "y",
        text="words",
        angle=20,
        angle_units="deg",
        text_color=(1, 2, 3, 0.5),
        source=source,
    )
    shown.text(["a"], [1], text=value("y"), text_font_size="9pt", text_align="right")
    shown.vbar(["a", "b"], top=[1, np.nan], width=0.5, fill_alpha=[0.2, 0.4], hatch_pattern="/")
    shown.segment("x", 0, "x", "y", line_dash="dashed", source=source)
    shown.image_rgba([np.zeros((2, 2), np.uint32)], x=0, y=0, dw=1, dh=1)
    shown.add_layout(LabelSet(x="x", y="y", text="words", x_offset=3, source=source))
    return shown


def test_a_figure_is_sent_as_bokeh_does(monkeypatch):
    def sent():
        words, ids = json.dumps(Serializer(deferred=False).encode(of_many_marks())), {}
        return re.sub(
            r"p\d{4,}|[0-9a-f-]{36}", lambda one: f"#{ids.setdefault(one[0], len(ids))}", words
        )

    ours = [sent(), sent()]
    monkeypatch.undo()
    assert ours == [sent(), sent()] and len(ours[0]) > 5000


def test_a_theme_wins_over_the_default_of_a_class_and_goes_again():
    line, other = LinearAxis(), LinearAxis()
    plain = line.axis_line_color
    line.apply_theme({"axis_line_color": "red"})
    assert (line.axis_line_color, other.axis_line_color) == ("red", plain)
    assert "red" in repr(Serializer().encode(line)) and "red" not in repr(
        Serializer().encode(other)
    )
    line.apply_theme({})
    assert line.axis_line_color == plain


def test_what_one_model_changes_of_a_default_is_its_own():
    first, second = ColumnDataSource(), ColumnDataSource()
    first.data["x"] = [1]
    first.selected.indices = [0]
    assert second.data == {} and second.selected.indices == []
    assert "'x'" in repr(Serializer().encode(first)) and "'x'" not in repr(
        Serializer().encode(second)
    )


def test_a_property_without_value_and_default_is_still_refused():
    with pytest.raises(UnsetValueError, match="doesn't have a value set"):
        Serializer().encode(HTML())
