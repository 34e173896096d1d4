"""Contexts: which texts a model reads, and where the stimuli stand in them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis.text.passages import context_labels, passages, passages_hash, words
from data.errors import BrainLensError
from data.recording import Recording


def recording(**fields) -> Recording:
    table = pd.DataFrame(
        {
            "text": [" The cat sat. ", "It slept.", "Rain fell", "on us all", "The end."],
            "topic": ["pets", "pets", "weather", "weather", "pets"],
            "passage": ["p1", "p1", "w1", "w1", "p2"],
            "run": [1, 1, 1, 2, 2],
        },
        index=["s0", "s1", "s2", "s3", "s4"],
    )
    responses = xr.DataArray(
        np.arange(5.0)[:, None],
        dims=("stimulus", "target"),
        coords={"stimulus": table.index, "target": ["t"]},
    )
    return Recording("toy", responses, table, **fields)


def texts_of(read):
    return [[p.text[a:b] for a, b in p.spans] for p in read]


def test_every_stimulus_stands_where_its_span_says():
    read = passages(recording(), "passage")
    assert [p.text for p in read] == ["The cat sat. It slept.", "Rain fell on us all", "The end."]
    assert texts_of(read) == [
        ["The cat sat.", "It slept."],
        ["Rain fell", "on us all"],
        ["The end."],
    ]
    assert [p.rows for p in read] == [(0, 1), (2, 3), (4,)]


def test_a_topic_gathers_what_is_not_neighbouring_in_presentation_order():
    assert [p.rows for p in passages(recording(), "topic")] == [(0, 1, 4), (2, 3)]


def test_columns_are_joined_by_plus():
    assert [p.rows for p in passages(recording(), "topic+run")] == [(0, 1), (2,), (3,), (4,)]


def test_none_reads_each_stimulus_alone_and_strips_it():
    read = passages(recording(context="topic"), "none")
    assert [p.text for p in read] == [
        "The cat sat.",
        "It slept.",
        "Rain fell",
        "on us all",
        "The end.",
    ]


def test_recording_means_its_own_default_and_nothing_where_it_has_none():
    assert passages(recording(context="passage"), "recording") == passages(recording(), "passage")
    assert passages(recording(), "recording") == passages(recording(), "none")


def test_the_paper_has_its_own_role_and_falls_back():
    own = recording(context="passage", roles={"paper_context": "topic"})
    assert passages(own, "paper") == passages(own, "topic")
    assert passages(recording(context="passage"), "paper") == passages(recording(), "passage")


def test_a_role_stands_for_a_column():
    assert passages(recording(roles={"story": "topic"}), "story") == passages(recording(), "topic")


def test_words_before_stay_inside_the_recordings_context():
    read = passages(recording(context="topic"), "words:2")
    assert [p.text for p in read] == [
        "The cat sat.",
        "cat sat. It slept.",
        "Rain fell",
        "Rain fell on us all",
        "It slept. The end.",
    ]
    assert texts_of(read) == [
        ["The cat sat."],
        ["It slept."],
        ["Rain fell"],
        ["on us all"],
        ["The end."],
    ]
    assert passages(recording(context="topic"), "words:0") == passages(recording(), "none")


def test_words_before_reach_over_everything_where_no_context_is_known():
    assert passages(recording(), "words:3")[2].text == "sat. It slept. Rain fell"


@pytest.mark.parametrize(
    ("context", "told"),
    [
        ("words:", "names no number"),
        ("words:x", "names no number"),
        ("passge", "did you mean 'passage'"),
    ],
)
def test_a_context_that_is_none_is_refused(context, told):
    with pytest.raises(BrainLensError, match=told):
        passages(recording(), context)


def test_a_stimulus_without_a_label_is_named():
    base = recording()
    base.stimuli.loc["s3", "topic"] = None
    with pytest.raises(BrainLensError, match=r"1 stimuli have no 'topic', first: \['s3'\]"):
        context_labels(base, "topic")


def test_the_hash_sees_texts_spans_and_rows_and_nothing_else():
    base = passages_hash(passages(recording(), "passage"))
    assert base == passages_hash(passages(recording(context="topic"), "passage"))
    assert (
        len(
            {
                base,
                passages_hash(passages(recording(), "none")),
                passages_hash(passages(recording(), "topic")),
            }
        )
        == 3
    )


def test_words_are_what_stands_between_white_space():
    text = "It's  a well-known\tcafé —\u00a0yes"
    assert [text[a:b] for a, b in words(text)] == ["It's", "a", "well-known", "café", "—", "yes"]


def test_last_is_the_last_word_wherever_there_is_one():
    from analysis.text.passages import Passage, ending_with_words

    text = "We know . — Why ? ! ... It's 5 ."
    spans = ((0, 9), (10, 19), (20, 23), (24, 32))
    found = [text[a:b] for a, b in ending_with_words([Passage(text, spans, (0, 1, 2, 3))])[0].spans]
    assert found == ["We know", "— Why", "...", "It's 5"]
    plain = [Passage("Nothing stands alone here.", ((0, 26),), (0,))]
    assert ending_with_words(plain) == plain


def test_a_stimulus_that_is_read_alone_ends_with_a_token_of_its_last_word():
    from analysis.features.activations import _texts
    from analysis.models.catalog import card
    from analysis.protocol import preset
    from data.catalog.catalog import recording

    model = SimpleNamespace(card=card("zoo-causal-200k"))
    sentences = recording("simulated")
    assert np.mean([text.rstrip()[-1] == "." for text in sentences.texts]) > 0.5
    for name, bare in (("defended", True), ("schrimpf2021", False)):
        alone = _texts(model, sentences, preset(name).but(context="none"))
        ends = [one.text[end - 1] for one in alone for _, end in one.spans]
        assert all(end.isalnum() for end in ends) == bare
    together = _texts(model, sentences, preset("defended"))
    assert "." in {one.text[end - 1] for one in together for _, end in one.spans}
    static = SimpleNamespace(card=card("zoo-glove-64d"))
    whole = _texts(static, sentences, preset("defended").but(context="none"))
    assert "." in {one.text[end - 1] for one in whole for _, end in one.spans}
