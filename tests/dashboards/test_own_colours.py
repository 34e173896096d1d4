"""A person's colours: kept, under a link's own, apart from other people's, forgotten."""

from __future__ import annotations

import json

import pytest

from dashboards.lens import own_colours
from dashboards.lens.controls import ModelPicker
from dashboards.page.settings import Settings
from dashboards.state import Selection
from data.errors import BrainLensError
from data.home import acting_for

RED, BLUE = "#d50000", "#0050d5"


def test_a_colour_is_there_in_the_next_view_and_a_link_has_its_own(clean_home):
    first = Selection(models=["zoo-causal-200k"])
    ModelPicker(first)._paint("zoo-causal-200k", RED)
    assert first.colours == {"zoo-causal-200k": RED}
    second = Selection(models=["zoo-glove-64d"])
    ModelPicker(second)
    assert second.colours == {}
    second.models = ["zoo-glove-64d", "zoo-causal-200k"]
    assert second.colours == {"zoo-causal-200k": RED} and "zoo-causal-200k" in second.query()
    link = Selection(models=["zoo-causal-200k"], colours={"zoo-causal-200k": BLUE})
    ModelPicker(link)
    assert link.colours == {"zoo-causal-200k": BLUE}


def test_each_person_has_colours_of_their_own(clean_home):
    with acting_for("ada"):
        own_colours.keep("gpt2", RED)
    with acting_for("bob"):
        assert own_colours.own() == {}
    with acting_for("ada"):
        assert own_colours.own() == {"gpt2": RED}


def test_what_is_no_colour_is_neither_kept_nor_shown(clean_home):
    with pytest.raises(BrainLensError, match="colour"):
        own_colours.keep("gpt2", "javascript:1")
    hostile = {"gpt2": "url(//x)", "glove": RED, "<b>": BLUE}
    clean_home.mkdir()
    (clean_home / "colours.json").write_text(json.dumps(hostile))
    assert own_colours.own() == {"glove": RED, "<b>": BLUE}
    (clean_home / "colours.json").write_text("[broken")
    assert own_colours.own() == {} and list(clean_home.glob("colours-damaged-*.json"))


def test_the_first_of_too_many_are_forgotten(clean_home, monkeypatch):
    monkeypatch.setattr(own_colours, "MOST", 2)
    for name in ("a", "b", "c", "b"):
        own_colours.keep(name, RED)
    assert list(own_colours.own()) == ["c", "b"]


def test_settings_forget_them(clean_home):
    selection = Selection(models=["gpt2", "glove"], colours={"glove": BLUE})
    ModelPicker(selection)._paint("gpt2", RED)
    settings = Settings(selection)
    settings.open()
    row = next(one for one in settings.dialog.objects if hasattr(one, "objects"))
    told, button = row.objects
    assert "1 model in a colour" in told.object
    button.param.trigger("clicks")
    assert selection.colours == {"glove": BLUE} and own_colours.own() == {} and button.disabled


def test_a_folder_that_cannot_be_written_to_leaves_the_colour_in_the_view(clean_home, monkeypatch):
    def full(*_):
        raise BrainLensError("The disk is full")

    monkeypatch.setattr(own_colours, "keep", full)
    selection = Selection(models=["gpt2"])
    picker = ModelPicker(selection)
    picker._paint("gpt2", RED)
    assert selection.colours == {"gpt2": RED} and "disk is full" in picker._search.helper_text
