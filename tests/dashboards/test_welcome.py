"""The first five minutes: each step is one click, and everything it needs ships."""

from __future__ import annotations

import pytest

from analysis.models.catalog import state
from dashboards import LENSES
from dashboards.page.page import Workbench, checks
from dashboards.page.welcome import REAL, STEPS, Welcome, real_questions
from dashboards.state import Selection, decode


def test_it_greets_a_fresh_page_only():
    for query, there in (("", True), ("?lens=layers", False)):
        bench = Workbench(query)
        assert bench.welcome.visible == there
        bench.close()


@pytest.mark.parametrize("place", range(len(STEPS)))
def test_a_step_needs_nothing_that_does_not_ship(place, monkeypatch):
    selection = Selection(theme="dark", benchmark="blank2014", recording="elsewhere")
    asked = []
    Welcome(selection, lambda: asked.append(selection.lens), visible=True).take(place)
    assert asked == [selection.lens]
    assert (
        selection.lens in LENSES and selection.theme == "dark" and selection.benchmark == "neural"
    )
    assert selection.recording == "simulated"
    assert selection.models and all(state(model) == "ready" for model in selection.models)
    values, problems = decode(selection.query(), checks())
    assert (
        problems == [] and values.get("lens", "task") == selection.lens
    )  # the link of each step opens it again


def test_put_away_it_stays_away():
    strip = Welcome(Selection(), print, visible=True)
    strip[-1].clicks += 1
    assert not strip.visible


@pytest.mark.parametrize(
    "choice", [{"lens": "layers"}, {"models": ["gpt2"]}, {"recording": "simulated-story"}]
)
def test_the_first_choice_folds_it(choice):
    bench = Workbench("")
    bench.selection.param.update(scale="normalised")
    assert bench.welcome.visible
    bench.selection.param.update(**choice)
    assert not bench.welcome.visible
    bench.close()


def test_real_people_are_one_click_away(monkeypatch):
    """Sizes and licences are told; the pack is fetched only where the first recording is not here."""
    asked, brought = [], []
    monkeypatch.setattr("dashboards.page.welcome._bring", lambda report: brought.append(1))
    selection = Selection(theme="dark")
    strip = Welcome(selection, lambda: asked.append(selection.lens), visible=True)
    assert strip._people.description.startswith(f"{strip._people.label}: ")  # its spoken name
    monkeypatch.setattr("dashboards.page.welcome.missing", lambda *_: ["alice2016"])
    strip.ask_people()
    strip._desk.wait(20)
    assert brought == [1] and asked == ["time"] and selection.recording == "alice2016"
    monkeypatch.setattr("dashboards.page.welcome.missing", lambda *_: [])
    strip.ask_people()
    assert brought == [1] and asked == ["time", "time"] and selection.theme == "dark"


def test_a_recording_that_does_not_come_is_an_error_that_stays(monkeypatch):
    from data.catalog.starter import FIRST, Brought

    monkeypatch.setattr(
        "dashboards.page.welcome.bring", lambda **_: [Brought(FIRST, "failed", "no network here")]
    )
    strip = Welcome(Selection(), print, visible=True)
    monkeypatch.setattr("dashboards.page.welcome.missing", lambda *_: [FIRST])
    strip.ask_people()
    strip._desk.wait(20)
    assert len(strip._desk.errors) == 1 and strip.visible


# ---- once real people are here --------------------------------------------------------------------------------------------
def labels(strip) -> list[str]:
    return [one.label for one in strip._line if hasattr(one, "label") and one.label]


def test_once_they_are_here_every_question_is_asked_of_real_people(monkeypatch):
    monkeypatch.setattr("dashboards.page.welcome.missing", lambda *_: [])
    asked, selection = [], Selection(theme="dark")
    strip = Welcome(selection, lambda: asked.append(selection.lens), visible=True)
    assert labels(strip)[:5] == ["1. When", "2. Where", "3. Layers", "4. Reading", "5. Potentials"]
    for one, button in zip(REAL, list(strip._line)):
        button.clicks += 1
        assert asked[-1] == one.wanted["lens"] and selection.theme == "dark"
        chosen = selection.corpora if selection.lens == "reading" else [selection.recording]
        assert chosen == [one.recording] and all(
            state(model) == "ready" for model in selection.models
        )
        values, problems = decode(selection.query(), checks())
        assert problems == [] and values["lens"] == selection.lens
    strip._simulated.clicks += 1  # the others are one click away, and back
    assert labels(strip)[:2] == ["1. Layers", "2. Task"] and "Real people" in labels(strip)


def test_only_what_is_here_is_asked(monkeypatch):
    absent = {"ucl-eeg"}
    monkeypatch.setattr(
        "dashboards.page.welcome.missing", lambda names: [n for n in names if n in absent]
    )
    assert [one.name for one in real_questions()] == ["When", "Where", "Layers", "Reading"]
    absent.add("alice2016")  # the offline default
    assert (
        real_questions() == []
        and labels(Welcome(Selection(), print, visible=True))[0] == "1. Layers"
    )


@pytest.mark.realdata
@pytest.mark.parametrize("place", [3, 4])
def test_questions_of_reading_are_answered(place):
    """Surprisal of a model that ships, on the trials of the people: the answer names them."""
    from analysis.reading.run import read

    one = REAL[place]
    found = read(one.wanted["models"][0], one.recording)
    assert found is not None
