"""What is locked is refused by score and store until it is revealed, on every face."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from analysis import preset, score
from analysis.answers.similarity import layers_of
from analysis.scoring.lock import lock, reveal
from analysis.scoring.per_stimulus import item_values
from analysis.scoring.results import bring, export, results
from analysis.store.promises import Locked, promises
from analysis.store.store import Store
from analysis.sweep.board import Sweep
from analysis.sweep.plan import Plan
from analysis.sweep.runners import run
from dashboards import Compare, Layers
from dashboards.command.cli import main
from data.catalog.catalog import recording
from data.errors import BrainLensError

QUICK = preset("defended").but(
    seeds=2, folds=3, inner_folds=2, bootstrap=20, criterion="gcv", alphas=(100.0,), unique=False,
    controls=(), ceiling="none", shuffled_twin=False,
)  # fmt: skip
CELL = ("zoo-glove-64d", "simulated", QUICK)


@pytest.fixture
def locked(clean_home):
    """A score that is stored and exported, and then locked."""
    before = score(*CELL)
    path = export(results(), clean_home / "out.csv")
    made = lock("words are enough", ["zoo-glove-64d"], ["simulated"], QUICK)
    return made, before, path


def test_the_record_says_what_when_and_what_was_seen(locked):
    made, before, _ = locked
    assert made.hash == made.digest and len(made.hash) == 64 and not made.changed
    assert made.seen == [f"zoo-glove-64d on simulated, {results_protocol(before)} (own)"]
    assert made.time.endswith("Z") and made.version and made.hypothesis == "words are enough"
    assert "r =" not in json.dumps(made.seen)


def results_protocol(found) -> str:
    from analysis.scoring.results import row

    return row(found)["protocol"]


def test_every_face_refuses_until_it_is_revealed(locked, tmp_path):
    made, before, path = locked
    loaded = recording("simulated")
    for ask in (
        lambda: score(*CELL),
        lambda: score(*CELL, layers=[0]),
        lambda: item_values(*CELL),
        lambda: layers_of("zoo-glove-64d", loaded, QUICK),
        lambda: Store().load_score(made.cells[0]["keys"][0] + "-layer0"),
        lambda: Store().load_score(made.cells[0]["keys"][0] + "-result"),
    ):
        with pytest.raises(Locked, match="locked by the prediction"):
            ask()
    assert results().empty and results().attrs["locked"] == 1  # Compare, exports
    assert Store().scores("-result").empty
    bring(path)  # the same number brought from outside is locked too
    assert results().empty
    board = Compare()
    board.run(wait=True)
    assert "0.12" not in str(
        [p.table.to_string() for p in board.shown.pictures if "rank" in p.label.lower()]
    )
    lens = Layers(models=["zoo-glove-64d"], recording="simulated", protocol=QUICK)
    lens.run(wait=True)
    assert not lens.shown.there
    sets = [part for k, v in QUICK.changes().items() for part in ("--set", f"{k}={_flat(v)}")]
    said = CliRunner().invoke(main, ["score", "zoo-glove-64d", "--on", "simulated", *sets])
    assert said.exit_code == 1 and "locked" in said.output
    assert f"{before.value:.3f}" not in said.output
    sweep = Sweep.of(Plan("s", ("zoo-glove-64d",), ("simulated",), ("q",), {"q": QUICK}))
    assert run(sweep)["failed"] == 1
    other = score("zoo-glove-64d", "simulated", QUICK.but(seeds=1, folds=4))  # not what was locked
    assert other.complete
    opened = reveal(made.hash[:12])
    assert opened.revealed and any("folds=4" in one for one in opened.meanwhile)
    assert score(*CELL).value == pytest.approx(before.value)
    assert len(results()) == 3  # own, the other one, and the one that was brought


def _flat(value) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


@pytest.mark.usefixtures("locked")
def test_a_record_that_was_changed_says_so_and_bad_requests_have_answers():
    path = next((Store().root / "promises").glob("*.json"))
    told = json.loads(path.read_text())
    path.write_text(json.dumps(told | {"hypothesis": "words are not enough"}))
    assert promises(Store().root)[0].changed
    assert "CHANGED" in CliRunner().invoke(main, ["lock", "--list"]).output
    with pytest.raises(BrainLensError, match="0 locked predictions"):
        reveal("ffff")
    with pytest.raises(BrainLensError, match="needs a hypothesis"):
        lock(" ", ["zoo-glove-64d"], ["simulated"], QUICK)
    path.write_text("{")
    with pytest.raises(BrainLensError, match="cannot be read"):
        score(*CELL)


def test_the_commands(clean_home):
    invoke = CliRunner().invoke
    done = invoke(main, ["lock", "small wins", "--model", "zoo-glove-64d", "--on", "simulated"])
    assert done.exit_code == 0, done.output
    name = promises(Store().root)[0].hash[:12]
    assert name in done.output and "promise to yourself" in done.output
    assert "small wins" in invoke(main, ["lock", "--list"]).output
    opened = invoke(main, ["reveal", name])
    assert opened.exit_code == 0 and "shown from now on" in opened.output
    assert invoke(main, ["lock"]).exit_code == 1
