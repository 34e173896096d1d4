"""Damage of every kind to every kind of stored thing: it is found when it is read, said once, made anew, and never shown."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from analysis import preset, score
from analysis.features.activations import extract
from analysis.models.catalog import load
from analysis.scoring.results import bring, export, results
from analysis.store import sealed
from analysis.store.entry import Journal
from analysis.store.store import Store
from dashboards.command.cli import main
from data.catalog.catalog import recording
from tests.damages import DAMAGES, SLICE

PROTOCOL = preset("defended").but(
    folds=3,
    inner_folds=2,
    bootstrap=20,
    shuffled_twin=False,
    controls=("position",),
    criterion="gcv",
    unique=False,
)
MODEL = "glove-like"
KINDS = {
    "a layer": "activations/*/layers/0.npy",
    "a description": "activations/*/meta.json",
    "a Gram": "activations/*/grams/0.npy",
    "a layer's score": "scores/*-layer0.npz",
    "a ceiling or a control": "scores/????????????????????????????????.npz",
    "a result": "scores/*-result.npz",
    "a run's piece": "runs/*/*.npz",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store with one of each, and what it should say."""
    home = tmp_path_factory.mktemp("home")
    patch = pytest.MonkeyPatch()
    patch.setenv("BRAINLENS_HOME", str(home))
    patch.setenv("BRAINLENS_SHARED", "")
    model = home / "models" / MODEL
    model.mkdir(parents=True)
    simulated = recording("simulated")
    words = sorted({word for text in simulated.texts for word in text.lower().split()})[:400]
    np.save(
        model / "vectors.npy",
        np.random.default_rng(0).standard_normal((len(words), 5)).astype(np.float32),
    )
    (model / "words.txt").write_text("\n".join(words) + "\n")
    (model / "card.json").write_text(
        '{"adapter": "static", "cls": "embedding", "layers": 0, "width": 5}'
    )
    truth = told(Store())
    yield home, truth
    patch.undo()


def told(store: Store) -> list:
    """Everything that the store can be asked for, as numbers."""
    simulated = recording("simulated")
    one = score(MODEL, simulated, PROTOCOL, store=store)
    held = extract(load(MODEL), simulated, PROTOCOL, store=store)
    piece = store.piece("run", "0")
    if piece is None:
        store.save_piece("run", "0", nats=np.arange(50.0))
        piece = store.piece("run", "0")
    listed = results(store)
    return [one.dataset.drop_attrs(), one.value, one.ceiling.value, one.table().to_csv(), held.layer(0).tolist(),
            held.gram(0).tolist(), piece["nats"].tolist(), listed["r"].tolist(), listed["hash"].tolist()]  # fmt: skip


def same(found: list, truth: list) -> None:
    xr.testing.assert_identical(found[0], truth[0])
    assert (
        found[1:-1] == truth[1:-1]
    )  # a result that is computed anew has another time in its recipe, and another hash
    assert len(found[-1]) == len(truth[-1])


@pytest.fixture
def store(made, tmp_path, monkeypatch):
    """A copy of the store that may be damaged."""
    home, _ = made
    monkeypatch.setenv("BRAINLENS_HOME", str(shutil.copytree(home, tmp_path / "home")))
    monkeypatch.setattr(sealed, "DAMAGE", {})
    return Store()


def check(store: Store, truth: list, kind: str, damage: str, caplog) -> None:
    paths = sorted(store.root.glob(KINDS[kind]))
    before = [path.read_bytes() for path in paths]
    assert paths
    for path in paths:
        DAMAGES[damage](path)
    changed = [path for path, content in zip(paths, before, strict=True)
               if not path.is_file() or path.read_bytes() != content]  # fmt: skip
    gone = damage == "gone"
    assert set(store.verify()) == (
        set() if gone else {p for p in changed if p.is_file() or p.is_dir()}
    )
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="brainlens.store"):
        same(told(store), truth)
        same(told(Store()), truth)
    for path in changed:
        assert caplog.text.count(f"{path}") <= 1, caplog.text
    assert store.verify() == {}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", SLICE[::3])
def test_damage_is_healed(store, made, kind, damage, caplog):
    check(store, made[1], kind, damage, caplog)


@pytest.mark.deep
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_of_every_kind_is_healed(store, made, kind, damage, caplog):
    check(store, made[1], kind, damage, caplog)


def test_there_are_sixty_kinds_of_damage():
    assert len(DAMAGES) >= 60


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_damage_passes_the_seal(tmp_path, damage):
    """The readers alone: all kinds, in a moment."""
    array, table, fields = tmp_path / "a.npy", tmp_path / "b.npz", tmp_path / "c.json"
    sealed.save_array(array, np.arange(300, dtype=np.float32).reshape(30, 10))
    sealed.save_arrays(table, {"r": np.linspace(0, 1, 200)})
    sealed.save_json(fields, {"widths": [1, 2], "text": "line\nline\n", "note": "x" * 600})
    for path, read in (
        (array, sealed.load_array),
        (table, sealed.load_arrays),
        (fields, sealed.load_json),
    ):
        content = path.read_bytes()
        DAMAGES[damage](path)
        if path.is_file() and path.read_bytes() == content:  # no line ends in it
            continue
        with pytest.raises(FileNotFoundError if damage == "gone" else sealed.Damaged):
            read(path)


@pytest.mark.parametrize("damage", SLICE)
def test_a_journal_resumes_with_sound_rows_only(tmp_path, damage):
    values = np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32)
    for name in ("ready.npy", "0.f32"):
        journal = Journal(tmp_path / name, [8], 40)
        journal.add(np.arange(30), [values[:30]])
        DAMAGES[damage](tmp_path / name / name)
        again = Journal(tmp_path / name, [8], 40)
        np.testing.assert_array_equal(again.values(0)[again.done], values[again.done])
        missing = np.setdiff1d(np.arange(40), again.done)
        again.add(missing, [values[missing]])
        np.testing.assert_array_equal(again.values(0), values)


@pytest.mark.parametrize("damage", SLICE)
def test_a_damaged_import_is_left_out_and_blocks_nothing(store, made, tmp_path, damage, caplog):
    path = export(results(store), tmp_path / "mine.csv")
    kept = bring(path)
    other = bring(
        export(results(store).iloc[:1].assign(model="other", hash=""), tmp_path / "other.csv")
    )
    file = store.root.parent / "results" / f"{kept.loc[0, 'key']}.json"
    DAMAGES[damage](file)
    for _ in range(2):
        shown = results(store)
        assert other.loc[0, "key"] in set(shown["key"]) and kept.loc[0, "key"] not in set(
            shown["key"]
        )
    assert caplog.text.count("import them again") <= 1


def test_verify_and_repair_from_the_command_line(store, made):
    run = CliRunner().invoke(main, ["cache", "verify"])
    assert run.exit_code == 0 and "nothing is damaged" in run.output
    path = next(store.root.glob("scores/*-layer0.npz"))
    DAMAGES["a bit at 50%, bit 0"](path)
    run = CliRunner().invoke(main, ["cache", "verify"])
    assert run.exit_code == 1 and path.name in run.output and path.exists()
    run = CliRunner().invoke(main, ["cache", "repair"])
    assert run.exit_code == 0 and "computed anew" in run.output and not path.exists()
    same(told(Store()), made[1])


def test_an_old_store_is_said_and_given_back(store, made, caplog, monkeypatch):
    from analysis.store import store as module

    monkeypatch.setattr(module, "_SAID", set())
    old = store.root / "activations" / ("0" * 32) / "values.zarr"
    old.mkdir(parents=True)
    (old / "zarr.json").write_bytes(b"x" * 1000)
    (store.root / "scores" / "abc.nc").write_bytes(b"y" * 500)
    (store.root / "scores" / "abc.json").write_text("{}")
    again, _ = Store(), Store()
    assert caplog.text.count("form of an older version") == 1 and again.old() == 1502
    same(told(again), made[1])
    assert again.list().groupby("kind")["bytes"].sum()["old"] == 1502
    before = again.size()
    run = CliRunner().invoke(main, ["cache", "clear", "--kind", "old", "--yes"])
    assert run.exit_code == 0 and again.old() == 0 and again.size() == before - 1502


def test_clear_tells_the_truth(store, made):
    def on_disk() -> int:
        kinds = ("activations", "scores", "runs", "embeddings")
        return sum(
            p.stat().st_size for k in kinds for p in (store.root / k).rglob("*") if p.is_file()
        )

    left = store.root / "activations" / ".gone-0123"
    left.mkdir()
    (left / "layer").write_bytes(b"z" * 10_000)
    before = on_disk()
    freed = Store().clear(model=MODEL)
    assert before - on_disk() == freed > 0
    assert not [p for p in store.root.glob("activations/[!.]*")] and not list(
        store.root.glob("scores/*-layer*")
    )
    between = on_disk()
    assert Store().clear() == between and on_disk() == 0 and Path(store.root).is_dir()
