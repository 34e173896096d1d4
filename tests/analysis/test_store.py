"""The store: whole or absent, for several processes and people, and never larger than allowed."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from analysis.store.entry import Journal, StoredActivations
from analysis.store.store import DEFAULT_LIMIT, Store
from data.errors import BrainLensError
from data.files import atomic

ROOT = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "cache", readers=[])


def fill(store, key="k", layers=3, rows=20, width=8, model="toy", only=None) -> StoredActivations:
    entry = store.activations(key)
    entry.create([f"s{i}" for i in range(rows)], [width] * layers, {"model": model})
    for layer in range(layers) if only is None else only:
        entry.write(layer, np.full((rows, width), layer, np.float32))
    return entry


def run(code: str, *arguments) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


# ---- layers ---------------------------------------------------------------------------------------------------------------
def test_a_layer_counts_only_when_its_flag_is_set(store):
    entry = fill(store, only=[0, 2])
    assert entry.complete() == {0, 2}
    np.testing.assert_array_equal(entry.layer(2), np.full((20, 8), 2, np.float32))
    with pytest.raises(BrainLensError, match="Layer 1 is not in the store"):
        entry.layer(1)


def test_half_a_layer_is_nobodys(store):
    entry = fill(store, only=[])
    (entry.folder / "layers").mkdir()
    (entry.folder / "layers" / ".1.npy.0123.part").write_bytes(b"half")  # killed while it wrote
    assert entry.complete() == set()
    entry.write(1, np.full((20, 8), 5, np.float32))
    assert entry.layer(1)[0, 0] == 5


def test_a_layer_is_what_numpy_and_xarray_read(store):
    entry = fill(store, only=[0, 2])
    np.testing.assert_array_equal(np.load(entry.folder / "layers" / "2.npy"), entry.layer(2))
    opened = entry.open()
    assert opened["activations"].dims == ("layer", "stimulus", "unit")
    assert list(opened["layer"].values) == [0, 2] and list(opened["stimulus"].values[:2]) == [
        "s0",
        "s1",
    ]
    np.testing.assert_array_equal(opened["activations"].sel(layer=2), entry.layer(2))
    store.save_score("s", xr.Dataset({"r": ("target", np.arange(3.0))}))
    assert np.load(store.root / "scores" / "s.npz")["v:r"].tolist() == [0, 1, 2]
    assert store.open("s").r.sum() == 3
    with pytest.raises(BrainLensError, match="No layer is stored under other"):
        store.activations("other").open()


KILLED = """
import sys, numpy as np
from analysis.store.store import Store
entry = Store(sys.argv[1], readers=[]).activations("k")
entry.create([str(i) for i in range(400)], [500] * 200, {})
for layer in range(200):
    entry.write(layer, np.full((400, 500), layer, np.float32))
    print(layer, flush=True)
"""


def test_kill_9_leaves_whole_layers(store):
    process = run(KILLED, store.root)
    entry = store.activations("k")
    try:
        seen = 0
        for line in process.stdout:  # a reader beside the living writer
            seen = int(line)
            if seen >= 5:
                break
            assert (entry.layer(seen) == seen).all()
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    complete = entry.complete()
    assert complete >= set(range(seen)) and len(complete) < 200
    for layer in complete:
        assert (entry.layer(layer) == layer).all()


WRITER = """
import sys, numpy as np, xarray as xr
from analysis.store.store import Store
store = Store(sys.argv[1], readers=[])
value = float(sys.argv[2])
with store.lock("k"):
    entry = store.activations("k")
    entry.create([str(i) for i in range(50)], [10] * 4, {})
    for layer in range(4):
        entry.write(layer, np.full((50, 10), value, np.float32))
for i in range(20):
    store.save_score("s", xr.Dataset({"r": ("target", np.full(5000, value))}, attrs={"who": value}))
"""


def test_two_writers_and_a_reader(store):
    processes = [run(WRITER, store.root, value) for value in (1, 2)]
    seen = set()
    while any(p.poll() is None for p in processes):
        found = store.load_score("s")
        if found is not None:
            assert len(set(found.r.values)) == 1  # never half of one and half of the other
            seen.add(float(found.r[0]))
    for process in processes:
        assert process.wait() == 0, process.stderr.read()
    entry = store.activations("k")
    assert entry.complete() == {0, 1, 2, 3}
    assert all(len(np.unique(entry.layer(layer))) == 1 for layer in range(4))
    assert seen <= {1.0, 2.0} and store.load_score("s") is not None


HOLDER = """
import sys, time
from analysis.store.store import Store
with Store(sys.argv[1], readers=[]).lock("k"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_is_let_go_by_a_killed_process(store):
    process = run(HOLDER, store.root)
    assert process.stdout.readline().strip() == "held"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with store.lock("k"):  # or the test's own time limit
        assert process.returncode == -signal.SIGKILL


def test_atomic_leaves_nothing_behind_when_writing_fails(tmp_path):
    with pytest.raises(RuntimeError), atomic(tmp_path / "file") as part:
        part.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_was_cut_off_keeps_marked_rows_only(tmp_path):
    journal = Journal(tmp_path / "j", [3, 4], 6)
    journal.add(np.array([4, 1]), [np.ones((2, 3)), np.full((2, 4), 2.0)])
    with (tmp_path / "j" / "0.f32").open("r+b") as stream:
        stream.seek(2 * 3 * 4)
        stream.write(np.full(3, 9, "<f4").data)  # written, never marked
    again = Journal(tmp_path / "j", [3, 4], 6)
    assert again.done.tolist() == [1, 4] and again.missing == 4
    assert (again.values(1)[4] == 2).all()
    with (tmp_path / "j" / "1.f32").open("r+b") as stream:
        stream.seek(4 * 4 * 4)
        stream.write(b"\x01")  # one flipped byte of a row that was ready
    assert Journal(tmp_path / "j", [3, 4], 6).done.tolist() == [1]
    assert Journal(tmp_path / "j", [3, 5], 6).done.tolist() == []  # of another form


# ---- several people ---------------------------------------------------------------------------------------------------------
def test_a_read_only_shared_store_serves_and_is_never_written(tmp_path):
    lab = Store(tmp_path / "lab", readers=[])
    fill(lab, only=[0, 1])
    lab.save_score("s", xr.Dataset({"r": ("target", np.arange(3.0))}))
    before = sorted((p, p.stat().st_mtime_ns) for p in (tmp_path / "lab").rglob("*") if p.is_file())
    own = Store(tmp_path / "own", readers=[tmp_path / "lab"])
    entry = own.activations("k")
    assert entry.complete() == {0, 1} and entry.layer(1)[0, 0] == 1
    entry.gram(1)
    fill(own, only=[2])
    assert own.activations("k").complete() == {0, 1, 2}
    assert own.load_score("s") is not None and len(own.scores()) == 1
    own.clear()
    assert (
        sorted((p, p.stat().st_mtime_ns) for p in (tmp_path / "lab").rglob("*") if p.is_file())
        == before
    )


def test_the_shared_home_is_looked_into_by_default(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINLENS_SHARED", str(tmp_path / "lab"))
    fill(Store(tmp_path / "lab" / "cache", readers=[]))
    assert Store(tmp_path / "own").activations("k").complete() == {0, 1, 2}


def test_files_take_the_rights_of_a_group_folder(tmp_path):
    before = os.umask(0o002)
    try:
        store = Store(tmp_path / "cache", readers=[])
        with store.lock("k"):
            fill(store).gram(0)
        store.save_score("s", xr.Dataset({"r": ("target", np.arange(3.0))}))
        store.save_piece("run", "0", nats=np.zeros(3))
    finally:
        os.umask(before)
    files = [p for p in store.root.rglob("*") if p.is_file()]
    closed = [p for p in files if not p.stat().st_mode & stat.S_IWGRP]
    assert len(files) > 6 and closed == []
    assert all(p.stat().st_mode & stat.S_IWGRP for p in store.root.rglob("*") if p.is_dir())


# ---- size -------------------------------------------------------------------------------------------------------------------
def aged(store, key, seconds):
    folder = store.root / "activations" / key
    os.utime(folder, (time.time() - seconds,) * 2)


def test_the_least_recently_used_goes_first(store):
    for key in "abc":
        fill(store, key, rows=100, width=50)
    for key, seconds in (("a", 300), ("b", 200), ("c", 100)):
        aged(store, key, seconds)
    store.activations("a").layer(0)  # used just now
    store.limit = int(store.size() * 0.7)
    assert store.make_room() == ["b"]
    assert (
        store.activations("a").complete()
        and store.activations("c").complete()
        and not store.activations("b").complete()
    )


def test_what_is_being_made_or_kept_stays(store):
    for key in "ab":
        fill(store, key)
        aged(store, key, 100)
    store.limit = 0
    with store.lock("a"):
        gone = []
        thread = threading.Thread(target=lambda: gone.extend(store.make_room(keep="b")))
        thread.start()
        thread.join()
    assert gone == [] and store.activations("a").complete()
    assert store.make_room(keep="b") == ["a"]


def test_a_reader_of_something_evicted_never_gets_fill_values(store, monkeypatch):
    entry = fill(store)
    original = StoredActivations._form_of

    def evicted_meanwhile(self, folder):
        form = original(self, folder)
        assert store.clear()
        return form

    monkeypatch.setattr(StoredActivations, "_form_of", evicted_meanwhile)
    with pytest.raises(BrainLensError, match="not in the store any more"):
        entry.layer(1)


def test_list_and_clear(store):
    fill(store, "a", model="gpt2")
    fill(store, "b", model="bert", only=[0])
    store.save_score("s", xr.Dataset({"r": ("target", np.arange(3.0))}))
    store.save_piece("run", "0", nats=np.zeros(3))
    table = store.list()
    assert sorted(table.kind) == ["activations", "activations", "runs", "scores"]
    assert table.set_index("key").loc["b", ["model", "layers"]].tolist() == ["bert", 1]
    assert table.bytes.sum() == store.size() > 0
    counted = table.groupby("kind")["bytes"].agg(["count", "sum"]).to_dict("index")
    assert store.kinds() == {kind: (one["count"], one["sum"]) for kind, one in counted.items()}
    assert store.clear("activations", model="bert") > 0
    assert sorted(store.list().key) == ["a", "run", "s"]
    assert store.clear("scores") > 0 and store.load_score("s") is None
    store.clear()
    assert store.list().empty and store.size() == 0
    with pytest.raises(BrainLensError, match="did you mean 'scores'"):
        store.clear("score")


@pytest.mark.parametrize(
    ("text", "size"), [("20GB", 20e9), ("1.5 GiB", 1.5e9), ("500m", 5e8), ("1000", 1000)]
)
def test_the_limit_is_read_from_the_environment(text, size, monkeypatch, tmp_path):
    monkeypatch.setenv("BRAINLENS_CACHE_LIMIT", text)
    assert Store(tmp_path).limit == size


def test_a_limit_that_is_no_size_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("BRAINLENS_CACHE_LIMIT", "lots")
    with pytest.raises(BrainLensError, match="'lots' is not a size"):
        Store(tmp_path)


def test_a_limit_that_was_set_holds_for_every_store_of_the_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("BRAINLENS_CACHE_LIMIT", raising=False)
    Store(tmp_path).keep_at_most("2 GB")
    assert Store(tmp_path).limit == 2e9
    for text, match in (
        ("lots", "no size|not a size"),
        ("20MB", "less than 100 MB"),
        ("1.2.3GB", "not a size"),
    ):
        with pytest.raises(BrainLensError, match=match):
            Store(tmp_path).keep_at_most(text)
    assert Store(tmp_path).limit == 2e9
    (tmp_path / "limit.txt").write_text("damaged")
    assert Store(tmp_path).limit == DEFAULT_LIMIT
    monkeypatch.setenv("BRAINLENS_CACHE_LIMIT", "3GB")
    assert Store(tmp_path).limit == 3e9
    with pytest.raises(BrainLensError, match="decides how much"):
        Store(tmp_path).keep_at_most("2GB")


# ---- scores -----------------------------------------------------------------------------------------------------------------
def test_a_score_comes_back_as_it_was(store):
    dataset = xr.Dataset(
        {
            "r": (("fold", "target"), np.array([[0.1, np.nan], [0.3, 0.4]]), {"unit": "Pearson r"}),
            "constant": ("target", [True, False]),
        },
        coords={"target": ["v1", "v2"], "part": ("fold", ["a", ""])},
        attrs={
            "note": "",
            "protocol": {"folds": 10, "alphas": [0.1, 1.0]},
            "ceiling": None,
            "cached": False,
            "n": np.int64(3),
        },
    )
    store.save_score("s", dataset)
    found = store.load_score("s")
    xr.testing.assert_equal(found, dataset)
    assert found.constant.dtype == bool and found.r.attrs == {"unit": "Pearson r"}
    assert found.attrs == {
        "note": "",
        "protocol": {"folds": 10, "alphas": [0.1, 1.0]},
        "ceiling": None,
        "cached": False,
        "n": 3,
    }
    assert store.load_score("other") is None
    assert store.scores().loc[0, ["key", "note"]].tolist() == ["s", ""]
