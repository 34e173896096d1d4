"""The page: what it imports, what it opens on, and that no session outlives its window."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import panel as pn
import pytest
from bokeh.document import Document
from panel.io.state import set_curdoc

from dashboards import LENSES
from dashboards.lens import controls
from dashboards.page.checks import checks
from dashboards.page.page import Workbench
from dashboards.state import decode
from tests.dashboards.sessions import SESSIONS

HEAVY = (
    "torch",
    "transformers",
    "sklearn",
    "hvplot",
    "holoviews",
    "matplotlib",
    "distributed",
    "statsmodels",
)


def test_the_page_imports_nothing_heavy():
    opened = "import sys; from dashboards.page.page import Workbench; Workbench()._open_lens()"
    code = f"{opened}; print([name for name in {HEAVY} if name in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()[-1]
    assert found == "[]"


def test_every_lens_has_its_name_in_the_link():
    assert [lens.slug for lens in LENSES.values()] == list(LENSES)


def test_it_opens_on_the_task_lens_with_the_published_models():
    bench = Workbench()
    assert bench.selection.lens == "task"
    assert len(bench.lens.shown.pictures[0].table) == 42
    bench.close()


def test_a_link_opens_exactly_its_view():
    bench = Workbench("?lens=untrained&benchmark=blank2014&clip=true&theme=dark")
    assert (
        bench.lens.slug == "untrained" and "blank2014" in bench.lens.shown.pictures[0].spec.answer
    )
    assert (
        bench.page.dark_theme
        and bench.client.query == "v=1&lens=untrained&benchmark=blank2014&clip=true&theme=dark"
    )
    bench.close()


def test_changes_are_in_the_address():
    bench = Workbench()
    bench.selection.benchmark = "futrell2018"
    bench.selection.lens = "untrained"
    assert bench.client.query == "v=1&lens=untrained&benchmark=futrell2018"
    assert set(bench.lenses) == {"task", "untrained"}
    bench.close()


@pytest.mark.parametrize("slug", ["time", "regions"])
def test_a_lens_that_needs_more_opens_on_a_recording_that_has_it(slug):
    bench = Workbench(f"?lens={slug}")
    chosen = bench.selection
    assert (chosen.recording, chosen.preset) == ("simulated-story", "story")
    assert "recording=simulated-story" in bench.client.query
    chosen.lens = "layers"
    assert (chosen.recording, chosen.preset) == ("simulated", "defended")  # given back
    chosen.lens = slug
    assert chosen.recording == "simulated-story"
    chosen.preset = "defended"  # somebody chooses: it stays
    chosen.lens = "layers"
    assert (chosen.recording, chosen.preset) == ("simulated-story", "defended")
    bench.close()


def test_what_somebody_chose_is_no_lens_to_change():
    bench = Workbench("?lens=layers&recording=simulated-reading")
    bench.selection.lens = "time"
    assert bench.selection.recording == "simulated-reading"
    bench.close()
    bench = Workbench("?lens=time&recording=simulated")  # asked for by name
    assert bench.selection.recording == "simulated" and not bench.selection.lent
    bench.go("lens=time&recording=simulated-story&preset=story")
    bench.selection.lens = "layers"
    assert bench.selection.recording == "simulated-story"
    bench.close()


def test_ids_of_a_link_are_checked_one_by_one():
    query = "models=zoo-causal-400k&models=nothing-like-it&recording=atlantis&benchmark=x&x=y&scheme=z&layer=3"
    values, problems = decode(query, checks())
    assert values == {"models": ["zoo-causal-400k"], "layer": "3"}
    assert len(problems) == 5


LONG = "x" * 400


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("corpora=atlantis", "Unknown recording 'atlantis'"),
        ("corpora=nowhere.csv%23dundee", "There is no table 'nowhere.csv'"),
        ("neural=wikitext-2", "wikitext-2 is text, not a recording"),
        ("neural=natural-stories@first", "Unknown version of natural-stories 'first'"),
        ("ranked=atlantis", "Unknown recording 'atlantis'"),
        ("hidden=gpt2-xll", "Unknown model of a result 'gpt2-xll'; did you mean 'gpt2-xl'"),
        (f"models={LONG}", "Unknown model"),
        (f"recording={LONG}", "Unknown recording"),
        (f"text={LONG}&corpora={LONG}%23a", "There is no table"),
        ("models=a%00b", "Unknown model"),
        ("bits=gpt2-xll", "Unknown model 'gpt2-xll'; did you mean 'gpt2-xl'"),
    ],
)
def test_every_id_of_a_link_is_checked(query, problem, clean_home):
    values, problems = decode(query, checks())
    assert values == {} and problem in problems[-1]


def test_ids_of_what_is_there_are_taken(clean_home, tmp_path):
    (tmp_path / "words.csv").write_text("word\n")
    corpora = f"corpora=natural-stories@as-released&corpora={tmp_path}/words.csv%23dundee"
    query = f"{corpora}&neural=pereira2018&ranked=futrell2018&hidden=gpt2-xl&hidden=PWR&models=gpt2@untrained:init:0"
    values, problems = decode(query, checks())
    assert problems == [] and values["hidden"] == ["gpt2-xl", "PWR"] and len(values["corpora"]) == 2


def test_results_may_be_of_what_no_catalogue_knows(clean_home, monkeypatch):
    monkeypatch.setattr("dashboards.page.checks.results", lambda: pd.DataFrame(
        {"model": ["ours"], "recording": ["mine"], "data_key": ["a"]}))  # fmt: skip
    assert decode("ranked=mine&hidden=ours", checks()) == (
        {"ranked": ["mine"], "hidden": ["ours"]},
        [],
    )


@pytest.mark.parametrize(
    "field", ["recording={}", "text={}", "corpora={}%23a", "corpora={}", "models={}"]
)
def test_a_link_names_no_file_of_a_server_but_those_of_its_data_folder(
    field, clean_home, tmp_path, monkeypatch
):
    inside, outside = clean_home / "recordings", tmp_path / "elsewhere"
    for folder in (inside, outside):
        folder.mkdir(parents=True)
        (folder / "mine.csv").write_text("text,r\n")
        (folder / "vectors.txt").write_text("the 0.1 0.2\n")
    name = "vectors.txt" if field.startswith("models") else "mine.csv"
    taken = {}
    for address in ("localhost", "0.0.0.0"):
        monkeypatch.setenv("BRAINLENS_ADDRESS", address)
        for folder in (inside, outside):
            taken[address, folder] = decode(field.format(folder / name), checks())[1] == []
    sly = decode(field.format(inside / ".." / ".." / "elsewhere" / name), checks())[1]
    assert list(taken.values()) == [True, True, True, False] and len(sly) == 1


def test_one_notice_names_all_bad_fields():
    bench = Workbench(
        "?colour=red&seeds=none&benchmark=futrell2018&corpora=atlantis&neural=atlantis"
    )
    assert len(bench._notices) == 1
    assert bench.selection.benchmark == "futrell2018"
    bench.close()


@pytest.mark.slow
def test_no_session_outlives_its_window():
    """In a process of its own: sessions of a real server, while a computation runs that each of them listens to."""
    script = Path(__file__).with_name("sessions.py")
    found = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=400
    )
    assert found.stdout.splitlines()[-1] == f"opened {SESSIONS}, left [], job cancelled", (
        found.stderr[-2000:]
    )


def test_every_lens_behind_the_page_is_asked_what_is_locked(clean_home):
    bench = Workbench()
    for slug in bench._names:
        assert callable(bench._made(slug).keep_promises), slug
    bench._keep_promises()
    bench.close()


def test_only_the_lens_in_front_looks_at_what_can_be_picked(clean_home, monkeypatch):
    bench = Workbench("?lens=task")
    for slug in ("layers", "items", "compare"):
        bench._made(slug)
    asked = []
    listed = controls._models
    monkeypatch.setattr(controls, "_models", lambda: asked.append(1) or listed())
    bench.selection.lens = "layers"
    assert len(asked) == 1  # not once for each lens that was made
    bench.close()


def test_what_was_added_meanwhile_can_be_picked_when_a_lens_comes_to_the_front(
    clean_home, monkeypatch
):
    bench = Workbench("?lens=layers")
    bench.selection.lens = "task"
    monkeypatch.setattr(controls, "_recordings", lambda: {"simulated": "simulated", "new": "new"})
    bench.selection.lens = "layers"
    picker = next(iter(bench.lens.controls.select(controls.RecordingPicker)))
    assert "new" in picker._select.options
    bench.close()


def test_lenses_behind_are_made_ready_in_turns_for_the_whole_process(clean_home, monkeypatch):
    monkeypatch.setattr(Workbench, "rests_until", 0.0)
    one, two = Workbench("?lens=task"), Workbench("?lens=task")
    one._open_another()
    made = len(one.lenses)
    two._open_another()  # the other session has just taken the turn
    assert (made, len(two.lenses)) == (2, 1)
    Workbench.rests_until = 0.0
    two._open_another()
    assert len(two.lenses) == 2
    one.close()
    two.close()


def test_a_lens_that_cannot_be_opened_leaves_no_page_frozen(clean_home, monkeypatch):
    document = Document()
    with set_curdoc(document):
        bench = Workbench("?lens=task")

        def broken(slug: str) -> None:
            raise RuntimeError(f"{slug} is broken")

        monkeypatch.setattr(bench, "_bring", broken)
        with pytest.raises(RuntimeError, match="task is broken"):
            bench._open_lens()
    assert document.models._freeze_count == 0
    bench.close()


def test_a_click_before_the_browser_is_connected_opens_its_lens_afterwards(clean_home, monkeypatch):
    """What is put into a page before is sent to nobody: the page then stood still, its references unknown to the browser."""
    monkeypatch.setattr(
        type(pn.state), "onload", lambda *_: None
    )  # of a browser that is not there yet
    with set_curdoc(Document()):
        bench = Workbench("?lens=task")
        bench.selection.lens = "library"
        assert not bench.lenses and "lens=" not in bench.client.query  # Task is what needs no word
        bench._open_first()
        assert "lens=library" in bench.client.query  # told once a browser hears it
        assert list(bench.lenses) == ["library"] and bench._places["library"].front
        assert not bench._places["task"].front
        bench.selection.lens = "layers"
        assert list(bench.lenses) == ["library", "layers"]
    bench.close()
