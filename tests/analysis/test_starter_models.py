"""The real models of the starter pack: they load, they read, and they give the numbers known for them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.features.activations import extract
from analysis.features.perplexity import evaluate
from analysis.models import load
from analysis.models.files.starter import DEFAULT
from analysis.protocol import preset
from analysis.store.store import Store
from analysis.text.passages import Passage
from data.own import read as own

pytestmark = pytest.mark.starter

TEXT = "The quick brown fox jumps"


def bits(name, text=TEXT):
    (tokens,) = load(name).surprisal([text])
    return tokens.nats / np.log(2), tokens


@pytest.mark.parametrize("name", DEFAULT)
def test_every_model_of_the_pack_is_installed_and_says_what_it_is(starter, name):
    model = load(name)
    assert (starter / name / "card.json").is_file()
    assert (
        model.card.citation
        and model.card.licence
        and model.fingerprint
        and model.card.source == "package"
    )


def test_smollm2_behind_its_start_token(starter):
    model = load("smollm2-135m")
    assert (
        model.id == "smollm2-135m-instruct-q4_1"
        and "instruction" in model.card.note
        and model.n_layers == 31
    )
    np.testing.assert_allclose(bits("smollm2-135m")[0], [7.4, 12.1, 0.3, 0.8, 5.7], atol=0.06)


def test_stories15m_reads_stories(starter):
    easy, _ = bits(
        "stories15m",
        "Once upon a time, there was a little girl named Lily. She loved to play outside.",
    )
    hard, _ = bits(
        "stories15m",
        "The committee deferred ratification pending fiscal review of the tariff schedule.",
    )
    assert easy.sum() < 30 < 90 < hard.sum()


def test_the_character_lstm_knows_english_spelling(starter):
    text = "The president said on Monday that the government would not change its policy ."
    spelled, tokens = bits("flair", text)
    assert len(tokens.nats) == len(text) and spelled.mean() < 1.7
    assert spelled.mean() < bits("flair", text[::-1])[0].mean() - 2
    backward = bits("flair-news-backward-fast", text)[0]
    assert backward.mean() < 1.7 and backward[-1] == pytest.approx(
        bits("flair-news-backward-fast", ".")[0][0], abs=1e-4
    )
    ((_, values),) = load("flair").read([Passage(text, ((0, 13), (14, 18)), (0, 1))], [0, 1, 2])
    assert [v.shape for v in values] == [(2, 100), (2, 1024), (2, 1024)]


def test_the_trigrams_probabilities_sum_to_one(starter):
    file = load("trigram").file
    words = np.arange(len(file.index))
    for before, last in [(None, "<s>"), ("of", "the"), ("united", "states"), ("zebra", "of")]:
        history = (
            np.full(len(words), file.index[last]),
            np.full(len(words), file.index.get(before, -1)),
        )
        assert np.exp(file.log_p(words, *history)).sum() == pytest.approx(1, abs=1e-3)
    assert len(words) == 72547


def test_glove_neighbours(starter):
    model = load("glove-50d")
    king, queen, man, banana = model.vectors(["King", "queen", "man", "banana"])
    near = lambda a, b: a @ b / np.linalg.norm(a) / np.linalg.norm(b)  # noqa: E731
    assert near(king, queen) > near(king, man) > near(king, banana) + 0.2
    assert model.widths == (50,)


def test_minilm_puts_like_sentences_together(starter):
    texts = [
        "A dog runs across the field.",
        "A puppy is running over the grass.",
        "The bank raised its interest rate.",
    ]
    model = load("minilm")
    passages = [Passage(text, ((0, len(text)),), (row,)) for row, text in enumerate(texts)]
    found = {
        row: v
        for rows, (values,) in model.read(passages, [6], pooling="mean", attention="whole")
        for row, v in zip(rows, values)
    }
    unit = [found[row] / np.linalg.norm(found[row]) for row in range(3)]
    assert unit[0] @ unit[1] > unit[0] @ unit[2] + 0.2 and "sentence-tuned" in model.card.note


@pytest.mark.realdata
def test_the_pack_reads_natural_stories_and_pereira(starter, mirror, own_data, tmp_path):
    """The same story for all: a better language model needs fewer bits, and n-grams are compared by word."""
    words = pd.read_csv(
        mirror / "naturalstories" / "words.tsv",
        sep="\t",
        header=None,
        names=["at", "word"],
        quoting=3,
    )
    whole = words[words["at"].str.match(r"1\.\d+\.whole$")]["word"].head(120)
    text, store = " ".join(whole), Store(tmp_path / "cache", readers=[])
    found = {
        name: evaluate(load(name), text, store=store)
        for name in ("smollm2-135m", "stories15m", "flair", "trigram")
    }
    bits = {name: one.bits_per_byte for name, one in found.items()}
    assert bits["smollm2-135m"] < min(bits["stories15m"], bits["flair"]) - 0.3
    assert (
        np.isnan(bits["trigram"])
        and found["smollm2-135m"].bits_per_word < found["trigram"].bits_per_word
    )

    pereira = own.read(
        own_data / "pereira2018_average.csv",
        text="sentence",
        responses=["lang_LH_avg_effect_size"],
        context="passage_index",
    )
    few = pereira.select(stimuli=np.arange(4))
    for name, width in (
        ("smollm2-135m", 576),
        ("stories15m", 288),
        ("flair", 1024),
        ("minilm", 384),
        ("glove-50d", 50),
    ):
        activations = extract(load(name), few, preset("defended"), [-1], store=store)
        values = activations.layer(-1)
        assert values.shape == (4, width) and np.isfinite(values).all() and not activations.note(-1)
