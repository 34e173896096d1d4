"""What is locked is refused by score and store until it is revealed, on every face."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from analysis import preset, score
from analysis.answers.difference import record_of
from analysis.answers.similarity import layers_of
from analysis.answers.trust.panels import Asked, panel
from analysis.paper.capsule import write_capsule
from analysis.paper.code import python_code
from analysis.scoring.capsules import read_capsule
from analysis.scoring.decoding import decode
from analysis.scoring.lock import lock, reveal
from analysis.scoring.per_stimulus import item_values
from analysis.scoring.results import bring, export, results
from analysis.store.promises import Locked, promises
from analysis.store.store import Store
from analysis.sweep.board import Sweep
from analysis.sweep.plan import Plan
from analysis.sweep.runners import run
from dashboards import Compare, Layers, Trust
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
    assert f"{before.value:.8f}"[1:6] not in str(
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


NEIGHBOURS = {
    "other draws": {"bootstrap": 60},
    "with controls": {"controls": ("position", "length")},
    "with its twin": {"shuffled_twin": True},
    "with unique R2": {"unique": True},
    "with a ceiling": {"ceiling": "leave-one-out"},
    "one of its seeds": {"seeds": 1},
    "its second seed": {"seeds": 1, "seed": 1},
    "more seeds": {"seeds": 3},
    "choices of a story": {"highpass": None, "delays": (2,)},
}


@pytest.mark.usefixtures("locked")
@pytest.mark.parametrize("what", NEIGHBOURS)
def test_the_same_number_is_refused_whatever_stands_beside_it(what):
    with pytest.raises(Locked, match="locked by the prediction"):
        score("zoo-glove-64d", "simulated", QUICK.but(**NEIGHBOURS[what]))


def test_what_was_stored_beside_it_before_is_not_listed(clean_home):
    """The same r under other draws, stored and exported before the prediction was locked."""
    other = QUICK.but(bootstrap=60)
    before = score("zoo-glove-64d", "simulated", other)
    path = export(results(), clean_home / "before.csv")
    lock("words are enough", ["zoo-glove-64d"], ["simulated"], QUICK)
    assert results().empty
    bring(path)
    assert results().empty
    seen = promises(Store().root)[0].seen
    assert len(seen) == 1 and f"{before.value:.3f}" not in str(seen)


def test_faces_that_keep_or_travel_refuse_too(clean_home, tmp_path):
    """A capsule made before, a running page, Trust and its panels, the commands; and the recipe of what is shown."""
    before = score(*CELL)
    shown, kept = f"{before.value:.3f}"[1:], f"{before.value:.8f}"[1:6]  # in words; in tables
    zipped = write_capsule(tmp_path / "c.zip", before, recording("simulated"), predictions=False)
    lens = Layers(models=["zoo-glove-64d"], recording="simulated", protocol=QUICK)
    lens.run(wait=True)
    assert lens.shown.there
    doubts = dict(models=["zoo-glove-64d"], recording="simulated", protocol=QUICK, copies=0)
    running = Trust(**doubts, doubts=["optimism"])
    running.run(wait=True)
    assert running.page() and kept in running.shown.pictures[0].table.to_string()
    name = lock("words are enough", ["zoo-glove-64d"], ["simulated"], QUICK).hash[:12]
    lens.refresh()  # the page that runs since before
    lens.wait(60)
    assert not lens.shown.there and not lens.recipe()["scores"]
    running.refresh()
    running.wait(60)
    told = f"{running.shown.verdict} {[p.table.to_string() for p in running.shown.pictures]}"
    assert shown not in told and kept not in told
    for face in (running.page, running.handed_over):
        with pytest.raises(BrainLensError):
            face()
    for ask in (
        lambda: record_of(read_capsule(zipped)),
        lambda: record_of(zipped),
        lambda: panel("optimism", Asked(("zoo-glove-64d",), "simulated", QUICK, copies=0)),
        lambda: panel("matrix", Asked(("zoo-glove-64d",), "simulated", QUICK, copies=0)),
        lambda: decode("zoo-glove-64d", "simulated", QUICK),
        lambda: exec(python_code([before])),  # the recipe of a figure, run in a notebook
    ):
        with pytest.raises(Locked, match=name):
            ask()
    trust = Trust(
        models=["zoo-glove-64d"],
        recording="simulated",
        protocol=QUICK,
        doubts=["optimism", "leaks"],
        copies=0,
    )
    trust.run(wait=True)
    said = f"{trust.shown.verdict} {[p.table.to_string() for p in trust.shown.pictures if not p.published]}"
    assert shown not in said and kept not in said
    with pytest.raises(BrainLensError):
        trust.page()
    with pytest.raises(BrainLensError):
        trust.handed_over()
    sets = [part for k, v in QUICK.changes().items() for part in ("--set", f"{k}={_flat(v)}")]
    on = ["zoo-glove-64d", "--on", "simulated", *sets]
    for command in (["score", *on], ["trust", *on, "--panel", "optimism", "--copies", "0"], ["test", *on], ["decode", *on],
                    ["results", "capsule", *on, "-o", str(tmp_path / "d.zip")], ["results", "checklist", *on],
                    ["results", "diff", str(zipped), str(zipped)],
                    ["results", "export", str(tmp_path / "out.csv")]):  # fmt: skip
        told = CliRunner().invoke(main, command)
        assert shown not in told.output and kept not in told.output, command
        assert told.exit_code == 1 or "Not answered" in told.output, (command, told.output)
    assert not (tmp_path / "d.zip").exists() and not (tmp_path / "out.csv").exists()
    reveal(name)
    lens.refresh()
    lens.wait(60)
    assert lens.shown.there and record_of(zipped).r == pytest.approx(before.value)


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
