"""Parcels under a name: kept by a person, both hemispheres one after the other, and what is no annotation is refused."""

from __future__ import annotations

import numpy as np
import pytest

from data import rights
from data.errors import BrainLensError
from data.files import Damaged
from data.home import acting_for, personal
from data.own import apart
from data.stories import kept_parcels as kept
from data.stories.kept_parcels import (
    HEMISPHERES,
    drop_parcels,
    keep_parcels,
    kept_parcels,
    load_parcels,
    own_parcels,
    parcels_mark,
)
from data.stories.parcels import parcels
from tests.data.test_parcels import NAMES, annot, gifti

RIGHT = ("Unknown", "RH_Temp_1", "RH_Front_1")


@pytest.fixture(autouse=True)
def here(clean_home, monkeypatch):
    """The process that tries a file is left out where that is not what is tested."""
    monkeypatch.setattr(apart, "tried", lambda *_, **__: None)


def contents(*paths) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in paths}


def test_one_hemisphere_comes_after_the_other(tmp_path):
    left, right = annot(tmp_path, "lh"), annot(tmp_path, "rh", RIGHT)
    assert keep_parcels(contents(left)) == "mine" and kept_parcels() == [HEMISPHERES, "mine"]
    first = parcels_mark("mine")
    assert not (load_parcels("mine").right != "").any()
    assert keep_parcels({f"C:\\atlases\\{right.name}": right.read_bytes()}) == "mine"
    whole, told = load_parcels("mine"), parcels([left, right])
    assert whole.left.tolist() == told.left.tolist() and whole.right.tolist() == told.right.tolist()
    assert parcels_mark("mine") != first and own_parcels("mine")
    drop_parcels("mine")
    assert kept_parcels() == [HEMISPHERES] and not parcels_mark("mine")
    with pytest.raises(BrainLensError, match="Unknown parcels 'mine'"):
        load_parcels("mine")


def test_giftis_are_kept_and_names_of_both_sides_are_told_apart(tmp_path):
    assert keep_parcels(contents(gifti(tmp_path, "L"), gifti(tmp_path, "R"))) == "atlas"
    assert set(load_parcels("atlas").names) == {
        "left Temp",
        "left Front",
        "right Temp",
        "right Front",
    }


def test_what_ships_is_each_side_as_one():
    found = load_parcels(HEMISPHERES)
    assert found.names == ["left", "right"] and set(found.left) == {"left"}
    with pytest.raises(BrainLensError, match="belong to everybody"):
        drop_parcels(HEMISPHERES)


def test_parcels_belong_to_who_brought_them(tmp_path):
    both = contents(annot(tmp_path, "lh"))
    with acting_for("ann"):
        keep_parcels(both)
        assert kept_parcels() == [HEMISPHERES, "mine"]
    with acting_for("bob"):
        assert kept_parcels() == [HEMISPHERES] and not own_parcels("mine")
        with pytest.raises(BrainLensError, match="Unknown parcels"):
            drop_parcels("mine")


def test_they_count_against_the_quota(tmp_path):
    class Rule:
        def may(self, name, action):
            return True

        def quota(self, name):
            return 100

    rights.ruled_by(Rule())
    try:
        with acting_for("ann"), pytest.raises(BrainLensError, match="are allowed"):
            keep_parcels(contents(annot(tmp_path, "lh")))
    finally:
        rights.ruled_by(None)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"lh.mine.csv": b"a"}, "no annotation of the cortex"),
        ({"mine.annot": b"a"}, "which hemisphere"),
        ({"lh.mine.annot": b"nothing"}, "no annotation that can be read"),
        ({"lh.hemispheres.annot": b"nothing"}, "is taken by parcels that ship"),
        ({"lh.mine.annot": bytes(21_000_000)}, "20 MB at most"),
        ({"../../lh.mine.label.gii": b"<x"}, "cannot be read"),
    ],
)
def test_what_is_no_annotation_is_answered_in_words(files, says):
    with pytest.raises(BrainLensError, match=says):
        keep_parcels(files)
    assert kept_parcels() == [HEMISPHERES]


def test_names_without_end_are_refused(tmp_path):
    with pytest.raises(BrainLensError, match="letters, and 200 are the most"):
        keep_parcels(contents(annot(tmp_path, "lh", (NAMES[0], "x" * 300, "y"))))


def test_a_damaged_file_is_told_and_blocks_nothing(tmp_path):
    keep_parcels(contents(annot(tmp_path, "lh")))
    path = personal("parcels") / "mine.npz"
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"[]"):
        path.write_bytes(content)
        kept._read.cache_clear()
        with pytest.raises(Damaged, match="are damaged"):
            load_parcels("mine")
        assert kept_parcels() == [HEMISPHERES, "mine"]
    np.savez(path, left_names=np.array(["a"]), left_codes=np.zeros(3, np.int16))
    kept._read.cache_clear()
    with pytest.raises(Damaged, match="3,"):
        load_parcels("mine")


def test_a_file_is_first_read_elsewhere(tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("BRAINLENS_HOME", str(tmp_path / "home"))
    keep_parcels(contents(annot(tmp_path, "lh")))  # in a real process of its own
    asked = []

    def lost(path, **how):
        asked.append((path.name, how["module"]))
        raise BrainLensError(f"{path.name} is damaged: the process that read it was lost")

    monkeypatch.setattr(apart, "tried", lost)
    with pytest.raises(BrainLensError, match="was lost"):
        keep_parcels(contents(annot(tmp_path, "rh", RIGHT)))
    assert asked == [("rh.Mine.annot", "data.stories.kept_parcels")]


def test_parcels_that_are_not_there_are_named_with_those_that_are(clean_home):
    from dashboards.command.time import parcels_of

    with pytest.raises(BrainLensError, match="no annotations to keep"):
        kept.keep_parcels({})
    with pytest.raises(BrainLensError, match=r"'nope'.*hemispheres"):
        parcels_of(["nope"])
