"""Faces that tell a locked number in passing: searches, plans, maps of units, files that were made before, sweeps, activity."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

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
from analysis.scoring.lock import lock, reveal
from analysis.store.promises import Locked
from analysis.sweep.board import Sweep, standing
from analysis.sweep.plan import Plan
from analysis.sweep.runners import run
from dashboards import Architectures, Layers
from dashboards.command.cli import main
from dashboards.lens.export_dialog import make
from dashboards.library.sweeps import Sweeps
from dashboards.state import Selection
from dashboards.work.activity import Activity
from dashboards.work.ledger import Ready
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
    dialog._enable(make(picture, lens.slug, lens.recipe()))
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
    with pytest.raises(Locked):
        sweep.scores()
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
