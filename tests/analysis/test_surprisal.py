"""Surprisal, perplexity and read-out against plain calls and against probability theory."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis.features.perplexity import evaluate
from analysis.features.readout import readout_perplexity, stored_readout
from analysis.features.surprisal import span_surprisal, word_surprisal
from analysis.models import next_token
from analysis.models.base import Card, Model, TokenSurprisal
from analysis.models.loaded import Loaded
from analysis.models.transformer import TransformerModel
from analysis.progress import Report
from analysis.protocol import preset
from analysis.store.store import Store
from data.errors import BrainLensError, Cancelled
from data.recording import Recording

sys.path.insert(0, str(Path(__file__).parents[1]))
import tiny_models

TEXT = "The old lighthouse keeper climbed. He didn't mind  the wind. Nobody knew -- it was a well-known café!"
LN2 = np.log(2)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}

    def folder(family, **options):
        name = "-".join([family, *map(str, options.values())])
        if name not in made:
            made[name] = tiny_models.make(
                family, tmp_path_factory.mktemp("models") / name, **options
            )
        return made[name]

    return folder


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "cache", readers=[])


def model_of(folder, family, **fields):
    return TransformerModel(tiny_models.card(family, folder, **fields), folder)


def log_probabilities(folder, ids):
    """log P(next token | tokens up to here) by one plain call, (position, vocabulary), float64."""
    import torch
    from transformers import AutoModelForCausalLM

    lm = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return torch.log_softmax(lm(torch.tensor([ids])).logits[0].double(), dim=-1).numpy()


# ---- causal models --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("family", tiny_models.CAUSAL)
def test_words_sum_to_the_sequences_log_probability(family, folders, store):
    bos = {"gpt2": "<|endoftext|>"}.get(family, "")
    model = model_of(folders(family), family, bos=bos)
    table = word_surprisal(model, TEXT, preset("defended").but(word_boundary=False), store=store)
    front, _ = model.frame()
    bare = model.tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    logs = log_probabilities(folders(family), [*front, *bare])
    tokens = (
        -np.array(
            [logs[len(front) + t - 1, i] if len(front) + t else np.nan for t, i in enumerate(bare)]
        )
        / LN2
    )
    scored = table.surprisal.notna()
    assert list(table.text) == TEXT.split()
    assert np.isnan(table.surprisal[0]) == (not front)
    expected = tokens.sum() if front else tokens[table.tokens[0] :].sum()
    np.testing.assert_allclose(table.surprisal[scored].sum(), expected, rtol=1e-5)
    assert table.tokens.sum() == len(bare)


def test_the_correction_is_the_formula(folders, store):
    folder = folders("gpt2")
    model = model_of(folder, "gpt2", bos="<|endoftext|>")
    table = word_surprisal(model, TEXT, store=store)
    ids = model.tokenizer(TEXT)["input_ids"]
    logs = log_probabilities(folder, [0, *ids])
    pieces = model.tokenizer.convert_ids_to_tokens(list(range(logs.shape[1])))
    start = [p.startswith(("Ġ", "Ċ", "ĉ", "č")) or i == 0 for i, p in enumerate(pieces)]
    begins = np.log(np.exp(logs[:, start]).sum(axis=1))
    at = 0
    for word, row in enumerate(table.itertuples()):
        nats = -sum(logs[at + k, ids[at + k]] for k in range(row.tokens))
        before = begins[at] if word else 0.0
        at += row.tokens
        np.testing.assert_allclose(row.corrected, (nats - begins[at] + before) / LN2, atol=1e-4)
        np.testing.assert_allclose(row.uncorrected, nats / LN2, atol=1e-4)
    assert table.attrs["word_boundary"] and (table.surprisal == table.corrected).all()


def test_corrected_word_probabilities_of_a_toy_vocabulary_sum_to_one(tmp_path):
    """Two letters, alone or behind a space: every word up to eight letters, and what is left over, is all there is."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    vocabulary = {"<|endoftext|>": 0, "a": 1, "b": 2, "Ġa": 3, "Ġb": 4, "Ġ": 5}
    backend = Tokenizer(models.BPE(vocabulary, [("Ġ", "a"), ("Ġ", "b")]))
    backend.pre_tokenizer, backend.decoder = (
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        decoders.ByteLevel(),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<|endoftext|>", eos_token="<|endoftext|>"
    )
    config = AutoConfig.for_model(
        "gpt2",
        vocab_size=6,
        n_embd=16,
        n_layer=2,
        n_head=2,
        n_positions=32,
        bos_token_id=0,
        eos_token_id=0,
    )
    lm = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        lm.transformer.wte.weight.mul_(20)
        lm.transformer.wte.weight[5] = (
            0  # the bare space is as likely as any; it begins a word of its own
        )
    lm.save_pretrained(tmp_path / "toy")
    tokenizer.save_pretrained(tmp_path / "toy")
    model = model_of(tmp_path / "toy", "gpt2", bos="<|endoftext|>")

    longest = 7
    spelled = [
        "".join(letters)
        for n in range(1, longest + 1)
        for letters in itertools.product("ab", repeat=n)
    ]
    texts = [f"ab {word}" for word in spelled]
    corrected = uncorrected = 0.0
    for text, tokens in zip(texts, model.surprisal(texts)):
        row = span_surprisal(text, [(0, 2), (3, len(text))], tokens).iloc[1]
        corrected += 2.0**-row.corrected
        uncorrected += 2.0**-row.uncorrected
    logs = log_probabilities(tmp_path / "toy", [0, 1, 2])[-1]
    begins = np.exp(logs[[0, 3, 4, 5]]).sum()
    more = sum(  # words that go on beyond the longest, and no way to spell them but these
        2.0 ** -span_surprisal(t, [(0, 2), (3, len(t))], s).iloc[1].uncorrected * (1 - np.exp(s.start[-1]))
        for t, s in zip(texts, model.surprisal(texts)) if len(t) == 3 + longest
    )  # fmt: skip
    np.testing.assert_allclose(
        corrected + (np.exp(logs[0]) + np.exp(logs[5]) + more) / begins, 1.0, atol=1e-5
    )
    assert abs(uncorrected - 1) > 0.05  # without the correction, prefixes are counted as words


def test_windows_score_each_token_once():
    for count, room, stride in [
        (1, 8, 4),
        (8, 8, 4),
        (9, 8, 4),
        (40, 8, 3),
        (40, 8, 8),
        (41, 8, 8),
    ]:
        seen = [
            t
            for begin, end, first in next_token.windows(count, room, stride)
            for t in range(first, end)
        ]
        assert seen == list(range(count))
        assert all(
            begin <= first and end - begin <= room
            for begin, end, first in next_token.windows(count, room, stride)
        )


def test_a_sliding_window_sees_what_it_says(folders):
    folder = folders("gpt2")
    model = model_of(folder, "gpt2", bos="<|endoftext|>")
    ids = model.tokenizer(TEXT)["input_ids"]
    nats = model.surprisal([TEXT], window=9, stride=3)[0].nats
    for begin, end, first in next_token.windows(len(ids), 8, 3):
        logs = log_probabilities(folder, [0, *ids[begin:end]])
        for t in range(first, end):
            np.testing.assert_allclose(nats[t], -logs[t - begin, ids[t]], atol=1e-4)


def test_disjoint_windows_each_begin_with_the_start_token(folders):
    folder = folders("gpt2")
    model = model_of(folder, "gpt2", bos="<|endoftext|>")
    ids = model.tokenizer(TEXT)["input_ids"]
    nats = model.surprisal([TEXT], window=9, stride=8)[0].nats
    logs = log_probabilities(folder, [0, *ids[8:16]])
    np.testing.assert_allclose(nats[8:16], [-logs[k, ids[8 + k]] for k in range(8)], atol=1e-4)


@pytest.mark.parametrize(
    ("window", "stride", "told"),
    [(1, None, "no window of 1"), (65, None, "no window of 65"), (16, 16, "leaves out tokens")],
)
def test_impossible_windows_are_refused(window, stride, told, folders):
    with pytest.raises(BrainLensError, match=told):
        model_of(folders("gpt2"), "gpt2", bos="<|endoftext|>").surprisal(
            [TEXT], window=window, stride=stride
        )


def test_the_vocabulary_in_chunks_says_the_same(folders, monkeypatch):
    model = model_of(folders("gpt2"), "gpt2", bos="<|endoftext|>")
    whole = model.surprisal([TEXT])[0]
    monkeypatch.setattr(next_token, "VOCABULARY_CHUNK", 37)
    chunked = model.surprisal([TEXT])[0]
    np.testing.assert_allclose(chunked.nats, whole.nats, atol=1e-5)
    np.testing.assert_allclose(chunked.start, whole.start, atol=1e-5)


def test_a_head_that_does_more_than_multiply_is_noticed(folders, monkeypatch):
    """A soft cap behind the output layer (Gemma 2's way)."""
    import torch

    model = model_of(folders("gpt2"), "gpt2", bos="<|endoftext|>")
    plain = model.surprisal([TEXT])[0].nats
    forward = type(model.lm).forward

    def capped(self, *args, **kwargs):
        told = forward(self, *args, **kwargs)
        told.logits = 2 * torch.tanh(told.logits / 2)
        return told

    monkeypatch.setattr(type(model.lm), "forward", capped)
    ids = model.tokenizer(TEXT)["input_ids"]
    with torch.no_grad():
        logs = torch.log_softmax(model.lm(torch.tensor([[0, *ids]])).logits[0], dim=-1)
    capped_nats = model.surprisal([TEXT])[0].nats
    np.testing.assert_allclose(
        capped_nats, [-float(logs[t, i]) for t, i in enumerate(ids)], atol=1e-4
    )
    assert np.abs(capped_nats - plain).max() > 0.1


# ---- recordings -------------------------------------------------------------------------------------------------------------
def test_stimuli_are_scored_in_their_context_and_keep_their_order(folders, store):
    model = model_of(folders("gpt2"), "gpt2", bos="<|endoftext|>")
    table = pd.DataFrame(
        {
            "text": ["The dog", "They found", "slept.", "two letters."],
            "story": ["x", "y", "x", "y"],
        },
        index=list("abcd"),
    )
    responses = xr.DataArray(
        np.arange(4.0)[:, None],
        dims=("stimulus", "target"),
        coords={"stimulus": table.index, "target": ["t"]},
    )
    told = word_surprisal(model, Recording("toy", responses, table, context="story"), store=store)
    assert list(told.index) == list("abcd") and list(told.text) == list(table.text)
    one = word_surprisal(model, "The dog slept.", store=store)
    np.testing.assert_allclose(
        told.surprisal["a"], one.surprisal[:2].sum(), rtol=1e-5
    )  # boundaries between words cancel
    np.testing.assert_allclose(told.surprisal["c"], one.surprisal[2], rtol=1e-5)


def test_stored_surprisals_need_no_model(folders, store, monkeypatch):
    first = word_surprisal(model_of(folders("gpt2"), "gpt2"), [TEXT, "The dog"], store=store)
    monkeypatch.setattr(Loaded, "_load", lambda *a, **k: pytest.fail("the weights were loaded"))
    pd.testing.assert_frame_equal(
        first, word_surprisal(model_of(folders("gpt2"), "gpt2"), [TEXT, "The dog"], store=store)
    )


# ---- masked models --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("family", ["bert", "roberta", "albert", "xlm"])
def test_pseudo_log_likelihood_hides_the_rest_of_the_word(family, folders, store):
    import torch
    from transformers import AutoModelForMaskedLM

    text = "The lighthouse keeper didn't mind."
    model = model_of(folders(family), family)
    table = word_surprisal(model, text, store=store)
    assert "pseudo-log-likelihood" in table.attrs["kind"] and not table.attrs["word_boundary"]
    lm = AutoModelForMaskedLM.from_pretrained(folders(family), dtype=torch.float32).eval()
    ids = model.tokenizer(text)["input_ids"]
    at = len(model.frame()[0])
    for row in table.itertuples():
        bits = 0.0
        for t in range(at, at + row.tokens):
            hidden = list(ids)
            hidden[t : at + row.tokens] = [model.tokenizer.mask_token_id] * (at + row.tokens - t)
            with torch.no_grad():
                bits -= (
                    float(
                        torch.log_softmax(lm(torch.tensor([hidden])).logits[0, t], dim=-1)[ids[t]]
                    )
                    / LN2
                )
        np.testing.assert_allclose(row.surprisal, bits, atol=1e-3)
        at += row.tokens


def test_the_protocols_window_counts_for_words(folders, store):
    model = model_of(folders("gpt2"), "gpt2", bos="<|endoftext|>")
    narrow = word_surprisal(model, TEXT, preset("defended").but(window=12), store=store)
    pd.testing.assert_frame_equal(narrow, word_surprisal(model, TEXT, window=12, store=store))
    whole = word_surprisal(model, TEXT, store=store)
    assert narrow.attrs["window"] == 12 and whole.attrs["window"] is None
    assert (
        narrow.surprisal[0] == pytest.approx(whole.surprisal[0])
        and narrow.surprisal.iloc[-1] != whole.surprisal.iloc[-1]
    )
    more = preset("defended").but(window=100_000)  # than the model can: nothing is asked of it
    assert word_surprisal(model, TEXT, more, store=store).attrs["window"] is None


@pytest.mark.parametrize("family", ["xlnet"])
def test_models_without_probabilities_say_so(family, folders, store):
    with pytest.raises(BrainLensError, match="gives no next-word probabilities"):
        word_surprisal(model_of(folders(family), family), TEXT, store=store)


# ---- perplexity -----------------------------------------------------------------------------------------------------------
def test_bits_per_byte_count_exactly_the_scored_tokens(folders, store):
    with_start = evaluate(model_of(folders("gpt2"), "gpt2", bos="<|endoftext|>"), TEXT, store=store)
    assert (
        with_start.bytes == len(TEXT.encode())
        and with_start.characters == len(TEXT)
        and with_start.words == len(TEXT.split())
    )
    assert with_start.left_out == 0
    model = model_of(folders("gpt2"), "gpt2")
    without = evaluate(model, TEXT, store=store)
    first = model.tokenizer(TEXT, return_offsets_mapping=True)["offset_mapping"][0][1]
    assert (
        without.left_out == 1
        and without.bytes == len(TEXT[first:].encode()) == with_start.bytes - first
    )
    ids = model.tokenizer(TEXT)["input_ids"]
    logs = log_probabilities(folders("gpt2"), ids)
    nats = -sum(logs[t - 1, ids[t]] for t in range(1, len(ids)))
    np.testing.assert_allclose(without.bits_per_byte, nats / LN2 / without.bytes, rtol=1e-5)
    np.testing.assert_allclose(without.token_perplexity, np.exp(nats / (len(ids) - 1)), rtol=1e-5)


def test_white_space_a_tokenizer_skips_is_counted_once(folders, store):
    told = evaluate(model_of(folders("bert"), "bert"), "The  keeper climbed.\n", store=store)
    assert told.bytes == len("The  keeper climbed.") and "pseudo" in told.kind


def test_characters_and_tokens_stand_on_one_scale(store):
    """A model of characters with 2 bits each: bits per byte follow the bytes, not the tokens."""

    class Characters(Model):
        id, card, fingerprint, widths = "letters", Card(id="letters", cls="recurrent"), "f", (1,)

        def surprisal(self, texts, *, window=None, stride=None, report=None):
            return [
                TokenSurprisal(
                    np.array([[i, i + 1] for i in range(len(t))]),
                    np.full(len(t), 2 * LN2),
                    np.full(len(t) + 1, np.nan),
                )
                for t in texts
            ]

    told = evaluate(Characters(), "café no", store=store)
    assert told.bits_per_character == pytest.approx(2) and told.bits_per_byte == pytest.approx(
        14 / 8
    )
    assert told.bits_per_word == pytest.approx(7) and told.token_perplexity == pytest.approx(4)


def test_a_long_run_goes_on_where_it_was_stopped(folders, store, monkeypatch):
    monkeypatch.setattr(next_token, "BATCH_TOKENS", 40)
    text = " ".join([TEXT] * 6)
    model = model_of(folders("gpt2"), "gpt2", bos="<|endoftext|>")
    report = Report(
        on_progress=lambda done, total, what, left: report.cancel() if done == 3 else None
    )
    with pytest.raises(Cancelled):
        evaluate(model, text, window=16, stride=8, store=store, report=report)
    ran = []
    original = next_token.Passes.run
    monkeypatch.setattr(
        next_token.Passes, "run", lambda self, n, r: ran.append(n) or original(self, n, r)
    )
    resumed = evaluate(model, text, window=16, stride=8, store=store)
    assert ran[0] == 3 and resumed.fresh
    monkeypatch.setattr(next_token, "BATCH_TOKENS", 4096)
    whole = evaluate(
        model, text, window=16, stride=8, store=Store(store.root.parent / "other", readers=[])
    )
    assert resumed.bits_per_byte == pytest.approx(whole.bits_per_byte, rel=1e-6)
    again = evaluate(model, text, window=16, stride=8, store=store)
    assert not again.fresh and again.bits_per_byte == resumed.bits_per_byte
    assert json.dumps(again.to_dict())


def test_an_empty_text_is_refused(folders, store):
    with pytest.raises(BrainLensError, match="The text is empty"):
        evaluate(model_of(folders("gpt2"), "gpt2"), " \n", store=store)


# ---- the read-out of the 2021 paper ---------------------------------------------------------------------------------------
def test_the_read_out_learns_and_can_be_repeated(folders, store):
    model = model_of(folders("gpt2"), "gpt2")
    text = " ".join([tiny_models.CORPUS] * 2)
    told = readout_perplexity(model, text, text, text, block=8, epochs=3, rate=3e-2, store=store)
    assert told.validation[1] < told.validation[0] < len(model.tokenizer)
    assert told.perplexity == pytest.approx(np.exp(told.loss)) and told.features == 32
    how = dict(block=8, epochs=3, rate=3e-2)
    assert stored_readout(model, text, text, text, **how, store=store) == told
    other = Store(store.root.parent / "other", readers=[])
    assert stored_readout(model, text, text, text, **how, store=other) is None
    assert readout_perplexity(model, text, text, text, **how, store=other) == told
    fewer = readout_perplexity(
        model, text, text, text, block=8, epochs=1, most_features=10, store=store
    )
    assert fewer.features == 10


def test_the_read_out_stops_when_nothing_is_gained(folders, store):
    text = " ".join([tiny_models.CORPUS] * 2)
    told = readout_perplexity(
        model_of(folders("gpt2"), "gpt2"),
        text,
        text,
        text,
        block=8,
        epochs=20,
        rate=1e-9,
        store=store,
    )
    assert len(told.validation) == 2


def test_read_out_features_never_see_what_comes(folders):
    for family in ("gpt2", "bert"):
        model = model_of(folders(family), family)
        one, other = np.array([[5, 6, 7, 8]]), np.array([[5, 6, 9, 9]])
        told = [
            dict(zip(p.tolist(), s))
            for block in (one, other)
            for p, s in [_gathered(model.token_states(block))]
        ]
        np.testing.assert_allclose(told[0][1], told[1][1], atol=2e-5)
        assert np.abs(told[0][3] - told[1][3]).max() > 1e-3


def _gathered(parts):
    places, states = zip(*parts)
    return np.concatenate(places), np.concatenate(states)


def test_a_text_shorter_than_a_block_is_refused(folders, store):
    with pytest.raises(BrainLensError, match="The validation text has"):
        readout_perplexity(
            model_of(folders("gpt2"), "gpt2"), tiny_models.CORPUS, "The", TEXT, store=store
        )


# ---- golden values, where the weights are ---------------------------------------------------------------------------------
GOLDEN = {
    "gpt2": [13.0063, 12.1262, 9.7996, 8.6038, 3.4421, 1.3126, 10.2384],
    "distilgpt2": [19.2606, 12.7214, 12.0832, 10.8766, 3.6783, 2.1027, 11.9615],
}


def from_hub(name):
    from analysis.models import load

    try:
        model = load(name)
        _ = model.config
    except BrainLensError as error:
        pytest.skip(f"the weights of {name} are not here: {error}")
    return model


@pytest.mark.hub
@pytest.mark.parametrize("name", GOLDEN)
def test_published_surprisals(name, store):
    found = from_hub(name)
    model = TransformerModel(
        Card(**{**vars(found.card), "bos": ""}), found.source, revision=found.revision
    )
    told = word_surprisal(
        model, "the quick brown fox jumps over the lazy", preset("schrimpf2021"), store=store
    )
    assert np.isnan(told.surprisal[0])
    np.testing.assert_allclose(told.surprisal[1:], GOLDEN[name], atol=1e-3)


@pytest.mark.hub
@pytest.mark.parametrize(("stride", "perplexity"), [(1024, 19.44), (512, 16.44)])
def test_published_perplexities(stride, perplexity, mirror, store):
    found = from_hub("gpt2-large")
    model = TransformerModel(
        Card(**{**vars(found.card), "bos": ""}), found.source, revision=found.revision
    )
    text = (mirror / "wikitext2" / "test.raw.neural-nlp.txt").read_text(encoding="utf-8")
    assert evaluate(model, text, stride=stride, store=store).token_perplexity == pytest.approx(
        perplexity, abs=0.02
    )


@pytest.mark.starter
def test_smollm2_begins_with_the_end_of_text_token(starter, store):
    """Known bits per word; its declared start token, a chat marker, would give 11.9 20.1 9.3 3.1 10.3."""
    from analysis.models import load

    model = load("smollm2-135m")
    assert model.card.bos == "<|endoftext|>"
    told = word_surprisal(
        model, "The quick brown fox jumps", preset("defended").but(word_boundary=False), store=store
    )
    np.testing.assert_allclose(told.surprisal, [7.4, 12.1, 0.3, 0.8, 5.7], atol=0.06)
