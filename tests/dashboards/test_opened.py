"""Recordings that a page's looks share: read once, anew after a change, and written to by nobody."""

from __future__ import annotations

import json
import threading

import numpy as np
import pandas as pd
import pytest

from dashboards.work import opened
from data.catalog import catalog
from data.errors import BrainLensError
from data.home import acting_for

ROWS = 24


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(opened, "_KEPT", type(opened._KEPT)())


@pytest.fixture
def reads(monkeypatch):
    """The names that were read."""
    found, plain = [], catalog.recording

    def recording(name, **options):
        found.append(name)
        return plain(name, **options)

    monkeypatch.setattr(catalog, "recording", recording)
    return found


def table(path, seed=0):
    rng = np.random.default_rng(seed)
    pd.DataFrame({
        "sentence": [f"the {i} foxes ran home" for i in range(ROWS)],
        "topic": [f"t{i // 4}" for i in range(ROWS)],
        "response": rng.standard_normal(ROWS).round(6),
    }).to_csv(path, index=False)  # fmt: skip
    return str(path)


def test_many_looks_read_a_file_once(tmp_path, reads):
    name, found = table(tmp_path / "mine.csv"), []
    looks = [
        threading.Thread(target=lambda: found.append(opened.recording(name))) for _ in range(6)
    ]
    for one in looks:
        one.start()
    for one in looks:
        one.join()
    assert reads == [name] and len({id(one) for one in found}) == 1
    plain = catalog.recording(name)
    assert found[0].content_hash == plain.content_hash
    np.testing.assert_array_equal(found[0].responses.values, plain.responses.values)


def test_nobody_writes_into_what_is_shared(tmp_path):
    shared = opened.recording(table(tmp_path / "mine.csv"))
    with pytest.raises(ValueError, match="read-only"):
        shared.responses.values[0, 0] = 1.0


def test_a_hash_is_made_once_of_what_is_sealed_and_anew_of_all_else(tmp_path, monkeypatch):
    plain = catalog.recording(table(tmp_path / "mine.csv"))
    sealed, before = plain.sealed(), plain.content_hash
    made = []
    monkeypatch.setattr(type(plain), "_content", lambda self: made.append(self) or "anew")
    assert [sealed.content_hash, sealed.content_hash] == [before, before] and not made
    assert plain.content_hash == "anew" and len(made) == 1
    assert sealed.select(stimuli=list(sealed.stimuli.index[:8])).content_hash == "anew"


def test_a_file_that_changed_is_read_anew(tmp_path, reads):
    path = tmp_path / "mine.csv"
    first = opened.recording(table(path))
    second = opened.recording(table(path, seed=1))
    assert len(reads) == 2 and first.content_hash != second.content_hash


def stimuli_beside(tmp_path, text="ran"):
    np.save(tmp_path / "resp.npy", np.random.default_rng(0).standard_normal((ROWS, 3)))
    words = pd.DataFrame({"sentence": [f"the {i} foxes {text} home" for i in range(ROWS)]})
    words.to_csv(tmp_path / "texts.csv", index=False)
    (tmp_path / "resp.npy.brainlens.json").write_text(json.dumps({"stimuli": "texts.csv"}))
    return str(tmp_path / "resp.npy")


def test_a_table_that_only_the_sidecar_names_is_seen_to_change(tmp_path, reads):
    name = stimuli_beside(tmp_path)
    first, seen = opened.recording(name), catalog.signature(name)
    stimuli_beside(tmp_path, "walked")
    assert catalog.signature(name) != seen
    assert opened.recording(name).texts != first.texts and len(reads) == 2


def story(folder):
    (folder / "words").mkdir(parents=True, exist_ok=True)
    np.save(folder / "signal.npy", np.random.default_rng(0).standard_normal((40, 4)))
    words = pd.DataFrame({"word": ["fox"] * 20, "onset": np.arange(20.0), "duration": 0.5})
    words.to_csv(folder / "words" / "run.csv", index=False)
    (folder / "story.toml").write_text(
        'id = "fox"\ninterval = 1.0\n[words]\nrun1 = "words/run.csv"\n[people.ann]\nrun1 = "signal.npy"\n'
    )
    return folder


@pytest.mark.parametrize("as_folder", [False, True])
@pytest.mark.parametrize("changed", ["words/run.csv", "signal.npy", "story.toml"])
def test_each_file_of_a_story_is_seen_to_change(tmp_path, as_folder, changed):
    folder = story(tmp_path / "fox")
    name = str(folder if as_folder else folder / "story.toml")
    seen = catalog.signature(name)
    assert catalog.signature(name) == seen
    with (folder / changed).open("ab") as stream:
        stream.write(b"\n")
    assert catalog.signature(name) != seen


def test_each_file_of_a_bids_folder_is_seen_to_change(tmp_path):
    func = tmp_path / "bids" / "sub-01" / "ses-1" / "func"
    func.mkdir(parents=True)
    events = func / "sub-01_ses-1_task-fox_events.tsv"
    for path in (func / "sub-01_ses-1_task-fox_bold.nii.gz", events):
        path.write_bytes(b"x")
    seen = catalog.signature(tmp_path / "bids")
    events.write_text("onset\tword\n")
    assert catalog.signature(tmp_path / "bids") != seen


def test_every_person_reads_for_herself(tmp_path, reads):
    name = table(tmp_path / "mine.csv")
    for who in ("ada", "ben", "ada"):
        with acting_for(who):
            opened.recording(name)
    assert len(reads) == 2


def test_an_error_is_kept_for_nobody(tmp_path, reads):
    path = tmp_path / "mine.csv"
    path.write_text("")
    for _ in range(2):
        with pytest.raises(BrainLensError):
            opened.recording(str(path))
    assert len(reads) == 2 and not opened._KEPT


def test_no_more_is_kept_than_is_allowed(tmp_path, reads, monkeypatch):
    names = [table(tmp_path / f"{name}.csv", seed) for seed, name in enumerate("abc")]
    monkeypatch.setattr(opened, "BYTES", 2 * opened.recording(names[0]).responses.nbytes)
    for name in names[1:]:
        opened.recording(name)
    assert [key[0] for key in opened._KEPT] == names[1:]
