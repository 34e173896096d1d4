"""A lens without a page: as in a notebook, and with a runner of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pandas as pd
import panel as pn
import panel_material_ui as pmui
import pytest
from bokeh.models import ImportedStyleSheet, InlineStyleSheet
from pyviz_comms import Comm

from analysis.protocol import preset
from dashboards import Layers, Task, Untrained
from dashboards.figures.spec import FigureSpec, Mark
from dashboards.lens.cell import _made
from dashboards.lens.client import Client
from dashboards.lens.export_dialog import Bundle
from dashboards.lens.lens import Lens
from dashboards.lens.parts import AROUND, PANEL_HEIGHT, Frame, letters
from dashboards.lens.table import DataTable
from dashboards.lens.view import Picture, View
from dashboards.look.look import Folded, Html, cut
from dashboards.state import Selection
from dashboards.work.cards import explain
from dashboards.work.computation import Computation, cost_in_words
from dashboards.work.jobs import Runner
from data.errors import BrainLensError
from tests.figures import misprints

MODEL = "zoo-causal-400k"
QUICK = preset("defended").but(
    seeds=1,
    folds=3,
    inner_folds=2,
    bootstrap=50,
    shuffled_twin=False,
    ceiling="none",
    controls=("position",),
)


class Toy(Lens):
    """One computation that waits until it is let go."""

    slug, label, question = "layers", "Toy", "Is it a toy?"
    watches = ("models", "recording")

    def make_controls(self):
        self.results, self.go, self.calls, self.broken = {}, threading.Event(), 0, False
        return []

    def work(self, report):
        self.calls += 1
        for step in range(200):
            report.step(step, 200, "layers")
            if step == 1:
                report.partial("half")
            if self.go.wait(0.01):
                break
        if self.broken:
            raise BrainLensError("The moon is full", choices=("sun", "rain"), remedy="Wait a night")
        return "whole"

    def missing(self):
        return [
            Computation(
                f"toy:{name}", f"toy {name}", self.work, partial(self.take, name), seconds=3.0
            )
            for name in self.selection.models
            if self.results.get(name) != "whole"
        ]

    def take(self, name, result, final):
        self.results[name] = result

    def view(self):
        rows = [
            {"model": name, "x": 1.0, "y": 2.0, "state": self.results[name]}
            for name in self.selection.models
            if name in self.results
        ]
        if not rows:
            return View(empty="Nothing yet.")
        frame = pd.DataFrame(rows)
        return View(
            (
                Picture(
                    "Toy",
                    FigureSpec(
                        self.question,
                        (Mark("points", frame, "x", "y", colour="model"),),
                        answer="It is.",
                    ),
                    frame,
                ),
            )
        )


@pytest.fixture
def runner():
    return Runner(workers=2)


def settle(lens, condition, seconds=180):
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        lens.desk.drain()
        time.sleep(0.01)
    return condition()


def test_cost_then_run_then_partial_then_whole(runner):
    lens = Toy(models=["a"], runner=runner)
    assert (
        lens._run.visible
        and lens._cost.object == "Not computed yet: toy a. About 3 s; nothing to download."
    )
    assert lens._empty.visible and not lens._tabs.visible and lens._export.disabled
    lens.run()
    assert (
        lens._stop.visible
        and not lens._run.visible
        and not lens._empty.visible
        and lens._coming.visible
    )
    assert settle(lens, lambda: lens.shown.there)
    assert not lens._coming.visible
    assert lens.shown.pictures[0].table["state"].tolist() == ["half"]
    lens.go.set()
    lens.wait(5)
    assert lens.shown.pictures[0].table["state"].tolist() == ["whole"]
    assert not lens._stop.visible and not lens._run.visible and not lens._export.disabled
    assert lens._answer.object == "It is."


def test_what_arrives_together_is_drawn_once(runner, monkeypatch):
    lens, drawn = Toy(models=["a", "b", "c"], runner=runner), []
    lens.run()
    lens.go.set()
    until = time.monotonic() + 180
    while any(job.active for job in runner.jobs()) and time.monotonic() < until:
        time.sleep(0.01)
    monkeypatch.setattr(lens, "show", lambda view: drawn.append(len(view.pictures[0].table)))
    lens.desk.drain()
    assert drawn == [3] and not lens._run.visible and not lens._stop.visible


def test_a_script_that_waits_for_the_whole_draws_its_parts_seldom(runner, monkeypatch):
    """A drawing takes time that the computation lacks; a part that was left out is drawn where the wait ends without a whole."""

    class Halves(Toy):
        def work(self, report):
            report.partial("half")
            self.go.wait(300)
            return "whole"

    monkeypatch.setattr("dashboards.lens.lens.WAITING", 1e9)
    lens, drawn = Halves(models=["a"], runner=runner), []
    show = lens.show
    monkeypatch.setattr(lens, "show", lambda view: (drawn.append(lens._next_part > 0), show(view)))
    lens.run()
    while "half" not in lens.results.values():
        lens.wait(0.2)
    assert True not in drawn and lens.shown.pictures[0].table["state"].tolist() == ["half"]
    lens.go.set()
    lens.wait(180)
    assert lens.shown.pictures[0].table["state"].tolist() == ["whole"]


def test_parts_of_a_result_are_drawn_seldom_in_a_page_and_the_last_is_drawn(runner, monkeypatch):
    """Drawing holds the loop in which every click waits; two sessions together leave it three quarters of the time."""
    waiting = []
    monkeypatch.setattr(
        "dashboards.lens.lens.later", lambda s, then: waiting.append((s, then)) or True
    )
    monkeypatch.setattr(Lens, "parts_rest_until", 0.0)
    one, other = Toy(models=["a"], runner=runner), Toy(models=["b"], runner=runner)
    drawn = []
    for lens in (one, other):
        monkeypatch.setattr(
            lens, "view", lambda lens=lens: drawn.append(lens) or time.sleep(0.2) or View()
        )
        lens._undrawn = lens._show_again
        lens._draw_what_came()
    assert drawn == [one] and not one._behind and other._behind
    for _ in range(3):  # more parts come
        other._undrawn = other._show_again
        other._draw_what_came()
    assert drawn == [one] and len(waiting) == 1 and waiting[0][0] > 0.2
    monkeypatch.setattr(Lens, "parts_rest_until", 0.0)
    waiting.pop()[1]()
    assert drawn == [one, other] and not other._behind and not waiting
    one._undrawn = one.refresh  # the whole waits for nothing
    one._draw_what_came()
    assert drawn == [one, other, one]


def test_the_first_figure_is_sent_before_the_others_are_made(runner, monkeypatch):
    waiting, drawn = [], []
    monkeypatch.setattr("dashboards.lens.lens.later", lambda s, then: waiting.append(then) or True)
    monkeypatch.setattr(
        "dashboards.lens.parts.Frame.draw",
        lambda self, picture, **how: drawn.append((picture.label, how["first"], how["alone"])),
    )
    lens = Toy(models=["a"], runner=runner)
    lens.results["a"] = "whole"
    picture = lens.view().pictures[0]
    three = View(tuple(replace(picture, label=name) for name in "ABC"))
    lens.show(three)
    assert drawn == [("A", True, False)] and len(waiting) == 1
    waiting.pop()()
    assert drawn[1:] == [("B", False, False), ("C", False, False)]
    lens.show(three)
    lens.show(lens.view())  # another one came meanwhile
    waiting.pop()()
    assert [name for name, *_ in drawn[3:]] == ["A", picture.label] and not waiting


def test_a_whole_that_comes_first_leaves_no_part_to_draw(runner, monkeypatch):
    waiting = []
    monkeypatch.setattr("dashboards.lens.lens.later", lambda s, then: waiting.append(then) or True)
    monkeypatch.setattr(Lens, "parts_rest_until", time.monotonic() + 100)
    lens, drawn = Toy(models=["a"], runner=runner), []
    monkeypatch.setattr(lens, "view", lambda: drawn.append("drawn") or View())
    lens._undrawn = lens._show_again
    lens._draw_what_came()
    lens._undrawn = lens.refresh
    lens._draw_what_came()
    waiting.pop()()
    assert drawn == ["drawn"]


def test_parts_behind_another_lens_are_drawn_when_it_comes_to_the_front(runner, monkeypatch):
    selection = Selection(lens="layers", models=["a"])
    lens, drawn = Toy(selection, runner=runner), []
    monkeypatch.setattr(lens, "view", lambda: drawn.append("drawn") or View())
    selection.lens = "compare"
    lens._undrawn = lens._show_again
    lens._draw_what_came()
    assert not drawn
    selection.lens = "layers"
    lens.wake()
    assert drawn == ["drawn"] and not lens._behind


def test_cancel_leaves_at_once_and_offers_to_try_again(runner):
    lens = Toy(models=["a", "b"], runner=runner)
    lens.run()
    assert settle(lens, lambda: len(lens.running) == 2)
    lens.cancel()  # while the work still waits for lens.go
    assert lens.running == [] and lens._run.visible
    assert settle(lens, lambda: [job.state for job in runner.jobs()] == ["cancelled"] * 2)
    lens.go.set()
    lens.run(wait=True)
    assert lens.shown.pictures[0].table["state"].tolist() == ["whole"] * 2


class Offering(Toy):
    """One whose empty view offers to run."""

    slug = "offering"

    def view(self):
        there = super().view()
        return there if there.pictures else View(empty="Press Run.", action=("Run", self.run))


def test_where_something_failed_or_was_cancelled_run_is_not_said_to_be_due(runner):
    """ "Not computed yet. Press Run" stood under the error."""
    lens = Offering(models=["a"], runner=runner)
    words = lens._empty._words
    assert words.object == "Press Run." and lens._empty._button.label == "Run"
    lens.run()
    assert settle(lens, lambda: len(lens.running) == 1)
    lens.cancel()
    assert words.object.startswith("That was cancelled.") and lens._empty._button.visible
    assert lens._empty._button.label == "Try again"
    lens.broken = True
    lens.go.set()
    lens.run(wait=True)
    assert lens.desk.errors.objects and words.object.startswith("That failed: see the error above.")
    lens.broken = False
    lens.run(wait=True)
    assert lens.shown.there


def test_two_lenses_compute_once_and_one_may_close(runner):
    one, other = Toy(models=["a"], runner=runner), Toy(models=["a"], runner=runner)
    one.run()
    other.run()
    assert settle(other, lambda: one.calls + other.calls == 1)
    one.close()
    one.go.set()
    other.wait(5)
    assert other.shown.there and one.calls + other.calls == 1


def test_an_error_stays_until_dismissed_and_goes_when_tried_again(runner):
    lens = Toy(models=["a"], runner=runner)
    lens.broken = True
    lens.go.set()
    lens.run(wait=True)
    lens.refresh()
    assert len(lens.desk.errors) == 1 and lens._run.visible and lens._run.label == "Try again"
    card = lens.desk.errors[0]
    assert "The moon is full" in str([item.object for item in card.select(pn.pane.HTML)])
    lens.broken = False
    lens.run(wait=True)
    assert len(lens.desk.errors) == 0 and lens.shown.pictures[0].table["state"].tolist() == [
        "whole"
    ]


def test_errors_in_words():
    head, cause, remedy = explain(
        BrainLensError("The moon is full", choices=("sun",), remedy="Wait"), "toy"
    )
    assert (head, cause, remedy) == ("toy", "The moon is full. Choices: sun.", "Wait")
    head, cause, remedy = explain(KeyError("x"))
    assert "KeyError" in cause and "fault of the program" in remedy


def test_prices():
    todo = [
        Computation(
            "k",
            "gpt2 on pereira2018",
            print,
            print,
            None,
            40.0,
            {"gpt2": 500_000_000},
            2_000_000_000,
        ),
        Computation("l", "bert", print, print),
    ]
    said = cost_in_words(todo)
    assert (
        said
        == "Not computed yet: gpt2 on pereira2018, bert. About 40 s or more; 500 MB to download; 2.0 GB of memory."
    )
    assert cost_in_words([]) == ""
    unknown = Computation("m", "gpt2-xl", print, print, downloads={"gpt2-xl": None})
    assert "a download of unknown size" in cost_in_words([unknown])
    assert "500 MB to download, and more of unknown size" in cost_in_words([*todo, unknown])
    copies = [replace(todo[0], key=f"copy {seed}") for seed in range(3)]
    assert "500 MB to download" in cost_in_words([*todo, *copies]), (
        "a model is fetched once for all copies"
    )


def test_the_table_comes_into_the_page_with_its_rows():
    lens = Toy(models=["one"])
    lens.results["one"] = "whole"
    lens.refresh()
    came = []
    lens._table_tab.param.watch(lambda event: came.append(list(lens._table._holder)), "objects")
    lens._tabs.active = 1
    assert [type(part) for part in came[0]] == [pn.widgets.Tabulator], (
        "what comes into a part that a browser is still putting up is sometimes never drawn"
    )


def test_the_table_gives_what_it_shows():
    frame = pd.DataFrame({"model": ["gpt2", "bert"], "r": [0.5, 0.25], "layer": [3, 1]})
    table = DataTable(name="toy", picked=print)
    table.tables = {"one": frame, "other": frame.head(1)}
    assert table.csv().getvalue() == "model,r,layer\ngpt2,0.5,3\nbert,0.25,1\n"
    table.look(True)
    table._filter.value_input = "ber"
    assert table.csv().getvalue() == "model,r,layer\nbert,0.25,1\n"
    assert pd.read_parquet(table.parquet())["model"].tolist() == ["bert"]
    table._filter.value_input = ""
    table._which.value = "other"
    assert len(table.current) == 1


def test_a_real_score_and_then_from_the_store(clean_home):
    from analysis import score

    lens = Layers(models=[MODEL], recording="simulated", protocol=QUICK).run(wait=True)
    assert len(lens.desk.errors) == 0
    shown = lens.shown.pictures[0].table
    expected = score(MODEL, "simulated", QUICK).table()
    pd.testing.assert_series_equal(shown["r"], expected["r"])
    assert "simulated data" in lens.shown.stamps
    assert lens.shown.pictures[0].spec.stamp == "simulated data"

    runner = Runner()
    again = Layers(models=[MODEL], recording="simulated", protocol=QUICK, runner=runner)
    again.wait(60)
    assert again.shown.pictures[0].table["r"].tolist() == shown["r"].tolist()
    assert runner.jobs() == [] and not again._run.visible
    assert set(again.shown.pictures[0].table["source"]) == {"stored"}
    recipe = again.recipe()
    assert recipe["selection"]["models"] == [MODEL] and recipe["scores"][0]["model"]["id"] == MODEL


def test_export_of_what_is_shown(clean_home):
    from dashboards.lens.export_dialog import look, make

    lens = Task()
    picture, recipe, size = lens.shown.pictures[0], lens.recipe(), {"width_mm": 85, "font_size": 7}
    assert look(picture, recipe, **size).startswith(b"\x89PNG")
    bundle = make(picture, lens.slug, recipe, **size)
    assert bundle.named(".pdf").startswith(b"%PDF")
    assert bundle.named(".csv").decode().splitlines()[0].startswith("model,")
    assert "schrimpf2021" in bundle.words(
        "references.bib"
    ) and "task(benchmark='neural'" in bundle.words(".py")


def test_the_preview_of_an_export_waits_for_no_file_and_a_sight_makes_none_again(monkeypatch):
    lens = Task()
    dialog, told = lens._exporter, []
    monkeypatch.setattr(dialog, "_make", lambda: None)
    dialog.open()

    def slow(picture, name, recipe, *, panels=(), **style):
        told.append((dialog._image.object, dialog._zip.disabled, len(panels)))
        return Bundle(picture, b"", {f"brainlens/brainlens.{style['width_mm']:g}": b""})

    monkeypatch.setattr("dashboards.lens.export_dialog.make", slow)

    def made() -> None:
        with ThreadPoolExecutor(1) as aside:
            aside.submit(asyncio.run, dialog._make_off_loop()).result()

    made()
    first = told[0][0]
    assert "data:image/png" in first and told[0][1:] == (True, 0) and not dialog._zip.disabled
    dialog._seen.value = "grey"
    made()
    assert len(told) == 1 and dialog._image.object != first and not dialog._zip.disabled
    dialog._width.value = 114
    made()
    assert len(told) == 2 and told[1][1] and told[1][0] == dialog._image.object
    dialog._setting = True
    labels = [picture.label for picture in dialog._pictures][:2]
    dialog._panels.value = labels
    made()
    assert len(told) == 3 and told[2][2] == len(labels) > 1
    lens.close()


@pytest.mark.parametrize("kind", [Layers, Task, Untrained])
def test_a_lens_is_one_object_with_its_controls_and_figure(kind):
    """What a notebook cell shows; the notebooks themselves are run in tests/test_notebooks.py."""
    lens = kind()
    assert lens.controls in lens.__panel__().select(lambda part: part is lens.controls)
    assert lens.__panel__().select(pn.pane.Bokeh) or kind is Layers


def test_unknown_names_are_errors_in_words():
    lens = Layers(models=["no-such-model"], recording="simulated")
    lens.wait(60)
    assert len(lens.desk.errors) == 1
    assert "Unknown model 'no-such-model'" in str(
        [item.object for item in lens.desk.errors[0].select(pn.pane.HTML)]
    )
    assert not lens.shown.there


def test_untrained_asks_for_every_seed():
    lens = Untrained(models=["gpt2"], seeds=3, scheme=["permute"])
    assert lens.wanted() == ["gpt2", *(f"gpt2@untrained:permute:{seed}" for seed in range(3))]
    lens.close()


def test_published_tables_stand_apart():
    lens = Task(tables=["schrimpf2021", "hadidi2025"], benchmark="blank2014")
    first, second, *_ = lens.shown.pictures
    assert first.published == ("schrimpf2021",) and second.published == ("hadidi2025",)
    assert (
        second.spec.x_title == "Mean r, shuffled folds (blank2014)"
        and "hadidi(benchmark='blank2014'" in second.python
    )
    lens.selection.benchmark = "neural"
    assert "pereira2018 is shown" in lens.shown.pictures[1].spec.caption
    lens.selection.tables = []
    assert not lens.shown.there and lens._empty.visible


def test_texts_are_prose_recordings_and_files(tmp_path):
    from dashboards.work.text_computations import split, unpredictive, words_of

    assert len(words_of("simulated").split("\n\n")) > 10
    (tmp_path / "own.txt").write_text("\n\n".join(f"Paragraph {i}." for i in range(20)))
    assert words_of(str(tmp_path / "own.txt")).startswith("Paragraph 0.")
    assert [part.count("Paragraph") for part in split(words_of(str(tmp_path / "own.txt")))] == [
        16,
        2,
        2,
    ]
    with pytest.raises(BrainLensError, match="cannot be split"):
        split("one paragraph")
    assert unpredictive("glove-6b-50d").startswith("embedding") and "read-out" in unpredictive(
        "trigram-en-us", readout=True
    )


def test_layers_beside_each_other_by_subject_and_by_target(clean_home):
    lens = Layers(
        models=[MODEL],
        recording="simulated",
        protocol=QUICK,
        by="subject",
        protocols=["brainscore2026"],
    )
    lens.run(wait=True)
    labels = [picture.label for picture in lens.shown.pictures]
    assert len(lens.desk.errors) == 0
    assert labels == [
        "Layers, defended* by subject",
        "Layers, brainscore2026 by subject",
        "Targets",
        "People",
    ]
    assert lens.shown.pictures[0].table["group"].nunique() > 1
    for picture in lens.shown.pictures[1:]:
        assert misprints(picture.spec) == [], picture.label
    assert "Not per region: its targets carry no region or network." in lens._why.object
    lens.selection.param.update(by="region", protocols=[])
    assert [picture.label for picture in lens.shown.pictures] == ["Layers", "Targets", "People"]


def test_layers_are_read_inside_the_blocks(clean_home):
    quick = QUICK.but(controls=(), unique=False, seeds=1, criterion="gcv", bootstrap=20)
    lens = Layers(
        models=[MODEL, "zoo-glove-64d"], recording="simulated", protocol=quick, sites="attn, mlp:1"
    )
    assert lens.models() == [f"{MODEL}@at:attn", f"{MODEL}@at:mlp:1", "zoo-glove-64d"]
    lens.selection.models = [MODEL]
    lens.run(wait=True)
    picture = lens.view().pictures[0]
    assert picture.table["note"].str.partition(":")[0].tolist() == ["attn"] * 3 + ["mlp"]
    assert f"{MODEL}@at:attn predicts simulated with r" in picture.spec.answer
    assert "sites=attn,%20mlp:1" in lens.selection.query()
    lens._places.value = "attention"
    assert lens._places.error_state and "attn:1" in lens._places.helper_text
    assert lens.selection.sites == "attn, mlp:1"
    lens._places.value = ""
    assert lens.models() == [MODEL] and not lens._places.error_state
    lens.close()


def test_a_figure_that_does_not_change_is_not_drawn_again():
    frame = pd.DataFrame({"model": ["a"], "x": [1.0], "y": [2.0]})
    marks = (Mark("points", frame, "x", "y", colour="model"),)
    specs = [FigureSpec("t", marks, y_title=title) for title in ("raw", "raw", "share")]
    part, plots = Frame(lambda names: None), []
    for spec in specs:
        part.draw(Picture("P", spec, frame), theme="light", alone=True)
        plots.append(part._pane.object)
    assert plots[0] is plots[1] and plots[2] is not plots[1]
    part.draw(Picture("P", specs[2], frame), theme="dark", alone=True)
    assert part._pane.object is not plots[2]


def test_a_figure_that_takes_the_place_of_another_is_headed_by_its_own_name():
    frame = pd.DataFrame({"model": ["a"], "x": [1.0], "y": [2.0]})
    spec = FigureSpec("t", (Mark("points", frame, "x", "y", colour="model"),))
    part = Frame(lambda names: None)
    for label in ("As published", "Ceiling <court>"):
        part.draw(Picture(label, spec, frame), theme="light", alone=False, first=False)
    assert part._heading.object == "<h6>Ceiling &lt;court&gt;</h6>" and part._heading.visible
    assert isinstance(part._heading, Html)  # one of React's loses a change while it is mounted


def test_what_fails_for_the_same_reason_shares_a_card():
    toy = Toy(models=["a"], recording="simulated", runner=Runner())
    for where, title in (("one", "a on r"), ("two", "b on r"), ("three", "c on r")):
        toy.fail(BrainLensError("The moon is full"), where=where, title=title)
    toy.fail(BrainLensError("It rains"), where="four", title="d on r")
    same, other = toy.desk.errors.objects
    assert same._heading.object == "a on r and 2 more" and other._heading.object == "d on r"
    toy.desk.clear("one")
    assert same._heading.object == "b on r and 1 more"
    toy.desk.clear("two")
    toy.desk.clear("three")
    assert toy.desk.errors.objects == [other]


def test_a_panel_that_is_alone_fills_the_window_and_one_of_many_does_not(runner):
    toy = Toy(models=["a"], recording="simulated", runner=runner)
    toy.panels = True
    toy.take("a", "whole", True)
    toy.client.window = 900
    toy.refresh()
    assert toy._frames[0]._pane.object.height == 900 - AROUND - 60
    toy.client.window = 1000  # it follows
    assert toy._frames[0]._pane.object.height == 1000 - AROUND - 60
    assert toy._panel(2) == PANEL_HEIGHT


def test_a_verdict_ends_at_a_clause_or_says_that_it_goes_on(runner):
    long = (
        "One predicts worse than length and position, with all else equal and no other word to say"
    )
    assert cut(long, 60) == (long[:44], long[45:])
    found = "no panel raises a doubt. Found: r = .31 [.28, .33] held out (shuffled folds: no leak)"
    assert cut(found, 77) == (found[:59].rstrip(), found[found.index("(") :])
    held = "zoo predicts it with r = .31 [.28, .33] held out: shuffled folds add nothing"
    assert cut(held, 52) == (held[:44], held[45:])  # neither at the colon nor inside the interval
    assert "and … &lt;i&gt;more" in Folded(limit=40)._transform_object(long)["object"]
    toy = Toy(models=["a"], recording="simulated", runner=runner)
    toy.client.across = 1440
    limits = []
    for price in ("Cheap.", 150 * "x"):  # the longer one takes two lines, and the verdict may too
        toy._cost.object, toy._cost.visible = price, True
        toy._fit_words()
        limits.append(toy._answer._limit)
    assert limits[1] == letters(460, lines=2) < limits[0]


def test_models_of_one_layer_have_no_depth_and_a_stamp_is_seen_once(clean_home):
    lens = Layers(models=["random-64"], recording="simulated", protocol=QUICK).run(wait=True)
    spec = lens.shown.pictures[0].spec
    assert {mark.x for mark in spec.marks} == {"model"} and "epth" not in spec.x_title
    assert "<i>simulated data</i>" in lens._stamps.object  # the figure says it
    lens._tabs.active = 1
    assert "<i>" not in lens._stamps.object and "simulated data" in lens._stamps.object


def test_a_cell_of_a_notebook_brings_style_sheets_and_fonts_and_asks_no_other_host():
    cell = Layers().__panel__()
    models = list(_made(cell._render_model(comm=Comm()), set()))
    sheets = [sheet for model in models for sheet in getattr(model, "stylesheets", None) or []]
    assert not [sheet.url for sheet in sheets if isinstance(sheet, ImportedStyleSheet)]
    assert len({sheet.id for sheet in sheets if isinstance(sheet, InlineStyleSheet)}) < 10
    inline = [model for model in models if getattr(model, "bundle", None) not in (None, "url")]
    assert all(model.css_bundle.startswith(".material-icons{") for model in inline)
    assert not cell.objects[2].visible  # the inspector takes no room before something is picked
    (client,) = cell.select(Client)
    assert [family for family, *_ in client.fonts] == ["Material Icons", "Roboto", "Roboto"]


def test_what_a_cell_of_a_notebook_makes_later_asks_no_other_host_either():
    pn.extension("tabulator")
    lens = Layers()
    cell = lens.__panel__()
    root = cell._render_model(comm=Comm())

    def made():
        models = list(_made(root, set()))
        sheets = [sheet for model in models for sheet in getattr(model, "stylesheets", None) or []]
        imported = [sheet.url for sheet in sheets if isinstance(sheet, ImportedStyleSheet)]
        programs = [
            model.bundle
            for model in models
            if getattr(model, "bundle", None) not in (None, "url") and model.esm
        ]
        return models, imported, programs

    before, _, programs = made()
    lens.body.append(
        pmui.Column(pmui.Button(label="later"), pn.widgets.Tabulator(pd.DataFrame({"a": [1]})))
    )
    lens.inspector.append(pmui.Select(label="later", options=["a"]))
    after, imported, again = made()
    assert len(after) > len(before) + 3
    assert imported == [] and sorted(map(str, again)) == sorted(map(str, programs))
