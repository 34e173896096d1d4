"""What is locked is refused by score and store until it is revealed, on every face."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from analysis import preset, score
from analysis.answers.difference import record_of
from analysis.answers.occlusion import occlusion_curve
from analysis.answers.outcomes import brain, gain
from analysis.answers.persons import persons_of
from analysis.answers.similarity import layers_of
from analysis.answers.trust.panels import Asked, panel
from analysis.features.activations import extract
from analysis.models import load
from analysis.paper.capsule import write_capsule
from analysis.paper.code import python_code
from analysis.progress import Report
from analysis.protocol import Protocol
from analysis.reading.run import read
from analysis.scoring.capsules import read_capsule
from analysis.scoring.decoding import decode
from analysis.scoring.lock import lock, require_open, reveal
from analysis.scoring.per_stimulus import item_values
from analysis.scoring.results import bring, export, results
from analysis.store.promises import Locked, promises
from analysis.store.store import Store
from analysis.sweep.board import Sweep
from analysis.sweep.plan import Plan
from analysis.sweep.runners import run
from dashboards import Compare, Layers, Trust
from dashboards.command.cli import main
from dashboards.page.page import Workbench
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


ALIASES = {
    "the context by its column": {"context": "passage"},
    "the group by its column": {"group": "topic"},
    "a window wider than a passage": {"window": 4096},
    "how one alpha is chosen": {"criterion": "kfold", "shared_alpha": True, "inner_folds": 3},
    "a choice of least squares": {"rcond": 1e-6},
    "experiments that are not there": {"by_experiment": False},
    "the best layer of the same profile": {"layer": "max"},
    "the last layer of the same profile": {"layer": "last"},
    "the median over the same targets": {"targets": "median", "people": "median", "order": "folds-first"},
    "the same layers in half precision": {"dtype": "bfloat16"},
    "the same layers but the last": {"last_layer": "normed"},
    "words for surprisal": {"word_boundary": False},
    "another name": {"name": "mine"},
}  # fmt: skip
OF_STATIC = {
    "no context": {"context": "none"},
    "the mean over words": {"pooling": "mean"},
    "another start": {"start": "tokenizer"},
    "all components": {"dimensions": "pca:64"},
    "another look ahead": {"attention": "whole"},
}


def test_the_same_number_is_refused_under_other_names_of_its_choices(clean_home):
    """Nothing is computed: what a cell is by content is known before; what does make a difference stays open."""
    store, models = Store(), ("zoo-glove-64d", "zoo-causal-200k")
    lock("small ones suffice", models, ["simulated"], QUICK)
    measured = recording("simulated")
    for model in models:
        own = OF_STATIC if model == models[0] else {}
        for what, changed in (ALIASES | own).items():
            with pytest.raises(Locked):
                require_open(load(model), measured, QUICK.but(**changed), store)
                pytest.fail(f"{model}: {what}")
    with pytest.raises(Locked):
        require_open(load("zoo-causal-200k@at:block:1"), measured, QUICK, store)
    other = (
        {"pooling": "mean"},
        {"context": "none"},
        {"start": "tokenizer"},
        {"alphas": (10.0,)},
        {"folds": 4},
        {"seed": 9},
    )
    for changed in other:
        require_open(load("zoo-causal-200k"), measured, QUICK.but(**changed), store)
    require_open(load("zoo-causal-200k@untrained"), measured, QUICK, store)
    for slight in ("mask:0.01:word:0", "noise:all:0.000001", "lesion:language:0.01@mask:0.5"):
        with pytest.raises(Locked):
            require_open(load(f"zoo-causal-200k@{slight}"), measured, QUICK, store)
    for changed in ("mask:10:word:0", "noise:all:0.1", "lesion:language:1@mask:0.5"):
        require_open(load(f"zoo-causal-200k@{changed}"), measured, QUICK, store)


def test_the_same_values_under_other_names_are_refused(clean_home, tmp_path):
    """A recording with other names of people, targets, columns and roles; activations at hand; another folder for the store."""
    lock("words are enough", ["zoo-glove-64d"], ["simulated"], QUICK)
    measured = recording("simulated")
    targets = [f"x{i}" for i in range(measured.n_targets)]
    people = [f"q{one}" for one in measured.subjects]
    named = measured.responses.assign_coords(target=targets, subject=("target", people))
    renamed = replace(measured, id="mine", responses=named)
    table = measured.stimuli.assign(more=1)
    read = extract(load("zoo-glove-64d"), measured, QUICK)
    for ask in (
        lambda: score("zoo-glove-64d", renamed, QUICK),
        lambda: score("zoo-glove-64d", replace(measured, id="wider", stimuli=table), QUICK),
        lambda: score(read, "simulated", QUICK),
        lambda: score(*CELL, store=Store(tmp_path / "elsewhere")),
    ):
        with pytest.raises(Locked):
            ask()
    other = measured.responses.copy(data=measured.responses.values[::-1])
    assert score("zoo-glove-64d", replace(measured, responses=other), QUICK).complete


def test_values_that_hardly_differ_are_refused_and_others_stay_open(clean_home):
    """A file of one's own: digits cut off, another unit, a value here and there, nobody's names; nothing is computed."""
    store, source, measured = Store(), load(CELL[0]), recording("simulated")
    lock("words are enough", [CELL[0]], ["simulated"], QUICK)
    values, rng = measured.responses, np.random.default_rng(0)
    spread = float(values.std())
    one, missing = values.copy(), values.copy()
    one[3, 0] += 5 * spread
    missing[7, 2] = np.nan
    slight = {
        "three digits": values.round(3),
        "another unit": 1000 * values + 5,
        "each target in a unit of its own": values * rng.uniform(0.1, 10, measured.n_targets),
        "noise": values + 1e-3 * spread * rng.standard_normal(values.shape),
        "one other value": one,
        "a value that is missing": missing,
    }
    for what, changed in slight.items():
        copy = replace(measured, id="mine", responses=changed)
        with pytest.raises(Locked):
            require_open(source, copy, QUICK, store)
            pytest.fail(what)
    bare = replace(
        measured, id="mine", averaged=True, responses=values.round(2).drop_vars("subject")
    )
    with pytest.raises(Locked):
        require_open(source, bare, QUICK, store)
    for strength in (0.3, 1.0):  # r with what was measured: .96, .71
        noise = strength * spread * rng.standard_normal(values.shape)
        require_open(source, replace(measured, id="mine", responses=values + noise), QUICK, store)


def test_a_row_less_and_another_order_of_rows_are_refused_and_half_of_them_stay_open(clean_home):
    """Other folds give another number, which lies near the locked one; nothing is computed."""
    store, source, measured = Store(), load(CELL[0]), recording("simulated")
    lock("words are enough", [CELL[0]], ["simulated"], QUICK)
    rng, every = np.random.default_rng(0), np.arange(measured.n_stimuli)
    renamed = measured.responses.assign_coords(target=[f"x{i}" for i in range(measured.n_targets)])
    for what, of, rows in (
        ("the last row left out", measured, every[:-1]),
        ("three rows left out", measured, np.delete(every, [5, 80, 200])),
        ("another order", measured, rng.permutation(every)),
        ("both, and other names", replace(measured, responses=renamed), rng.permutation(every)[1:]),
    ):
        with pytest.raises(Locked):
            require_open(source, replace(_some(of, rows), id="mine"), QUICK, store)
            pytest.fail(what)
    for start in range(0, measured.n_stimuli // 2, 24):
        half = _some(measured, every[start : start + measured.n_stimuli // 2])
        require_open(source, half, QUICK, store)
    require_open(source, _some(measured, every[:-1]), QUICK.but(split="shuffled"), store)
    require_open(load("zoo-causal-200k"), _some(measured, every[:-1]), QUICK, store)
    require_open(source, _some(measured.select(targets=every[:60]), every[:-1]), QUICK, store)


def test_rows_left_out_and_values_changed_at_once_are_refused(clean_home):
    """Neither sketch alone knows such a file; other people's responses to the same sentences stay open; nothing is computed."""
    store, source, measured = Store(), load(CELL[0]), recording("simulated")
    lock("words are enough", [CELL[0]], ["simulated"], QUICK)
    values, rng, every = measured.responses, np.random.default_rng(0), np.arange(measured.n_stimuli)
    spread = float(values.std())
    changes = {
        "three digits": values.round(3),
        "another unit": 1000 * values + 5,
        "noise": values + 1e-3 * spread * rng.standard_normal(values.shape),
        "each target in a unit of its own": values * rng.uniform(0.1, 10, measured.n_targets),
    }
    left = {
        "a row": every[:-1],
        "three rows": np.delete(every, [5, 80, 200]),
        "a twelfth": np.delete(every, np.arange(0, len(every), 12)),
        "another order": rng.permutation(every)[1:],
    }
    for (what, changed), (which, rows) in itertools.product(changes.items(), left.items()):
        copy = replace(measured, id="mine", responses=changed)
        with pytest.raises(Locked):
            require_open(source, _some(copy, rows), QUICK, store)
            pytest.fail(f"{what}, {which}")
    for strength in (0.3, 1.0):  # r with what was measured: .96, .71
        noisy = values + strength * spread * rng.standard_normal(values.shape)
        other = replace(measured, id="mine", responses=noisy)
        require_open(source, _some(other, every[:-1]), QUICK, store)


def test_other_peoples_responses_to_locked_sentences_stay_open(clean_home):
    """One person's are locked: another's are not, nor are ratings in five steps that mostly agree with locked ones."""
    store, source, measured = Store(), load(CELL[0]), recording("simulated")
    people = [
        replace(measured.select(targets=np.flatnonzero(measured.subjects == one)), id=str(one))
        for one in dict.fromkeys(measured.subjects)
    ]
    steps = np.random.default_rng(0).integers(1, 6, len(measured.texts))
    again = np.where(np.arange(len(steps)) % 4, steps, 3)
    rated = [
        replace(people[0].select(targets=[0]), id=name, responses=people[0].responses[:, :1].copy(data=one[:, None] * 1.0))
        for name, one in (("rated", steps), ("rated-again", again))
    ]  # fmt: skip
    lock("words are enough", [CELL[0]], [people[0], rated[0]], QUICK)
    for one in (people[0], rated[0]):
        with pytest.raises(Locked):
            require_open(source, one, QUICK, store)
    for one in (*people[1:], rated[1]):
        require_open(source, one, QUICK, store)


def _some(measured, rows):
    """Rows of a recording, in the order in which they are named."""
    return replace(
        measured,
        stimuli=measured.stimuli.iloc[rows],
        responses=measured.responses.isel(stimulus=rows),
    )


def test_a_row_that_does_not_tell_its_protocol_is_kept_and_not_shown(locked, tmp_path):
    """An export whose columns were cut or renamed before it is brought back."""
    made, before, path = locked
    whole = pd.read_csv(path)
    cut = {
        "bare": whole[["model", "recording", "r"]],
        "renamed": whole.assign(model="mine", data_key="", protocol_key=""),
        "blank": whole.assign(provenance="", protocol_key=""),
    }
    for name, frame in cut.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        assert bring(tmp_path / f"{name}.csv").empty, name
        with pytest.raises(Locked):
            record_of(frame.iloc[0].to_dict())
    assert results().empty
    reveal(made.hash)
    assert len(results()) == 4 and (results()["r"].round(9) == round(before.value, 9)).all()


def test_results_that_were_stored_under_another_name_of_the_cell_go_with_it(clean_home, tmp_path):
    """Seen under the context's own column and as the maximum; then locked under the recording's default."""
    for changed in ({"context": "passage"}, {"layer": "max"}):
        score("zoo-glove-64d", "simulated", QUICK.but(**changed))
    path = export(results(), tmp_path / "before.parquet")
    lock("words are enough", ["zoo-glove-64d"], ["simulated"], QUICK)
    assert results().empty and bring(path).empty and results().empty
    keys = [one.stem for one in (Store().root / "scores").glob("*.npz")]
    for key in keys:
        with contextlib.suppress(Locked):
            assert not _told(Store().load_score(key)), key


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


def test_the_whole_store_key_by_key_tells_no_locked_number(clean_home, tmp_path):
    """All that was computed from a cell before it was locked: other draws, panels, masks, capsules, another name."""
    model, numbers = "zoo-glove-64d", {}
    before = score(*CELL)
    score(model, "simulated", QUICK.but(bootstrap=60))
    brain(load(model), "simulated", QUICK)
    item_values(*CELL)
    for name in ("matrix", "omega"):
        panel(name, Asked((model,), "simulated", QUICK, copies=0))
    zipped = write_capsule(tmp_path / "c.zip", before, recording("simulated"), predictions=False)
    store = Store()
    keys = [path.stem for path in (store.root / "scores").glob("*.npz")]
    of_the_cell = [key for key in keys if _told(store.load_score(key))]
    assert len(of_the_cell) >= 9  # fits, results, joint fits, items, outcome, matrices
    old = next(key for key in keys if key.endswith("-result"))
    aged = store.load_score(old).assign_attrs(result="{}")  # as an older version kept it
    store.save_score("aged", aged)
    lock("words are enough", [model], ["simulated"], QUICK)
    assert store.load_score("aged") is None
    for key in keys:
        try:
            numbers[key] = store.load_score(key)
        except Locked:
            numbers[key] = None
    assert not [key for key, found in numbers.items() if _told(found)]
    assert set(store.scores()["key"]).isdisjoint(of_the_cell)
    copied = tmp_path / "another-name"
    shutil.copytree(load(model).file.path, copied)
    for ask in (
        lambda: occlusion_curve(model, "simulated", QUICK, levels=(0, 50)),
        lambda: read_capsule(zipped),
        lambda: score(str(copied), "simulated", QUICK),
    ):
        with pytest.raises(Locked):
            ask()
    taken = bring(zipped)
    assert taken.empty and taken.attrs["locked"] == 1 and results().empty
    said = CliRunner().invoke(main, ["results", "import", str(zipped)])
    assert "1 more are locked" in said.output and f"{before.value:.3f}"[1:] not in said.output
    reveal(promises(store.root)[0].hash)
    assert len(results()) == 4 and read_capsule(zipped).result["r"] == pytest.approx(before.value)
    assert store.load_score("aged") is not None


def _told(found) -> bool:
    """Whether a stored dataset holds numbers of a model."""
    if found is None:
        return False
    return bool({"inner", "joint", "nested", "people"} & {*found} or found.attrs.get("model"))


def test_reading_times_of_a_locked_cell_are_refused(clean_home):
    lock("surprisal is enough", ["zoo-causal-1m"], ["simulated-reading"], Protocol())
    with pytest.raises(Locked):
        read("zoo-causal-1m", "simulated-reading")
    with pytest.raises(Locked):
        persons_of({"mine": "zoo-causal-1m"}, "simulated-reading")
    with pytest.raises(Locked):
        gain(load("zoo-causal-1m"), "simulated-reading")
    on = ["zoo-causal-1m", "--on", "simulated-reading"]
    for command in (
        ["reading", *on],
        ["reading", *on, "--form", "mixed"],
        ["people", "persons", *on],
    ):
        told = CliRunner().invoke(main, command)
        assert told.exit_code == 1 and "locked by the prediction" in told.output, command


def test_a_score_that_is_locked_while_it_runs_is_not_given(clean_home):
    """Locked from elsewhere between the first layer and the last."""

    class Meddling(Report):
        def partial(self, result) -> None:
            if not promises(Store().root):
                lock("words are enough", [CELL[0]], [CELL[1]], QUICK)

    with pytest.raises(Locked):
        score(*CELL, report=Meddling())
    assert results().empty


def test_a_page_that_nobody_touches_forgets_what_is_locked_meanwhile(clean_home):
    """A page in a browser looks every two seconds; a lens in a notebook, whenever something is taken from it."""
    bench = Workbench("?lens=layers")
    bench.selection.protocol = QUICK
    bench.selection.param.update(models=[CELL[0]], recording=CELL[1])
    shown, behind = bench.lens, bench._made("untrained")
    shown.run(wait=True)
    alone = Layers(models=[CELL[0]], recording=CELL[1], protocol=QUICK)
    alone.run(wait=True)
    assert shown.shown.there and alone.holoviews() and alone.recipe()["scores"]
    name = lock("words are enough", [CELL[0]], [CELL[1]], QUICK).hash
    bench._keep_promises()
    assert not shown.shown.there and behind._promised == shown._promised != ""
    assert not alone.holoviews() and not alone.recipe()["scores"]
    reveal(name)
    bench._keep_promises()
    shown.wait(60)
    assert shown.shown.there
    bench.close()


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
    board = Compare()
    board.run(wait=True)
    assert kept in board.shown.pictures[0].table.to_string()
    name = lock("words are enough", ["zoo-glove-64d"], ["simulated"], QUICK).hash[:12]
    board.refresh()  # the pages that run since before
    board.wait(60)
    assert kept not in str([one.table.to_string() for one in board.shown.pictures])
    with pytest.raises(BrainLensError, match="no result to export"):
        board.results_file(".csv")
    lens.refresh()
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
    path.with_suffix(".copy").write_text("[]")
    with pytest.raises(BrainLensError, match="cannot be read"):
        score(*CELL)


@pytest.mark.usefixtures("locked")
@pytest.mark.parametrize("content", ["", "{", "{}", "[]", "null", "9", '{"a": 1}'])
def test_a_damaged_record_is_put_back_and_blocks_nothing_else(content, caplog):
    (path,) = (Store().root / "promises").glob("*.json")
    whole = path.read_bytes()
    path.write_text(content)
    with pytest.raises(Locked):
        score(*CELL)
    assert path.read_bytes() == whole and "it was put back" in caplog.text
    assert score("random-8", "simulated", QUICK).value is not None  # another cell


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
