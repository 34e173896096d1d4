"""Words that are hidden and shown: at once, later, and before the browser has drawn them."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import panel as pn
import panel_material_ui as pmui
import pytest

from dashboards.look import look
from dashboards.look.look import Folded, Html, Labels, Words, note

KINDS = {
    "html": lambda: Html("<b>html</b>", styles={"display": "grid"}, visible=False),
    "words": lambda: Words("words", visible=False),
    "note": lambda: note("note", visible=False),
    "folded": lambda: Folded("folded", visible=False),
}
LABELS = ("simulated data", "tiny, trained on little", "a random vector for every word")
CUT = "nodes => nodes.map(node => node.scrollWidth > node.clientWidth)"


@pytest.mark.parametrize("kind", [*KINDS, "labels"])
def test_what_is_hidden_is_hidden_by_its_style(kind):
    words = KINDS[kind]() if kind in KINDS else Labels()
    words.visible = False
    model = words.get_root()
    assert model.visible and model.styles["display"] == "none"
    words.visible = True
    assert model.visible and model.styles["display"] == ("grid" if kind == "html" else None)
    words.styles = {"color": "red"}
    assert model.styles == {"color": "red", "display": None}


def test_labels_that_begin_alike_are_one():
    labels = Labels()
    labels.tell(
        ["simulated data", "tiny, little read: a", "tiny, counted: b", "own"], drawn=["own"]
    )
    assert labels.object.count("<span") == 2 and labels.object.count(">tiny<") == 1
    assert "title='tiny, little read: a; counted: b'" in labels.object
    assert "<i>own</i>" in labels.object


def test_without_a_label_the_question_has_their_room():
    """Beside the inspector at 1,280 pixels it stood on three lines next to an empty place of 110."""
    labels = Labels()
    assert labels.styles["flex"] == "1 1 0px"
    labels.tell(["tiny"])
    assert labels.styles["flex"] == "1 1 110px"
    labels.tell(["simulated data"], drawn=["simulated data"])
    assert labels.styles["flex"] == "1 1 0px"


def test_a_narrow_window_leaves_out_what_explains_a_label():
    """At 800 pixels "a random vector per word: random-64" stood on three lines beside the question; its hint has all of it."""
    labels = Labels()
    labels.tell(["a random vector per word: random-64", "tiny, trained on: a", "own"])
    assert ">a random vector per word<small>: random-64</small></span>" in labels.object
    assert ">tiny<small>, trained on: a</small></span>" in labels.object
    assert "title='a random vector per word: random-64'" in labels.object


def test_all_words_of_the_screen_are_of_these_kinds():
    folder = Path(look.__file__).parents[1]
    bare = re.compile(r"pane\.(?:HTML|Markdown|Str|Alert)\b")
    found = [path.name for path in folder.rglob("*.py") if bare.search(path.read_text())]
    assert found == ["look.py"]


@pytest.fixture
def address():
    """A page whose button makes words that are hidden and shows them before they can be drawn; a second click hides them."""

    def page():
        box, made = pmui.Column(), []

        def press(_):
            if made:
                for one in made:
                    one.visible = False
                return
            made.extend(make() for make in KINDS.values())
            box.objects = [pmui.Column(pmui.Column(*made))]
            for one in made:
                one.visible = True

        labels = Labels()
        labels.tell(LABELS, drawn=LABELS[:1])
        narrow = pmui.Row(labels, width=130)
        return pmui.Page(
            main=[pmui.Column(pmui.Button(label="Press", on_click=press), box, narrow)]
        )

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = pn.serve({"words": page}, port=port, threaded=True, show=False)
    yield f"http://localhost:{port}/words"
    running.stop()


@pytest.mark.browser
def test_words_shown_before_they_are_drawn_break_nothing(address, visit):
    page = visit(address)
    press = page.get_by_role("button", name="Press")
    press.click()
    for kind in KINDS:
        page.get_by_text(kind, exact=True).wait_for()
    press.click()
    for kind in KINDS:
        page.get_by_text(kind, exact=True).wait_for(state="hidden")
    labels = page.locator(".labels span")
    assert labels.evaluate_all("nodes => nodes.map(node => node.innerText)") == ["tiny", LABELS[2]]
    assert labels.evaluate_all(CUT) == [False, True]  # the first stands whole, the next is cut
    assert labels.nth(0).get_attribute("title") == LABELS[1]
    page.set_viewport_size({"width": 800, "height": 1000})
    assert labels.evaluate_all(CUT) == [False, False]  # a narrow window breaks them into lines
