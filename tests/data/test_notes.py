"""Notes on a recording keep their kind on the way to where code asks for it; no code reads their words."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

from analysis.scoring.provenance import recorded
from data.catalog.catalog import recording
from data.filters import apply_filter
from data.notes import FILTER, Note, kind_of, of_kind
from data.own.read import read
from data.own.validation import inspect
from tests.data.own_tables import saved, table


def test_a_note_is_a_sentence_that_knows_its_kind_in_every_process():
    note = Note("filter official: left out nothing", FILTER)
    for one in (note, pickle.loads(pickle.dumps(note)), copy.deepcopy(note)):
        assert one == "filter official: left out nothing" and kind_of(one) == FILTER
    assert of_kind([note, "a plain sentence"], FILTER) == [note]


def test_words_that_begin_like_a_note_of_ours_are_told_like_any_others(tmp_path):
    one = read(saved(tmp_path, table()))
    mine = (
        "averaged by hand over two runs",
        "filter paper was used",
        "simulated heartbeat removed",
    )
    report = inspect(replace(one, notes=(*one.notes, *mine)))
    told = [finding.what for finding in report.findings]
    assert set(mine) <= set(told) and sum("as an average" in what for what in told) == 2
    assert recorded(replace(one, notes=mine))["filters"] == []


def test_what_a_filter_left_out_is_in_the_provenance():
    found = recorded(apply_filter(recording("simulated-reading"), "no-edges"))["filters"]
    assert len(found) == 1 and found[0].startswith("filter no-edges: left out")
