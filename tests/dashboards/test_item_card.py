"""The card of what is picked, in every lens."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui
import pytest

from dashboards import Task, Untrained
from dashboards.figures.numbers import shown
from dashboards.figures.spec import FigureSpec, Mark
from dashboards.lens.item_card import MOST, ItemCards, told
from dashboards.lens.meanings import meanings
from dashboards.lens.table import DataTable
from dashboards.lens.view import Picture, View
from tests.dashboards.test_browser import ready


def view(
    frame: pd.DataFrame,
    *,
    y: str = "r",
    ends: tuple = (None, None),
    notes: tuple = (),
    empty: bool = False,
) -> View:
    spec = FigureSpec(
        "t",
        (Mark("points", frame.iloc[: 0 if empty else None], "x", y, *ends, colour="model"),),
        "Bits (better)",
    )
    return View((Picture("Scores", spec, frame),), notes=notes)


def layers() -> pd.DataFrame:
    return pd.DataFrame({"model": "gpt2", "layer": [0, 1], "x": [0.0, 1.0], "r": [0.1, 0.30612], "r_low": [0.05, 0.2801],
                         "r_high": [0.2, 0.3301], "ceiling": [0.41, 0.41], "normalised": [np.nan, 0.00862], "n_stimuli": 288,
                         "source": "stored", "chosen": [False, True], "reason": ""})  # fmt: skip


def lines(said, part: int = 0) -> dict[str, str]:
    return {term: value for term, value, _ in said.parts[part][1]}


def words(cards: ItemCards) -> str:
    return " ".join(str(pane.object) for pane in cards.select(pn.pane.HTML))


def test_a_model_is_told_with_its_card_and_the_values_of_its_chosen_layer():
    said = told("gpt2", view(layers(), notes=(("ceiling", "Noise."),)))
    assert said.about == "causal, 124,439,808 parameters, 12 layers x 768, 2019, MIT."
    assert re.fullmatch("#[0-9a-f]{6}", said.colour)
    assert lines(said) == {"layer": "1", "r": "0.306 [0.28, 0.33]", "normalised": "0.00862", "ceiling": "0.41", "Bits": "1",
                           "n stimuli": "288", "source": "stored"}  # fmt: skip
    assert ("ceiling", "0.41", "Noise.") in said.parts[0][1]


def test_a_stimulus_is_told_with_its_words():
    frame = pd.DataFrame({"item": ["a-1", "a-2"], "model": "gpt2", "text": ["One <b>.", "Two."], "x": 1.0, "r": [0.5, 0.2],
                          "topic": "a"})  # fmt: skip
    said = told("a-1", view(frame))
    assert (said.about, said.colour, lines(said)["topic"]) == ("“One <b>.”", "", "a")
    assert told("gpt2", view(frame)).parts == ()  # its rows are the stimuli's
    cards = ItemCards(print)
    cards.tell(["a-1"], view(frame), "light")
    assert "<b>.”" not in str(
        [pane._transform_object(pane.object) for pane in cards.select(pn.pane.HTML)]
    )


def test_several_rows_are_told_apart_by_what_the_figure_draws_and_many_are_counted():
    frame = (
        layers().drop(columns="chosen").assign(mean=[0.5, 0.25], low=[0.4, 0.1], high=[0.6, 0.4])
    )
    said = told("gpt2", view(frame, y="mean", ends=("low", "high")))
    assert lines(said) == {"layer 0": "0.5 [0.4, 0.6]", "layer 1": "0.25 [0.1, 0.4]"}
    many = pd.concat([frame] * 20, ignore_index=True)
    assert lines(told("gpt2", view(many))) == {"40 rows": "in the table"}


@pytest.mark.parametrize("name", ["no-such-model", "x" * 400, "a\0b", "<img src=x>"])
def test_a_name_that_is_nothing_is_told_as_such(name):
    assert told(name, view(layers())).parts == () and told(name, View()).about == ""
    cards = ItemCards(print)
    cards.tell([name], view(layers(), empty=True), "dark")
    assert "Not in the tables shown here." in words(cards)


def test_a_published_model_without_a_card_is_told():
    lens = Task(tables=["hadidi2025"], models=[])
    name = lens.shown.pictures[0].table["model"].iloc[-1]
    assert told(name, lens.shown).parts[0][0] == "Published, Hadidi et al. 2025"
    lens.close()


def test_the_last_picked_comes_first_at_most_three_and_a_button_lets_go():
    gone = []
    cards, seen = ItemCards(gone.append), view(layers())
    cards.tell(["a", "b", "c", "gpt2"], seen, "light")
    papers = [part for part in cards if isinstance(part, pmui.Paper)]
    assert len(papers) == MOST
    closes = [part.label for part in cards.select(pmui.IconButton)]
    assert closes == ["Let go of gpt2", "Let go of c", "Let go of b"]
    assert cards[-1].label == "Let go of all 4"
    cards.select(pmui.IconButton)[0].clicks += 1
    cards[-1].clicks += 1
    assert gone == [["gpt2"], ["a", "b", "c", "gpt2"]]
    cards.tell(["c", "gpt2"], seen, "light")
    assert cards[0] is papers[0] and cards[1] is papers[1]  # whose words are the same stays
    cards.tell([], seen, "light")
    assert len(cards) == 0


def test_nothing_is_asked_where_nothing_is_picked(monkeypatch):
    import dashboards.lens.item_card

    monkeypatch.setattr(
        dashboards.lens.item_card, "told", lambda *_: pytest.fail("a card was made")
    )
    lens = Task()
    lens.selection.benchmark = "blank2014"
    lens.close()


def test_every_lens_has_an_inspector_and_controls_that_never_move():
    one = Task(picked=["gpt2-xl"])
    other = Untrained(one.selection)
    assert all(
        lens.inspector not in lens.controls.objects and "gpt2-xl" in words(lens.inspector)
        for lens in (one, other)
    )
    one.inspector.select(pmui.IconButton)[0].clicks += 1
    assert one.selection.picked == [] and len(other.inspector) == 0
    for lens in (one, other):
        lens.close()


def test_numbers_in_words():
    values = (
        0.5,
        0.00862,
        -0.0001,
        1234567.8,
        3,
        np.float64(0.30612),
        np.int64(12),
        float("nan"),
        True,
        "raw",
    )
    assert [shown(value) for value in values] == [
        "0.5", "0.00862", "-0.0001", "1,234,567.8", "3", "0.306", "12", "", "True", "raw"
    ]  # fmt: skip


def test_columns_are_explained_by_the_notes_first_and_then_in_a_few_words():
    notes = (("r", "Mine."), ("selection optimism", "Chosen late."), ("interval", "95 %."))
    said = meanings(["r", "r_low", "high", "optimism", "unique_r2", "mine"], notes)
    assert (
        said["r"] == "Mine."
        and said["optimism"] == "Chosen late."
        and "banded" in said["unique_r2"]
        and "mine" not in said
    )
    assert (
        said["r_low"] == "Lower end of the interval of r. 95 %."
        and said["high"] == "Upper end of the interval. 95 %."
    )
    table = DataTable(name="t", picked=print)
    table.notes, table.tables = (("r", "A < B."),), {"one": layers()}
    table.look(True)
    assert (
        table._table.header_tooltips["r"] == "A &lt; B."
        and "ceiling" in table._table.header_tooltips
    )
    table.notes, table.tables = (("r", "Otherwise."),), {"one": layers()}
    assert table._table.header_tooltips["r"] == "Otherwise."


@pytest.mark.browser
def test_rows_filtered_at_once_small_numbers_and_the_meaning_of_a_column_are_seen(server, visit):
    page = ready(visit(server.url))
    page.get_by_role("tab", name="Table").click()
    page.get_by_role("textbox", name="Filter rows").fill("gpt2-xl")  # at once
    page.get_by_text("1 of 42 rows").wait_for()
    page.locator(".tabulator-cell:visible", has_text="gpt2-xl").first.wait_for()
    assert page.locator(".tabulator-row:visible").count() == 1
    page.get_by_text("0.824", exact=True).first.wait_for()
    page.locator(".tabulator-cell:visible").first.wait_for()
    page.get_by_role("textbox", name="Filter rows").fill("glove")
    page.get_by_text("0.0224", exact=True).first.wait_for()  # three decimals would say 0.022
    page.locator(".tabulator-col", has_text="width").first.hover()
    page.get_by_text("Features per layer.").first.wait_for()
