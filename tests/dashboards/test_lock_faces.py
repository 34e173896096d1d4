"""Faces that tell a locked number in passing: searches, plans, maps of units, files that were made before, sweeps, activity."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from analysis import preset, score
from analysis.answers.architectures import architectures, ground, judged
from analysis.answers.drive import drive
from analysis.answers.reverse import reverse
from analysis.answers.units import make_map
from analysis.answers.wiring import at_birth
from analysis.models.operators.language import sampled
from analysis.scoring.lock import lock, refuse_told, reveal
from analysis.scoring.results import bring, export, results
from analysis.store.promises import Locked
from analysis.store.store import Store
from analysis.sweep.board import Sweep, standing
from analysis.sweep.plan import Plan
from analysis.sweep.runners import run
from dashboards import Architectures, Compare, Layers
from dashboards.command.cli import main
from dashboards.lens.export_dialog import look, make
from dashboards.library.sweeps import Sweeps
from dashboards.state import Selection
from dashboards.work.activity import Activity
from dashboards.work.ledger import Ready
from data.catalog.catalog import recording
from data.embedded import prose
from data.errors import BrainLensError

QUICK = preset("defended").but(
    seeds=1, folds=3, inner_folds=2, bootstrap=20, criterion="gcv", alphas=(100.0,), unique=False,
    controls=(), ceiling="none", shuffled_twin=False,
)  # fmt: skip
SETS = [
    "--set=seeds=1", "--set=folds=3", "--set=inner_folds=2", "--set=bootstrap=20", "--set=criterion=gcv",
    "--set=alphas=100", "--set=unique=no", "--set=controls=", "--set=ceiling=none", "--set=shuffled_twin=no",
]  # fmt: skip
MODEL = "zoo-causal-200k"
GLOVE = "zoo-glove-64d"


def test_a_search_over_networks_tells_nothing_of_a_locked_one(clean_home):
    rng = np.random.default_rng(0)
    one, other = sampled(rng), sampled(rng)
    on = ground("simulated", QUICK)
    before = judged(one, on)
    made = lock("this one will do", [f"{one.name}@untrained:init:0"], ["simulated"], QUICK)
    with pytest.raises(Locked):
        judged(one, on)
    assert np.isfinite(judged(other, on)["search"])
    reveal(made.hash)
    assert judged(one, on) == pytest.approx(before, nan_ok=True)


def test_the_lens_of_architectures_forgets_what_it_showed_before_a_lock(clean_home):
    rng, rows = np.random.default_rng(0), []
    for number in range(12):
        one = sampled(rng)
        rows.append({"number": number, "name": one.name, "formula": one.formula, "family": one.family, "parent": -1,
                     "strategy": "random", "search": rng.normal(0.2, 0.05), "held_out": rng.normal(0.2, 0.05), "layer": 1,
                     "bits_per_byte": np.nan, "weights": one.width * 1000.0})  # fmt: skip
    lens = Architectures(recording="simulated")
    lens.searches.keep(lens._wish().key, Ready(architectures(pd.DataFrame(rows))))
    lens.refresh()
    assert lens.shown.there
    lock("this one will do", [f"{rows[0]['name']}@untrained:init:0"], ["simulated"], QUICK)
    lens.keep_promises()
    assert not lens.shown.there and lens._table.csv().getvalue().strip() in ("", '""')
    lens.close()


def test_plans_and_maps_that_rest_on_a_locked_score_are_refused(clean_home, tmp_path):
    """Each would tell how well the model predicts the recording, under the same choices."""
    texts = [
        f"Where did the {noun} go?"
        for noun in ["dog", "cat", "fox", "man", "boy", "sun", "bird", "fish"]
    ]
    made = make_map(MODEL, "asked", texts, [text.replace("Where did the", "The") for text in texts])
    assert made.first == 8
    name = lock("small ones suffice", [MODEL], ["simulated"], QUICK).hash[:12]
    for ask in (
        lambda: drive(MODEL, "simulated", prose()[:5], QUICK),
        lambda: at_birth(MODEL, 1, recording="simulated", protocol=QUICK),
        lambda: reverse([MODEL], "simulated", QUICK),
    ):
        with pytest.raises(Locked, match=name):
            ask()
    on, out = ["--on", "simulated", *SETS], tmp_path / "out.csv"
    for command in (
        ["units", "score", "asked", *on],
        ["design", "drive", MODEL, *on],
        ["design", "controversial", MODEL, GLOVE, "--by", "response", *on],
        ["design", "power", MODEL, GLOVE, "--effect", "0.05", *on],
        ["perturb", MODEL, "--seeds", "1", "--text", "none", *on],
        ["alike", MODEL, GLOVE, *on],
        ["similarity", MODEL, *on],
        ["regions", MODEL, *on],
    ):
        told = CliRunner().invoke(main, [*command, "--out", str(out)])
        assert told.exit_code == 1, (command, told.output)
        assert "locked by the prediction" in " ".join(told.output.split()), (command, told.output)
        assert not out.exists(), command


def test_curves_over_lags_of_a_locked_story_are_refused(clean_home, tmp_path):
    lock("words are enough", [GLOVE], ["simulated-story"], preset("story"))
    out = tmp_path / "out.csv"
    for command in (["time"], ["test", "--protocol", "story"]):
        told = CliRunner().invoke(
            main, [*command, GLOVE, "--on", "simulated-story", "--out", str(out)]
        )
        said = " ".join(told.output.split())
        assert told.exit_code == 1 and "locked by the prediction" in said, (command, said)
    assert not out.exists()


def test_files_and_pictures_that_were_made_before_do_not_leave_after(clean_home):
    """The export stands open, with its preview and its buttons, while the number is locked from elsewhere."""
    before = score(GLOVE, "simulated", QUICK)
    lens = Layers(models=[GLOVE], recording="simulated", protocol=QUICK)
    lens.run(wait=True)
    dialog, picture = lens._exporter, lens.shown.pictures[0]
    dialog._build()
    dialog._dialog.open = True
    recipe = lens.recipe()
    dialog._show(look(picture, recipe), picture, {"width_mm": 85, "font_size": 7})
    dialog._enable(make(picture, lens.slug, recipe))
    buttons = [*dialog._downloads.values(), dialog._zip]
    assert all(button.callback().read() for button in buttons) and "base64" in dialog._image.object
    csv = next(one for one in lens._table.select() if getattr(one, "label", "") == "CSV")
    told = f"{before.value:.8f}"[1:6]
    assert told in csv.callback().read()
    name = lock("words are enough", [GLOVE], ["simulated"], QUICK).hash
    for button in buttons:  # pressed before the page looked again
        with pytest.raises(BrainLensError, match="nothing to export"):
            button.callback()
    assert told not in csv.callback().read() and not dialog.is_open
    assert dialog._image.object == "" and all(button.disabled for button in buttons)
    assert not any(words.object for words in dialog._texts.values())
    reveal(name)
    lens.keep_promises()
    lens.wait(60)
    assert lens.shown.there and told in csv.callback().read()
    lens.close()


def test_what_was_being_made_while_it_was_locked_comes_too_late(clean_home, monkeypatch):
    lens = Layers(models=[GLOVE], recording="simulated", protocol=QUICK)
    lens.run(wait=True)
    dialog = lens._exporter
    monkeypatch.setattr(dialog, "_make", lambda: None)
    dialog.open()

    def slow(*args, **options):
        lock("words are enough", [GLOVE], ["simulated"], QUICK)
        lens.keep_promises()
        return make(*args, **options)

    monkeypatch.setattr("dashboards.lens.export_dialog.make", slow)
    with ThreadPoolExecutor(
        1
    ) as aside:  # a browser of another test may leave this thread with a running loop
        aside.submit(asyncio.run, dialog._make_off_loop()).result()
    assert dialog._bundle is None and not dialog.is_open and dialog._image.object == ""
    lens.close()


def test_sweeps_on_the_page_and_the_activity_tell_no_locked_number(clean_home):
    sweep = Sweep.of(Plan("s", (GLOVE,), ("simulated",), ("q",), {"q": QUICK}))
    assert run(sweep)["done"]
    lens = Layers(models=[GLOVE], recording="simulated", protocol=QUICK)
    lens.run(wait=True)
    value = score(GLOVE, "simulated", QUICK).value
    room, drawer = Sweeps(Selection(lens="library"), lens.desk), Activity()
    room._show(([sweep.name], standing(sweep)))
    assert f"{value:.8f}"[1:6] in room._scores().read().decode()
    lock("words are enough", [GLOVE], ["simulated"], QUICK)
    assert "locked by the prediction" in sweep.scores().loc[0, "note"]
    assert f"{value:.8f}"[1:6] not in room._scores().read().decode()
    drawer._toggle()
    said = (
        room._grid.object
        + room._words.object
        + str([one.object for one in drawer._list.select() if hasattr(one, "object")])
    )
    assert GLOVE in said and f"{value:.3f}"[1:] not in said
    drawer.close()
    lens.close()


def test_a_locked_cell_of_a_sweep_leaves_without_its_number_and_the_others_with_theirs(
    clean_home, tmp_path
):
    sweep = Sweep.of(Plan("s", (GLOVE, "random-8"), ("simulated",), ("q",), {"q": QUICK}))
    assert run(sweep)["done"]
    own, other = (score(name, "simulated", QUICK).value for name in (GLOVE, "random-8"))
    before = sweep.scores()
    made = lock("words are enough", [GLOVE], ["simulated"], QUICK)
    frame = sweep.scores()
    assert frame.attrs["locked"] == 1 and list(frame.columns) == list(before.columns)
    hidden = frame[frame["model"] == GLOVE]
    assert len(hidden) == 1 and made.hash[:12] in hidden["note"].item()
    assert hidden.drop(columns=["model", "note", "recording", "protocol"]).isna().all(axis=None)
    open_ = frame[frame["model"] == "random-8"]
    assert open_["score"].iloc[0] == pytest.approx(other)
    room = Sweeps(Selection(lens="library"), Layers().desk)
    room._show(([sweep.name], standing(sweep)))
    told = room._scores().read().decode()
    assert f"{other:.8f}"[1:6] in told and f"{own:.8f}"[1:6] not in told and "not shown" in told
    assert room._withheld.visible and "One score is locked" in room._withheld.object
    out = tmp_path / "out.csv"
    said = CliRunner().invoke(main, ["sweep", "status", sweep.name, "--out", str(out)])
    assert said.exit_code == 0 and "1 locked" in said.output, said.output
    assert f"{own:.8f}"[1:6] not in out.read_text() and f"{other:.8f}"[1:6] in out.read_text()
    reveal(made.hash)
    room._scores()
    assert not room._withheld.visible and sweep.scores().equals(before)


def test_slight_copies_that_were_scored_before_leave_compare_and_the_tables(clean_home, tmp_path):
    """The model with noise that changes nothing, the recording with its digits cut off; a real change stays."""
    measured = recording("simulated")
    rounded = replace(measured, id="mine", responses=measured.responses.round(3))
    slight, other = f"{MODEL}@noise:all:0.000001", f"{MODEL}@noise:all:0.5:0"
    told = f"{score(MODEL, rounded, QUICK).value:.8f}"[1:6]
    for model in (slight, other):
        score(model, measured, QUICK)
    board = Compare(ranked=["mine"])
    board.run(wait=True)
    assert told in _shown(board)
    path = export(results(), tmp_path / "before.csv")
    made = lock("small ones suffice", [MODEL], ["simulated"], QUICK)
    board.keep_promises()
    board.wait(60)
    assert told not in _shown(board)
    assert list(results()["model"]) == [other] and len(bring(path)) == 1
    assert set(Store().scores()["model"]) <= {"", other}
    was = f"{MODEL}@noise:all:1e-06:0"
    rows = pd.read_csv(path).set_index("model")
    about = json.loads(rows.loc[was, "provenance"]) | {"numbers": []}
    old = {"model": was, "recording": "simulated", "provenance": json.dumps(about)}
    with pytest.raises(Locked):  # a row of an older version, known by its name
        refuse_told(old, Store())
    reveal(made.hash)
    assert len(results()["model"].unique()) == 3
    board.close()


def _shown(board) -> str:
    return str([one.table.to_string() for one in board.shown.pictures])
