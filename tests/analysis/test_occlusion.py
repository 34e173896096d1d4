"""Masked and rearranged texts: what stands where, and that words which stand have the surprisal they must have."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from analysis.features.surprisal import span_surprisal
from analysis.models import load
from analysis.models.variants.spec import Variant
from analysis.text.occlusion import FUNCTION_WORDS, masked, occlude, rearranged
from analysis.text.passages import Passage, words
from data.embedded import prose
from data.errors import BrainLensError

TEXT = 'Yesterday, the old fisherman walked home; he didn\'t say much about "the" storm.'
PLACES = words(TEXT)


def test_masks_are_nested_and_seeded_and_as_many_as_asked_for():
    long = " ".join(prose())
    shares = [masked(long, percent, 0) for percent in (0, 20, 60, 90)]
    assert not shares[0].any()
    assert all((a <= b).all() for a, b in pairwise(shares))
    np.testing.assert_allclose([one.mean() for one in shares], [0, 0.2, 0.6, 0.9], atol=0.03)
    assert (masked(long, 50, 0) == masked(long, 50, 0)).all()
    assert (masked(long, 50, 0) != masked(long, 50, 1)).any()


@pytest.mark.parametrize("how", ["word", "delete", "token"])
def test_nothing_is_masked_at_naught_and_what_stands_stands(how):
    whole = occlude(TEXT, PLACES, 0, how, 3, token="[MASK]")
    assert whole.text == TEXT and whole.spans == tuple(PLACES) and whole.kept.all()
    assert whole.first.tolist() == list(range(len(TEXT)))
    some = occlude(TEXT, [(0, len(TEXT))], 50, how, 3, token="[MASK]")
    assert some.text != TEXT
    for at in np.flatnonzero(some.kept):
        assert TEXT[some.first[at] : some.last[at]] == some.text[at]
    lost = {TEXT[a:b] for a, b in some.lost}
    assert bool(lost) == (how == "delete")


def test_a_replacement_is_about_as_frequent_and_keeps_punctuation_and_capital():
    from wordfreq import zipf_frequency

    made = occlude(TEXT, [], 100, "word", 1).text.split()
    old = TEXT.split()
    assert len(made) == len(old)
    assert made[0].endswith(",") and made[0][0].isupper() and made[5].endswith(";")
    bare = [(a.strip(',;."'), b.strip(',;."')) for a, b in zip(old, made)]
    assert all(a.lower() != b.lower() for a, b in bare)
    gaps = [abs(zipf_frequency(a, "en") - zipf_frequency(b, "en")) for a, b in bare]
    assert max(gaps) < 1.5 and np.mean(gaps) < 0.4


def test_more_masks_change_no_word_that_was_masked_before():
    few, many = (occlude(TEXT, [], percent, "word", 5).text.split() for percent in (30, 80))
    hidden = masked(TEXT, 30, 5)
    assert [a for a, h in zip(few, hidden) if h] == [b for b, h in zip(many, hidden) if h]


def test_a_stimulus_keeps_a_word_and_single_words_cannot_be_left_out():
    made = occlude(TEXT, [(0, 41), (42, len(TEXT))], 100, "delete", 0)
    assert all(a < b for a, b in made.spans)
    assert [made.text[a:b] for a, b in made.spans] == ["home;", "storm."]
    with pytest.raises(BrainLensError, match="single word"):
        occlude(TEXT, PLACES, 50, "delete", 0)


@pytest.mark.parametrize("name, how", [("zoo-causal-200k", "word"), ("zoo-causal-200k", "delete"), ("zoo-lstm-1m", "delete"),
                                        ("zoo-masked-1m", "token")])  # fmt: skip
def test_words_that_stand_have_the_surprisal_of_the_changed_text(name, how):
    model = load(f"{name}@mask:50:{how}:3")
    tokens = model.surprisal([TEXT])[0]
    assert (np.diff(tokens.offsets[:, 0]) >= 0).all() and tokens.offsets[-1, 1] == len(TEXT)
    here = span_surprisal(TEXT, PLACES, tokens)["uncorrected"].to_numpy()
    changed = occlude(
        TEXT, PLACES if how != "delete" else [], 50, how, 3, token="<|mask|>", glued=True
    )
    places = words(changed.text)
    direct = span_surprisal(changed.text, places, model.inner.surprisal([changed.text])[0])
    hidden = masked(TEXT, 50, 3)
    assert np.isnan(here[hidden]).all() and hidden.any() and not hidden.all()
    expected = direct["uncorrected"].to_numpy()
    expected = (
        expected if how == "delete" else expected[~hidden] if len(expected) == len(hidden) else None
    )
    if expected is not None:
        np.testing.assert_allclose(here[~hidden], expected, rtol=1e-6)
    else:  # a mask token is glued to the word before it
        assert np.isfinite(here[~hidden]).all()


def test_masking_costs_a_causal_model_bits_and_a_trigram_less_than_all():
    from analysis.features.perplexity import evaluate

    text = "\n\n".join(prose())[:3000]
    bits = [evaluate(load(f"zoo-causal-1m@{one}" if one else "zoo-causal-1m"), text).bits_per_byte
            for one in ("", "mask:30:word:0", "mask:80:word:0")]  # fmt: skip
    assert bits[0] + 0.05 < bits[1] and bits[1] + 0.05 < bits[2]


def test_the_mask_token_is_for_models_that_were_trained_with_one():
    with pytest.raises(BrainLensError, match="not trained with a mask token"):
        load("zoo-causal-200k@mask:50:token:0")


READ = [Passage("The cat sat on it. Dogs bark at night.", ((0, 18), (19, 38)), (1, 0)),
        Passage("Green ideas sleep.", ((0, 18),), (2,))]  # fmt: skip


def test_stimuli_are_rearranged_inside_their_own_rows():
    def texts(order, seed=0):
        made = rearranged(READ, order, seed)
        return {row: one.text[a:b] for one in made for row, (a, b) in zip(one.rows, one.spans)}

    whole = {1: "The cat sat on it.", 0: "Dogs bark at night.", 2: "Green ideas sleep."}
    assert {row: sorted(text.split()) for row, text in texts("scrambled").items()} == {
        row: sorted(text.split()) for row, text in whole.items()
    }
    assert texts("content") == {1: "cat sat", 0: "Dogs bark night.", 2: "Green ideas sleep."}
    assert texts("function") == {1: "The on it.", 0: "at", 2: "sleep."}
    other = texts("other")
    assert sorted(other.values()) == sorted(whole.values())
    assert all(other[row] != text for row, text in whole.items())
    assert {"the", "of", "not"} <= FUNCTION_WORDS and "cat" not in FUNCTION_WORDS


def test_a_rearranged_text_has_no_surprisal_and_an_occluded_model_reads_its_rows():
    model = load("zoo-causal-200k@words:scrambled:0")
    with pytest.raises(BrainLensError, match="reads other words"):
        model.surprisal([TEXT])
    ((rows, values),) = model.read(READ[:1], [2])
    assert sorted(rows.tolist()) == [0, 1] and values[0].shape == (2, 40)
    assert Variant.parse("words:scrambled").on_weights == Variant()
