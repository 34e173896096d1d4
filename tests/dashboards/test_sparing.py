"""The models of a page are found as Bokeh finds them, with less looking."""

from __future__ import annotations

import panel as pn
import panel_material_ui as pmui
import pytest
from bokeh.document import Document
from bokeh.document.models import DocumentModelManager
from bokeh.model import util
from bokeh.models import Column, Div, Slider
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
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))
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
