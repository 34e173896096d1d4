"""The trigram: its file, its back-off, its words."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from analysis.features.perplexity import evaluate
from analysis.models import catalog
from analysis.models.ngram import HEADER, LOG_BASE, TrieFile
from analysis.store.store import Store
from data.errors import BrainLensError

WORDS = ["</s>", "<s>", "cat", "sat", "the", "well"]
UNI = {
    w: (p, b)
    for w, p, b in zip(
        WORDS, [-1.0, -9.0, -2.0, -2.5, -1.2, -3.0], [0.0, -0.5, -0.3, -0.2, -0.4, 0.0]
    )
}
BI = {
    ("<s>", "the"): (-0.7, -0.1),
    ("the", "cat"): (-0.9, -0.2),
    ("cat", "sat"): (-0.6, 0.0),
}  # (before, last): log p, back-off
TRI = {("<s>", "the", "cat"): -0.4}


def pack(records: list[list[tuple[int, int]]]) -> bytes:
    """Fields (value, bits) of each record, lowest bit first, with room for one more record and eight bytes."""
    number, at = 0, 0
    for record in records:
        for value, bits in record:
            number |= value << at
            at += bits
    size = sum(bits for _, bits in records[0])
    return number.to_bytes(((len(records)) * size + 7) // 8 + 8, "little")


@pytest.fixture
def folder(tmp_path, clean_home):
    """A trigram of six words in the Sphinx tools' binary form."""
    at = {word: i for i, word in enumerate(WORDS)}
    bigrams = sorted(BI, key=lambda pair: (at[pair[1]], at[pair[0]]))
    trigrams = sorted(TRI, key=lambda t: (bigrams.index(t[1:]), at[t[0]]))
    tables = np.zeros((3, 65536), "<f4")
    for i, pair in enumerate(bigrams):
        tables[0, i], tables[1, i] = np.array(BI[pair]) / LOG_BASE
    for i, triple in enumerate(trigrams):
        tables[2, i] = TRI[triple] / LOG_BASE
    ones, twos, threes = len(WORDS), len(bigrams), len(trigrams)
    unigrams = b"".join(
        struct.pack(
            "<ffI", *(np.array(UNI.get(w, (0, 0))) / LOG_BASE), sum(at[p[1]] < i for p in bigrams)
        )
        for i, w in enumerate([*WORDS, ""])
    )
    word_bits, next_bits = ones.bit_length(), threes.bit_length()
    first = [sum(bigrams.index(t[1:]) < i for t in trigrams) for i in range(twos + 1)]
    two = [
        [(at[p[0]], word_bits), (i, 16), (i, 16), (first[i], next_bits)]
        for i, p in enumerate(bigrams)
    ]
    two.append([(0, word_bits), (0, 16), (0, 16), (first[-1], next_bits)])
    three = [[(at[t[0]], word_bits), (i, 16)] for i, t in enumerate(trigrams)] + [
        [(0, word_bits), (0, 16)]
    ]
    words = "\0".join([*WORDS, ""]).encode()
    path = tmp_path / "tiny-trigram"
    path.mkdir()
    (path / "tiny.lm.bin").write_bytes(
        HEADER
        + bytes([3])
        + struct.pack("<4I", ones, twos, threes, 1)
        + tables.tobytes()
        + unigrams
        + pack(two)
        + pack(three)
        + struct.pack("<I", len(words))
        + words
    )
    (path / "card.json").write_text('{"cls": "n-gram", "adapter": "ngram"}')
    return path


def test_trigram_bigram_and_unigram_with_back_off(folder):
    (tokens,) = catalog.load(str(folder)).surprisal(["The cat sat the."])
    expected = [
        BI["<s>", "the"][0],  # (<s>) the
        TRI["<s>", "the", "cat"],  # <s> the cat
        BI["the", "cat"][1]
        + BI["cat", "sat"][0],  # the cat sat: trigram not listed, back-off of (the, cat)
        BI["cat", "sat"][1]
        + UNI["sat"][1]
        + UNI["the"][0],  # cat sat the: neither trigram nor bigram
    ]
    np.testing.assert_allclose(tokens.nats, -np.array(expected), rtol=1e-5)
    assert (
        tokens.offsets.tolist() == [[0, 3], [4, 7], [8, 11], [12, 16]]
        and np.isnan(tokens.start).all()
    )


def test_sentences_unknown_words_punctuation_and_hyphens(folder):
    model = catalog.load(str(folder))
    (tokens,) = model.surprisal(["Cat. The zebra the -- 1945 well-cat"])
    (again,) = model.surprisal(["The"])
    assert tokens.nats[1] == again.nats[0]  # a full stop begins a new sentence
    assert np.isnan(tokens.nats[[2, 4, 5]]).all() and model.missing == {"zebra": 1, "1945": 1}
    np.testing.assert_allclose(
        tokens.nats[3], -UNI["the"][0], rtol=1e-5
    )  # read without the unknown word
    np.testing.assert_allclose(
        tokens.nats[6], -(UNI["well"][0] + UNI["cat"][0] + UNI["well"][1]), rtol=1e-5
    )
    assert model.surprisal([""])[0].nats.shape == (0,)


def test_it_is_compared_by_word_only(folder, tmp_path):
    told = evaluate(
        catalog.load(str(folder)),
        "The cat sat. The zebra the cat",
        store=Store(tmp_path / "cache", readers=[]),
    )
    assert np.isnan([told.bits_per_byte, told.bits_per_character]).all() and told.bits_per_word > 0
    assert (told.words, told.left_out) == (6, 1) and told.token_perplexity == pytest.approx(
        2**told.bits_per_word
    )
    assert "compare bits per word; 1 without a probability" in told.note


def test_no_layers_and_no_variants(folder):
    model = catalog.load(str(folder))
    assert model.n_layers == 0 and model.fingerprint
    with pytest.raises(BrainLensError, match=r"no activations"):
        model.read([], [0])
    with pytest.raises(BrainLensError, match=r"no variant"):
        catalog.load(f"{folder}@untrained:init:0")


def test_a_damaged_file_says_so(folder, tmp_path):
    file = folder / "tiny.lm.bin"
    data = file.read_bytes()
    for content, says in [
        (b"Darpa Trigram LM" + data[16:], "not a binary trigram"),
        (data[:1000], "cut short"),
        (data[:-12], "names|short"),
    ]:
        (tmp_path / "bad.lm.bin").write_bytes(content)
        with pytest.raises(BrainLensError, match=says):
            TrieFile(tmp_path / "bad.lm.bin")
