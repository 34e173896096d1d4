"""Identity is content: whatever determines a number and was changed is answered with the number that a fresh store would give."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis import preset
from analysis.features.activations import activation_key
from analysis.features.surprisal import _key as surprisal_key
from analysis.models.catalog import load, signature
from analysis.models.files import weights
from analysis.scoring.keys import score_key
from analysis.scoring.verb import score
from analysis.store import keys
from analysis.store.store import Store
from data import hashes
from data.catalog import shelf
from data.catalog.catalog import recording
from data.catalog.catalog import signature as recording_signature
from data.own.sidecar import SIDECAR

QUICK = preset("defended").but(
    folds=3,
    inner_folds=2,
    bootstrap=20,
    shuffled_twin=False,
    controls=(),
    unique=False,
    criterion="gcv",
)
WORDS = [
    "river",
    "stone",
    "child",
    "winter",
    "letter",
    "garden",
    "music",
    "bread",
    "window",
    "road",
]
PEOPLE = 6
N = 24


@pytest.fixture
def place(clean_home, tmp_path):
    """A model of word vectors and a table of one's own; responses hold what the vectors can predict."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((len(WORDS), 4)).astype(np.float32)
    model = clean_home / "models" / "toy"
    model.mkdir(parents=True)
    np.save(model / "vectors.npy", vectors)
    (model / "words.txt").write_text("\n".join(WORDS) + "\n")
    (model / "card.json").write_text(
        json.dumps({"adapter": "static", "cls": "embedding", "layers": 0, "width": 4})
    )
    pairs = [(i % len(WORDS), (3 * i + 1) % len(WORDS)) for i in range(N)]
    signal = np.array(
        [(vectors[a] + vectors[b]) @ rng.standard_normal((4, PEOPLE)) for a, b in pairs]
    )
    values = signal + 0.7 * rng.standard_normal(signal.shape)
    frame = pd.DataFrame({"sentence": [f"{WORDS[a]} {WORDS[b]}" for a, b in pairs], "topic": [f"t{i // 4}" for i in range(N)],
                          "rank": np.arange(N, dtype=float)})  # fmt: skip
    for person in range(PEOPLE):
        frame[f"v{person}"] = values[:, person]
    table = tmp_path / "mine.csv"
    frame.round(6).to_csv(table, index=False)
    side(table, text="sentence", group="topic", context="topic", order="rank",
         responses=[f"v{i}" for i in range(PEOPLE)], subject={f"v{i}": f"p{i}" for i in range(PEOPLE)})  # fmt: skip
    return tmp_path


def side(table: Path, **fields) -> None:
    path = Path(str(table) + SIDECAR)
    told = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**told, **fields}))


def as_before(path: Path, content: bytes) -> None:
    """Write in place and set the time back, as an rsync or a restored backup does."""
    before = path.stat()
    with path.open("r+b") as stream:
        stream.write(content)
        stream.truncate(len(content))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def retold(table: Path, change) -> None:
    """The table with something changed, the same number of bytes, and the old time."""
    before = table.read_bytes()
    after = change(before)
    assert len(after) == len(before) and after != before
    as_before(table, after)


# ---- what may be changed ------------------------------------------------------------------------------------------------
def fewer_people(place):
    side(place / "mine.csv", subject={f"v{i}": f"p{i // 2}" for i in range(PEOPLE)})


def averaged(place):
    side(place / "mine.csv", averaged=True)


def a_value_in_place(place):
    def swap(content: bytes) -> bytes:
        lines = content.split(b"\n")
        fields = lines[1].split(b",")
        fields[3] = fields[3][:-1] + (b"1" if fields[3][-1:] != b"1" else b"2")
        fields[3] = (
            fields[3].replace(b"0.", b"9.", 1) if b"0." in fields[3] else b"9" + fields[3][1:]
        )
        return b"\n".join([lines[0], b",".join(fields), *lines[2:]])

    retold(place / "mine.csv", swap)


def a_text(place):
    retold(place / "mine.csv", lambda content: content.replace(b"river", b"stone", 3))


def a_group(place):
    def swap(content: bytes) -> bytes:
        return content.replace(b",t0,", b",tX,", 2).replace(b",t1,", b",t0,", 2)

    retold(place / "mine.csv", swap)


def the_order(place):
    def swap(content: bytes) -> bytes:
        return (
            content.replace(b",0.0,", b",@,").replace(b",5.0,", b",0.0,").replace(b",@,", b",5.0,")
        )

    retold(place / "mine.csv", swap)


def the_context(place):
    side(place / "mine.csv", context=None)


def fewer_columns(place):
    side(place / "mine.csv", responses=[f"v{i}" for i in range(PEOPLE - 1)],
         subject={f"v{i}": f"p{i}" for i in range(PEOPLE - 1)})  # fmt: skip


def the_parts(place):
    frame = pd.read_csv(place / "mine.csv")
    frame["half"] = ["a"] * (N // 2) + ["b"] * (N // 2)
    frame.to_csv(place / "mine.csv", index=False)
    side(place / "mine.csv", within="half")


def the_vectors(place):
    path = place / "home" / "models" / "toy" / "vectors.npy"
    other = np.random.default_rng(5).standard_normal((len(WORDS), 4)).astype(np.float32)
    content = path.read_bytes()
    as_before(path, content[: len(content) - other.nbytes] + other.tobytes())


def the_words(place):
    path = place / "home" / "models" / "toy" / "words.txt"
    as_before(path, ("\n".join(reversed(WORDS)) + "\n").encode())


def other_vectors_by_rename(place):
    path = place / "home" / "models" / "toy" / "vectors.npy"
    before = path.stat()
    np.save(path.with_suffix(".new.npy"), np.load(path)[::-1])
    os.replace(path.with_suffix(".new.npy"), path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES = (
    fewer_people, averaged, a_value_in_place, a_text, a_group, the_order, the_context, fewer_columns, the_parts, the_vectors,
    the_words, other_vectors_by_rename,
)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: one.__name__)
def test_a_change_is_answered_with_fresh_truth(place, change, tmp_path):
    store, table = Store(tmp_path / "cache", readers=[]), str(place / "mine.csv")
    before = score("toy", table, QUICK, store=store)
    assert score("toy", table, QUICK, store=store).cached
    seen = signature("toy"), recording_signature(table)
    change(place)
    assert (signature("toy"), recording_signature(table)) != seen  # a running page asks again
    after = score("toy", table, QUICK, store=store)
    truth = score("toy", table, QUICK, store=Store(tmp_path / "fresh", readers=[]))
    xr.testing.assert_identical(after.dataset.drop_attrs(), truth.dataset.drop_attrs())
    np.testing.assert_equal(
        [after.value, after.ceiling.value, after.ceiling.flag],
        [truth.value, truth.ceiling.value, truth.ceiling.flag],
    )
    assert not after.cached and after.table().shape == truth.table().shape
    if change not in (the_context, the_order):  # word vectors do not mind what they are read in
        assert (before.value, before.ceiling.value) != (after.value, after.ceiling.value)


def test_a_recording_added_again_under_its_id(place):
    def added(change: str) -> None:
        content = (place / "mine.csv").read_bytes()
        staged = shelf.stage({"mine.csv": content.replace(b"river", change.encode())})
        shelf.keep(
            staged,
            "mine",
            text="sentence",
            group="topic",
            responses=[f"v{i}" for i in range(PEOPLE)],
        )

    store = Store(place / "cache", readers=[])
    added("river")
    first, seen = score("toy", "mine", QUICK, store=store), recording_signature("mine")
    shelf.remove("mine")
    added("stone")
    assert recording_signature("mine") != seen
    assert score("toy", "mine", QUICK, store=store).value != first.value


def test_arrays_changed_in_place(place):
    store, mine = Store(place / "cache", readers=[]), recording(place / "mine.csv")
    first = score("toy", mine, QUICK, store=store)
    mine.responses.values[:5] = mine.responses.values[4::-1].copy()
    second = score("toy", mine, QUICK, store=store)
    assert not second.cached and second.value != first.value


MEANINGS = {
    "subject": lambda one: replace(
        one, responses=one.responses.assign_coords(subject=("target", list("aabbcc")))
    ),
    "region": lambda one: replace(
        one, responses=one.responses.assign_coords(region=("target", list("xyxyxy")))
    ),
    "averaged": lambda one: replace(one, averaged=True),
    "roles": lambda one: replace(one, roles={"story": "topic"}),
    "group": lambda one: replace(one, group=None),
    "within": lambda one: replace(one, within="topic"),
    "context": lambda one: replace(one, context=None),
    "scored unit": lambda one: replace(one, scored_unit="word"),
    "a number of the stimuli": lambda one: replace(
        one, stimuli=one.stimuli.assign(rank=one.stimuli["rank"] + 1)
    ),
    "single precision": lambda one: replace(one, responses=one.responses.astype(np.float32)),
}


@pytest.mark.parametrize("name", MEANINGS)
def test_everything_that_a_recording_says_is_in_the_key(place, name):
    mine = recording(place / "mine.csv")
    assert mine.content_hash == recording(place / "mine.csv").content_hash
    model = load("toy")
    other = MEANINGS[name](mine)
    assert score_key(model, other, QUICK) != score_key(model, mine, QUICK)


@pytest.mark.parametrize(
    ("field", "value"),
    [("folds", 4), ("seed", 1), ("pooling", "mean"), ("bootstrap", 30), ("alphas", (1.0, 2.0)), ("ceiling", "none")],
)  # fmt: skip
def test_every_choice_of_the_protocol_is_in_the_key(place, field, value):
    mine, model = recording(place / "mine.csv"), load("toy")
    assert score_key(model, mine, QUICK.but(**{field: value})) != score_key(model, mine, QUICK)


def test_code_and_packages_are_in_the_keys(place, monkeypatch):
    mine, model = recording(place / "mine.csv"), load("toy")

    def now() -> tuple[str, str, str]:
        return (
            score_key(model, mine, QUICK),
            activation_key(model, mine, QUICK),
            surprisal_key(model, ["a"], None, None),
        )

    first = now()
    monkeypatch.setitem(keys.STEPS, "mapping", 99)
    second = now()
    assert second[0] != first[0] and second[1:] == first[1:]
    monkeypatch.setattr(keys, "_version", lambda package: "9.9" if package == "torch" else "1.0")
    third = now()
    assert all(a != b for a, b in zip(second, third, strict=True))


def test_of_a_version_the_first_two_parts_count(monkeypatch):
    for text, told in (("2.13.1+cpu", "2.13"), ("2.13.0", "2.13"), ("5.10.2", "5.10"), ("3", "3")):
        keys._version.cache_clear()
        monkeypatch.setattr(keys.importlib.metadata, "version", lambda _, text=text: text)
        assert keys.packages(("torch",)) == {"torch": told}
    keys._version.cache_clear()


# ---- models ---------------------------------------------------------------------------------------------------------------
def test_a_folder_called_snapshots_is_no_commit(tmp_path, clean_home):
    for project, content in (("a", b"one"), ("b", b"two")):
        folder = tmp_path / project / "snapshots" / "best"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(content)
    first, second = (tmp_path / project / "snapshots" / "best" for project in "ab")
    assert weights.fingerprint(first) != weights.fingerprint(second)
    assert weights.fingerprint(first) == weights.fingerprint(
        shutil.copytree(first, tmp_path / "copy")
    )


def test_weights_of_the_same_size_and_time(tmp_path, clean_home):
    (tmp_path / "config.json").write_text("{}")
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"one")
    first = weights.fingerprint(tmp_path)
    as_before(path, b"two")
    second = weights.fingerprint(tmp_path)
    time = path.stat().st_mtime_ns
    (tmp_path / "new").write_bytes(b"six")
    os.utime(tmp_path / "new", ns=(time, time))
    os.replace(tmp_path / "new", path)
    assert len({first, second, weights.fingerprint(tmp_path)}) == 3


@pytest.mark.parametrize("adapter", ["ngram", "lstm-lm", "character-lstm"])
def test_a_hash_that_a_card_names_is_not_believed(tmp_path, clean_home, adapter):
    from analysis.models.base import Card
    from analysis.models.ngram import Trigram
    from analysis.models.recurrent import CharacterLSTM, LSTMLanguageModel

    (tmp_path / "card.json").write_text(json.dumps({"adapter": adapter, "weights": "f" * 64}))
    (tmp_path / "config.json").write_text(json.dumps(
        {"characters": ["a", "b"], "vocab_size": 2, "width": 2, "embedding": 2, "tied": False, "layers": 1}))  # fmt: skip
    (tmp_path / "part.bin").write_bytes(b"one")
    kind = {"ngram": Trigram, "lstm-lm": LSTMLanguageModel, "character-lstm": CharacterLSTM}[
        adapter
    ]
    known = Card("toy", "n-gram" if adapter == "ngram" else "recurrent", source="folder")
    first = kind(known, tmp_path).fingerprint
    as_before(tmp_path / "part.bin", b"two")
    assert first != kind(known, tmp_path).fingerprint and "ffff" not in first


def test_a_start_token_edited_in_the_card(clean_home):
    from tests.tiny_models import make

    folder = clean_home / "models" / "tiny"
    make("gpt2", folder)
    (folder / "card.json").write_text(json.dumps({"bos": ""}))
    simulated = recording("simulated")
    first = (
        score_key(load("tiny"), simulated, QUICK),
        surprisal_key(load("tiny"), ["a"], None, None),
    )
    card = json.dumps({"bos": "<|endoftext|>"})
    (folder / "card.json").write_text(card)
    second = (
        score_key(load("tiny"), simulated, QUICK),
        surprisal_key(load("tiny"), ["a"], None, None),
    )
    assert load("tiny").card.bos == "<|endoftext|>" and all(a != b for a, b in zip(first, second))
    tokenizer = folder / "tokenizer.json"
    content = tokenizer.read_bytes()
    as_before(tokenizer, content.replace(b'"version"', b'"Version"', 1))
    assert score_key(load("tiny"), simulated, QUICK) != second[0]


# ---- remembered hashes -----------------------------------------------------------------------------------------------------
def test_a_remembered_hash_is_compared_again(tmp_path, clean_home, monkeypatch, caplog):
    path = tmp_path / "file"
    path.write_bytes(b"one")
    first = hashes.file_hash(path)
    assert hashes.recheck(0) == [] and hashes.file_hash(path) == first
    before = hashes.mark(path)
    monkeypatch.setattr(hashes, "mark", lambda _: before)  # a disk that changed it by itself
    path.write_bytes(b"two")
    assert hashes.file_hash(path) == first
    assert hashes.recheck(3600) == []  # not due yet
    assert hashes.recheck(0) == [path] and "other bytes" in caplog.text
    assert hashes.file_hash(path) != first


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "null", '{"/x": 3}', '{"/x": [1, 2]}'])
def test_a_damaged_memory_blocks_nothing(tmp_path, clean_home, monkeypatch, content):
    monkeypatch.setattr(hashes, "_HERE", {})
    (clean_home / "cache").mkdir(parents=True)
    (clean_home / "cache" / "file-hashes.json").write_text(content)
    (tmp_path / "file").write_bytes(b"one")
    assert len(hashes.file_hash(tmp_path / "file")) == 64
    assert str(tmp_path / "file") in (clean_home / "cache" / "file-hashes.json").read_text()
