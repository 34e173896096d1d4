"""The embedded recording: original sentences, simulated people, prose; nothing of it needs torch."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from data import embedded
from data.readers.simulated import default


@pytest.fixture(scope="module")
def recording():
    return default()


def test_the_sentences_stand_in_topics_and_passages():
    table = embedded.stimuli()
    assert list(table.columns) == ["topic", "passage", "position", "text"]
    assert len(table) == 288 and table["topic"].nunique() == 24
    assert (table.groupby("topic")["passage"].nunique() == 3).all()
    assert (table.groupby("passage")["position"].apply(list).map(tuple) == (1, 2, 3, 4)).all()
    assert table.index.is_unique and table.index[5] == "bakery-2-2"


def test_the_sentences_are_varied_prose_and_not_a_template():
    texts = embedded.stimuli()["text"]
    lengths = texts.str.split().str.len()
    assert texts.is_unique and lengths.min() >= 5 and lengths.max() <= 20 and lengths.std() > 2.5
    assert set(texts.str[-1]) == {".", "?", "!"} and (texts.str[-1] != ".").sum() >= 15
    assert (texts == texts.str.strip()).all() and texts.str.isascii().all()
    openings = Counter(tuple(text.split()[:3]) for text in texts)
    assert openings.most_common(1)[0][1] <= 3
    triples = Counter(
        triple for text in texts for triple in zip(*(text.lower().split()[k:] for k in range(3)))
    )
    assert triples.most_common(1)[0][1] <= 6


def test_the_prose_is_long_enough_and_apart_from_the_sentences():
    pieces = embedded.prose()
    assert len(pieces) == 5 and sum(len(piece.split()) for piece in pieces) >= 2000
    assert all(piece == piece.strip() and "* * *" not in piece for piece in pieces)
    together = " ".join(pieces)
    assert not [text for text in embedded.stimuli()["text"] if text in together]


def test_the_recording_is_stamped_as_simulated_and_knows_its_truth(recording):
    assert recording.id == "simulated" and recording.simulated and not recording.averaged
    assert (recording.n_stimuli, recording.n_targets) == (288, 120)
    assert len(set(recording.subjects)) == 6
    assert (recording.context, recording.group, recording.scored_unit) == (
        "passage",
        "topic",
        "sentence",
    )
    truth = recording.truth
    assert truth["model"].startswith("zoo-causal") and truth["layer"] > 0
    assert (
        truth["autocorrelation"] > 0 and truth["length_effect"] > 0 and truth["position_effect"] > 0
    )
    assert 0 < truth["model_ceiling"] < truth["ceiling"] < truth["ceiling_average"] < 1
    planted = recording.responses["planted"].values
    assert planted.sum() == 96 and set(recording.responses.target.values[~planted]) == set(
        truth["noise_targets"]
    )
    assert any("simulated" in note for note in recording.notes)


def test_the_planted_facts_are_in_the_numbers(recording):
    values, planted = recording.responses.values, recording.responses["planted"].values
    values = (values - values.mean(0)) / values.std(0)
    subjects, pairs = recording.subjects, recording.responses["pair"].values
    of = {
        (s, p): values[:, (subjects == s) & (pairs == p)][:, 0]
        for s in set(subjects)
        for p in set(pairs)
    }
    between = [np.mean(of["s1", p] * of["s2", p]) for p in sorted(set(pairs))]
    assert np.mean(between[:16]) == pytest.approx(recording.truth["reliability"], abs=0.05)
    assert abs(np.mean(between[16:])) < 0.1
    passage = recording.stimuli["passage"].to_numpy()
    same = [(a, b) for a, b in pairwise(range(288)) if passage[a] == passage[b]]
    noise = values[:, ~planted]
    lagged = np.mean([noise[a] * noise[b] for a, b in same])
    assert lagged == pytest.approx(recording.truth["autocorrelation"], abs=0.05)
    words = recording.stimuli["text"].str.split().str.len().to_numpy(float)
    words = (words - words.mean()) / words.std()
    assert (
        abs(np.corrcoef(words, values[:, planted].mean(1))[0, 1])
        > 0.1
        > abs(np.corrcoef(words, noise.mean(1))[0, 1])
    )


def test_the_recording_loads_without_torch_and_without_pickle():
    code = "import sys; from data.readers.simulated import default; default(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    with np.load(embedded.__path__[0] + "/responses.npz", allow_pickle=False) as saved:
        assert all(saved[name].dtype.kind in "fUbi" for name in saved.files)
